"""Keeping other people's libraries from logging what is nobody's business: addresses, headers, bodies.

Belongs here: silencing. Does not belong here: logging of our own.
"""

from __future__ import annotations

import logging


class _WarningsOnly(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_FILTER = _WarningsOnly()


def keep_quiet(*families: str) -> None:
    """Let loggers of these families, all that exist by now, pass warnings only.

    A filter on every single logger, because a level is soon set back, and a parent's filter doesn't see what its
    children log. Adding it twice changes nothing.

    Args:
        families: first parts of loggers' names, such as `httpx`.
    """
    for name in [*families, *logging.root.manager.loggerDict]:
        if name.split(".")[0] in families:
            logging.getLogger(name).addFilter(_FILTER)

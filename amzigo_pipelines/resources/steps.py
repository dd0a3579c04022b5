"""Telling somebody the steps of what must survive a crash at any of them: tests end the process there.

Belongs here: the listener's type, and the one who does not listen. Does not belong here: any step's name.
"""

from __future__ import annotations

from collections.abc import Callable

OnStep = Callable[[str], None]


def no_step(name: str) -> None:
    """Nobody listens."""

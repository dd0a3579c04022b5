"""Ctrl-C that arrives where Python can't raise it: in a finaliser or a weak reference's callback.

Python prints such an exception with its traceback and goes on as if nothing had been. Belongs here: not losing an
interrupt like that, and showing no text of any other exception, as it could quote data. Does not belong here: what an
interrupt ends (`main.py`, `history_worker.py`).
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable

_MOMENT_S = 0.05


def keep_interrupts(again: Callable[[], object] = _thread.interrupt_main) -> None:
    """From now on an interrupt that nothing could take is raised again in the main thread.

    Args:
        again: what raises it.
    """

    def told(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # A moment later: within this hook nothing could take it either.
            timer = threading.Timer(_MOMENT_S, again)
            timer.daemon = True
            timer.start()
        else:
            print(f"amzigo: an unexpected {unraisable.exc_type.__name__} while cleaning up", file=sys.stderr)

    sys.unraisablehook = told

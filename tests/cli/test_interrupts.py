"""An interrupt within a finaliser is not lost, and nothing of another exception's text is shown."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import signal, sys, time
from amzigo_pipelines.cli.interrupts import keep_interrupts
keep_interrupts()
class Closing:
    def __del__(self):
        {within}
try:
    Closing()
    time.sleep(20)
    print("went on")
except KeyboardInterrupt:
    print("ended")
"""


def run(within: str) -> subprocess.CompletedProcess[str]:
    code = CODE.format(within=within)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_an_interrupt_within_a_finaliser_ends_what_is_under_way() -> None:
    outcome = run("signal.raise_signal(signal.SIGINT); time.sleep(0)")
    assert (outcome.stdout, outcome.stderr) == ("ended\n", "")


def test_another_exceptions_text_is_not_shown() -> None:
    outcome = run("signal.alarm(0); signal.signal(signal.SIGALRM, signal.default_int_handler); signal.alarm(1); 1 / 0")
    assert outcome.stdout == "ended\n"
    assert outcome.stderr == "amzigo: an unexpected ZeroDivisionError while cleaning up\n"

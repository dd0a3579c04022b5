"""Trying again: which failures, how long, how spread out. The only retry mechanism around Amazon.

Belongs here: waiting. Does not belong here: which errors may be retried (each `SpApiError` says so itself) and pacing
calls before Amazon refuses them (`pacing.py` is the place of that).

The loop is tenacity's; all waiting goes through one `sleep`, so that tests don't wait.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from amzigo_pipelines.resources.spapi.errors import SpApiError

T = TypeVar("T")
Sleep = Callable[[float], None]


class Retries:
    """Asks again after a failure that may pass, within a number of attempts and a bounded time.

    Args:
        sleep: waits so many seconds.
        attempts: how often to ask at most.
        time_limit_s: no wait is begun that would end later than this after the first attempt.
        first_wait_s: the wait after the first failure; it doubles from then on.
        longest_wait_s: where doubling ends. What Amazon asks for may be longer.
    """

    def __init__(
        self,
        sleep: Sleep = time.sleep,
        *,
        attempts: int = 8,
        time_limit_s: float = 900.0,
        first_wait_s: float = 1.0,
        longest_wait_s: float = 60.0,
    ) -> None:
        self._sleep = sleep
        self._attempts = attempts
        self._time_limit_s = time_limit_s
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s

    def call(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, asked as often as it takes.

        Raises:
            SpApiError: the last failure, saying how often it was tried; or at once one that no retry can mend.
        """
        # A wait is computed once a failure, because it is random, and the decision to stop depends on it.
        waits: dict[int, float] = {}

        def wait(state: RetryCallState) -> float:
            return waits.setdefault(state.attempt_number, self._wait_s(state))

        def stop(state: RetryCallState) -> bool:
            passed = max(state.idle_for, state.seconds_since_start or 0.0)
            return state.attempt_number >= self._attempts or passed + wait(state) > self._time_limit_s

        loop = Retrying(retry=retry_if_exception(_may_pass), wait=wait, stop=stop, sleep=self._sleep, reraise=True)
        try:
            return loop(ask)
        except SpApiError as error:
            attempts = loop.statistics.get("attempt_number", 1)
            if error.is_retryable and attempts > 1:
                error.add(f"asked {attempts} times over {loop.statistics.get('idle_for', 0.0):.0f} s")
            raise

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_for = error.retry_after_s if isinstance(error, SpApiError) else None
        if asked_for is not None:
            # Never earlier than Amazon asks, and not all waiting callers in the same instant.
            return asked_for + random.uniform(0.0, 0.1 * asked_for + 0.1)
        longest = min(self._longest_wait_s, self._first_wait_s * 2.0 ** (state.attempt_number - 1))
        return longest * random.uniform(0.5, 1.0)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, SpApiError) and error.is_retryable

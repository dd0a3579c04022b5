"""When the next call of an operation may be sent: Amazon's rates, kept on our side.

Belongs here: waiting for a turn, and learning the rates from answers. Does not belong here: asking again after a
failure (`retries.py`), what a refusal means (`errors.py`), the calls themselves (`calls.py`), counting
tokens (`rate_buckets.py`).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from amzigo_pipelines.catalog.rates import RATES, Rate
from amzigo_pipelines.resources.spapi.errors import Asked, NoTurnYet, TurnTooLate
from amzigo_pipelines.resources.spapi.rate_buckets import ALL_SELLERS, Account, RateBuckets
from amzigo_pipelines.resources.spapi.retries import Sleep

# A request may be quicker on its way than the one before it, which Amazon then takes for too soon: whoever has to wait
# waits a little longer. It shifts a queue as a whole and does not slow it down.
_MARGIN_OF_INTERVAL = 0.05
_LONGEST_MARGIN_S = 1.0
# Tokens that were taken together are good for so long, then Amazon may have counted beyond its burst without them.
_TAKEN_TOGETHER_FOR_S = 5.0


class Pacer:
    """The one place where a call waits for its turn. This one never waits, and only learns from answers."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def permit(self) -> None:
        """Called before anything is sent, a login too; raises where the seller's tokens may not be used now."""

    def before(self, operation: str) -> None:
        """Called before every request of an operation; returns when it may be sent."""

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Within the block `before` raises `NoTurnYet` where it would have to wait."""
        yield

    def learn(self, operation: str, rate: float | None) -> None:
        """Take over the rate (requests a second) that an answer stated."""
        if rate is not None and math.isfinite(rate) and rate > 0:
            self._rates[operation] = rate

    def refused(self, operation: str) -> float | None:
        """Take note of a 429; how long to wait, in seconds, before coming to `before` again, None if unknown."""
        rate = self._rates.get(operation)
        return None if rate is None else 1.0 / rate


class SharedPacer(Pacer):
    """Waits for a token of a bucket that all processes share. For one seller; not for threads to share.

    Args:
        buckets: of the control database.
        client_id: the application's LWA client id; only its hash is kept.
        seller_id: for whom calls are made.
        scale: multiplies Amazon's rates and bursts; only a simulator's may differ from 1.
        rates: what Amazon publishes. An operation that is not in there is not paced.
        sleep: waits so many seconds.
        longest_wait_s: a turn that is further off is an error.
        permit: raises where the seller's tokens may not be used now.
    """

    def __init__(
        self,
        buckets: RateBuckets,
        client_id: str,
        seller_id: str,
        *,
        scale: float = 1.0,
        rates: Mapping[str, Rate] = RATES,
        sleep: Sleep = time.sleep,
        longest_wait_s: float = 900.0,
        permit: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._permit = permit
        self._buckets = buckets
        self._application = hashlib.sha256(client_id.encode()).hexdigest()[:16]
        self._seller_id = seller_id
        self._limits = {operation: rate.scaled(scale) for operation, rate in rates.items()}
        self._sleep = sleep
        self._longest_wait_s = longest_wait_s
        self._may_wait = True
        self._taken: dict[str, tuple[int, float]] = {}  # tokens in hand, and until when they are good

    def permit(self) -> None:
        """Ask anew each time: a seller may be frozen while a run goes on."""
        self._permit()

    def before(self, operation: str) -> None:
        """Wait for a turn.

        Raises:
            TurnTooLate: it is too far off; nothing was reserved.
            NoTurnYet: within `without_waiting`, it is not at once; nothing was reserved.
            ControlError: the control database refused.
        """
        limit = self._limits.get(operation)
        if limit is None:
            return
        in_hand, good_until = self._taken.get(operation, (0, 0.0))
        if in_hand and time.monotonic() < good_until:
            self._taken[operation] = (in_hand - 1, good_until)
            return
        longest_wait_s = self._longest_wait_s if self._may_wait else 0.0
        turn = self._buckets.reserve(self._account(operation, limit), limit, longest_wait_s)
        if not turn.tokens and not self._may_wait:
            raise NoTurnYet(Asked(self._seller_id, operation), "no turn yet", retry_after_s=turn.wait_s)
        if not turn.tokens:
            raise TurnTooLate(
                Asked(self._seller_id, operation),
                f"{'the application' if limit.is_across_sellers else 'this seller'} has used up what Amazon allows "
                f"and the next turn comes in {math.ceil(turn.wait_s):,} s, after those who wait already: "
                "try again then",
                retry_after_s=turn.wait_s,
            )
        self._rates[operation] = turn.rate_per_s
        self._taken[operation] = (turn.tokens - 1, time.monotonic() + _TAKEN_TOGETHER_FOR_S)
        if turn.wait_s > 0:
            self._sleep(turn.wait_s + min(_LONGEST_MARGIN_S, _MARGIN_OF_INTERVAL / turn.rate_per_s))

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Within the block `before` raises `NoTurnYet` where it would have to wait."""
        self._may_wait, before = False, self._may_wait
        try:
            yield
        finally:
            self._may_wait = before

    def learn(self, operation: str, rate: float | None) -> None:
        """Correct the bucket where Amazon states another rate than we reckon with."""
        before = self._rates.get(operation)
        super().learn(operation, rate)
        now, limit = self._rates.get(operation), self._limits.get(operation)
        if limit and now and now != before and not (before and math.isclose(now, before, rel_tol=1e-6)):
            self._buckets.correct_rate(self._account(operation, limit), limit, now)

    def refused(self, operation: str) -> float | None:
        """Empty the bucket, so that nobody else runs into the refusal; the wait is that for the next turn."""
        limit = self._limits.get(operation)
        if limit is None:
            return super().refused(operation)
        self._taken.pop(operation, None)
        self._buckets.drain(self._account(operation, limit), limit)
        return 0.0

    def _account(self, operation: str, limit: Rate) -> Account:
        return Account(self._application, ALL_SELLERS if limit.is_across_sellers else self._seller_id, operation)

"""Token buckets in the control database: what is left of Amazon's allowance, for all processes and runs together.

Belongs here: the arithmetic of a bucket, and its row. Does not belong here: waiting (`pacing.py`), Amazon's numbers
(`catalog/rates.py`).

A token is reserved, not awaited: the reservation takes a token that may not be there yet (`tokens` goes below zero) and
says how long to wait for it. So callers queue in the order in which they asked, whatever process they are in, nobody
waits inside a transaction, and a restart finds the debts of the run before. A caller that dies while it waits
has spent its token.

Real time always, also where the platform's clock is virtual: Amazon counts in real time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.catalog.rates import Rate
from amzigo_pipelines.clock import Clock, SystemClock
from amzigo_pipelines.resources.control.schema import rate_buckets

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from amzigo_pipelines.resources.control.database import ControlDatabase

ALL_SELLERS = "*"
# Machines that share a database differ by less than this; a bucket further ahead of us means a clock that was set back.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
# From a large bucket a caller takes several tokens at once, because a transaction costs milliseconds: this part of
# what is there. Amazon's bursts (30 at most) are so small that it is always one; only a simulator's scaled ones aren't.
_PART_TAKEN = 64


@dataclass(frozen=True)
class Bucket:
    """A bucket at an instant.

    Attributes:
        tokens: requests that may be sent now; below zero, as many are waiting for their turn.
        rate_per_s: tokens that come in a second.
        burst: most tokens that it holds.
        updated_at: when the tokens were counted.
    """

    tokens: float
    rate_per_s: float
    burst: float
    updated_at: datetime

    def at(self, now: datetime) -> Bucket:
        """The same bucket, counted anew. A clock that lags is ignored, one that was set back is taken over."""
        passed_s = (now - self.updated_at).total_seconds()
        if passed_s <= 0:
            return replace(self, updated_at=now) if self.updated_at - now > _CLOCKS_DIFFER_BY else self
        return replace(self, tokens=min(self.burst, self.tokens + passed_s * self.rate_per_s), updated_at=now)

    @property
    def wait_s(self) -> float:
        """How long until the next token that nobody has reserved."""
        return max(0.0, (1.0 - self.tokens) / self.rate_per_s)


@dataclass(frozen=True)
class Account:
    """Whose bucket it is.

    Attributes:
        application: hash of the LWA client id.
        seller_id: or `ALL_SELLERS` where they share one.
        operation: Amazon's name of it.
    """

    application: str
    seller_id: str
    operation: str


@dataclass(frozen=True)
class Turn:
    """What a reservation got.

    Attributes:
        wait_s: how long to wait before sending the first request.
        tokens: how many requests may be sent then; 0 if the wait was too long and nothing was reserved.
        rate_per_s: the rate that was reckoned with.
    """

    wait_s: float
    tokens: int
    rate_per_s: float


class RateBuckets:
    """The buckets of one control database. Right with many processes and threads: writers take turns.

    Args:
        control: the control database.
        clock: real time, another one for tests only.
    """

    def __init__(self, control: ControlDatabase, clock: Clock | None = None) -> None:
        self._control = control
        self._clock = clock or SystemClock()

    def reserve(self, account: Account, limit: Rate, longest_wait_s: float = math.inf) -> Turn:
        """Take the next token, or several of a large bucket.

        Args:
            account: whose.
            limit: what Amazon publishes: the burst, and the rate as long as no answer stated another.
            longest_wait_s: a token that is further off than this is not reserved.

        Raises:
            ControlError: the database refused.
        """
        with self._control.transaction() as connection:
            bucket = self._bucket(connection, account, limit)
            wait_s = bucket.wait_s
            if wait_s > longest_wait_s:
                return Turn(wait_s, 0, bucket.rate_per_s)
            taken = max(1, int(bucket.tokens / _PART_TAKEN))
            self._keep(connection, account, replace(bucket, tokens=bucket.tokens - taken))
            return Turn(wait_s, taken, bucket.rate_per_s)

    def correct_rate(self, account: Account, limit: Rate, rate_per_s: float) -> None:
        """Take over the rate that Amazon stated. What was reserved before keeps its time."""
        with self._control.transaction() as connection:
            bucket = self._bucket(connection, account, limit)
            self._keep(connection, account, replace(bucket, rate_per_s=rate_per_s))

    def drain(self, account: Account, limit: Rate) -> None:
        """Amazon refused: what we thought was left is not there, for nobody."""
        with self._control.transaction() as connection:
            bucket = self._bucket(connection, account, limit)
            self._keep(connection, account, replace(bucket, tokens=min(bucket.tokens, 0.0)))

    def read(self, account: Account, limit: Rate) -> Bucket:
        """The bucket as it is now, with nothing taken and nothing written."""
        with self._control.read() as connection:
            return self._bucket(connection, account, limit)

    def _bucket(self, connection: Connection, account: Account, limit: Rate) -> Bucket:
        row = connection.execute(sa.select(rate_buckets).where(*_is(account))).first()
        # Only now: waiting for the writer before us took time too.
        now = self._clock.now()
        if row is None:
            return Bucket(limit.burst, limit.per_s, limit.burst, now)
        # The rate is learned, the burst is what the table says today.
        return Bucket(row.tokens, row.rate_per_s, limit.burst, row.updated_at).at(now)

    def _keep(self, connection: Connection, account: Account, bucket: Bucket) -> None:
        values = {
            "tokens": bucket.tokens,
            "rate_per_s": bucket.rate_per_s,
            "burst": bucket.burst,
            "updated_at": bucket.updated_at,
        }
        # No upsert needed: a transaction of ours is the only writer there is.
        if not connection.execute(rate_buckets.update().where(*_is(account)).values(**values)).rowcount:
            connection.execute(
                rate_buckets.insert().values(
                    application=account.application,
                    seller_id=account.seller_id,
                    operation=account.operation,
                    **values,
                )
            )


def _is(account: Account) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        rate_buckets.c.application == account.application,
        rate_buckets.c.seller_id == account.seller_id,
        rate_buckets.c.operation == account.operation,
    )

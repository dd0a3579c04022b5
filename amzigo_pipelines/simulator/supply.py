"""What the seller and the warehouse do to stock without any order: replenishing, damage, loss.

Belongs here: when to reorder, how an inbound shipment arrives, what goes missing. Does not belong here: the books
themselves (`stock.py`) and orders.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from amzigo_pipelines.simulator import stock
from amzigo_pipelines.simulator.stock import Pool

DAY = 86_400
Schedule = Callable[[int, Callable[..., None], tuple[object, ...]], None]
"""Something to do at an epoch second: the function gets that second, then the arguments."""


class Supply:
    """Keeps one pool of stock filled, more or less.

    Args:
        pool: the stock.
        velocity: units that sell on an average day.
        is_neglected: reordered too late, so that it runs out now and then.
        is_fba: whether the stock lies with Amazon, where units get damaged and lost.
    """

    def __init__(self, pool: Pool, velocity: float, is_neglected: bool, is_fba: bool) -> None:
        self.pool = pool
        self._velocity = velocity
        self._reorder_point = velocity * (3 if is_neglected else 13)
        self._is_fba = is_fba
        self._shipments = 0

    def start(self, rng: random.Random, at: int) -> None:
        """Put the opening stock in place."""
        self.pool.move(at, stock.START, max(3, round(self._velocity * rng.uniform(12, 45))))

    def day(self, rng: random.Random, midnight: int, schedule: Schedule) -> None:
        """Decide on a day's replenishment and mishaps, and schedule them."""
        if self.pool.fulfillable + self.pool.incoming <= self._reorder_point:
            self._replenish(rng, midnight + rng.randrange(7 * 3_600, 16 * 3_600), schedule)
        if self._is_fba and rng.random() < 0.006:
            schedule(midnight + rng.randrange(DAY), self._damage, ())
        if self._is_fba and rng.random() < 0.005:
            written_off = rng.random() < 0.6
            resolved_in = rng.randrange(4 * DAY, 20 * DAY)
            schedule(midnight + rng.randrange(DAY), self._miss, (schedule, resolved_in, written_off))

    def _replenish(self, rng: random.Random, at: int, schedule: Schedule) -> None:
        quantity = max(6, round(self._velocity * rng.uniform(22, 36)))
        self._shipments += 1
        reference = f"{self.pool.sku}/{self.pool.marketplace_id or 'own'}/{self._shipments}"
        shipped = at + rng.randrange(DAY // 2, 2 * DAY)
        arrived = shipped + rng.randrange(2 * DAY, 6 * DAY)
        parts = [quantity // 3, quantity // 3, quantity - 2 * (quantity // 3)]
        schedule(at, self._move, (stock.INBOUND_WORKING, quantity, reference))
        schedule(shipped, self._move, (stock.INBOUND_SHIPPED, quantity, reference))
        schedule(arrived, self._move, (stock.INBOUND_RECEIVING, quantity, reference))
        for part in parts:
            arrived += rng.randrange(3_600, DAY)
            schedule(arrived, self._move, (stock.RECEIVED, part, reference))

    def _move(self, at: int, kind: str, quantity: int, reference: str) -> None:
        self.pool.move(at, kind, quantity, reference=reference)

    def _damage(self, at: int) -> None:
        if self.pool.fulfillable:
            self.pool.move(at, stock.DAMAGED, 1)

    def _miss(self, at: int, schedule: Schedule, resolved_in: int, written_off: bool) -> None:
        if self.pool.fulfillable:
            self.pool.move(at, stock.MISSING, 1)
            schedule(at + resolved_in, self._move, (stock.LOST if written_off else stock.FOUND, 1, ""))

"""The guard: a sweep that would take too much of a seller at once stops and asks.

Belongs here: when it stops. Does not belong here: sweeping the others (`sweep.py`).

Keys die one or a few a day, so a sweep on its day, or a few days late, takes little of what is alive. If most of a
seller's keys are due at once, either nothing swept for weeks, or the clock is far ahead, and then everything would be
gone for nothing. Only a person can tell. Until then the data can't be read anyway: the key store refuses its keys.

All classes count together, as a clock that is weeks ahead shows in the personal data first. A small or a new seller is
never stopped day by day: below a number of keys nothing is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import data_keys
from amzigo_pipelines.resources.retention_settings import RetentionSettings
from amzigo_pipelines.retention import ledger

_SHOWN = 3


@dataclass(frozen=True)
class Share:
    """How many of a seller's keys are due, of how many that no sweep destroyed yet."""

    due: int
    alive: int


class SweepStopped(AmzigoError):
    """The guard stopped the sweep for some sellers; of all others what was due is destroyed.

    Attributes:
        stopped: by seller.
    """

    def __init__(self, stopped: Mapping[str, Share], settings: RetentionSettings) -> None:
        self.stopped = dict(stopped)
        named = [f"{one.due} of {one.alive} of seller {seller}" for seller, one in list(stopped.items())[:_SHOWN]]
        more = f" and of {len(stopped) - _SHOWN} more sellers" if len(stopped) > _SHOWN else ""
        options = " ".join(f"--confirm {seller}" for seller in list(stopped)[:_SHOWN])
        super().__init__(
            f"the sweep stopped before it destroyed {', '.join(named)} keys{more} at once (more than "
            f"{settings.guard_keys} and more than {settings.guard_share:.0%}): is the clock right? If it is, confirm: "
            f"amzigo retention run {options}"
        )


def too_much(
    control: ControlDatabase, settings: RetentionSettings, as_of: date, seller_ids: Collection[str]
) -> dict[str, Share]:
    """The sellers of whom a sweep would take too much, by id.

    What an unfinished sweep wrote down was decided then, and is not counted.

    Args:
        control: the control database.
        settings: the share and the number.
        as_of: keys of all classes due on or before this day count.
        seller_ids: of these sellers.
    """
    k = data_keys.c
    classes = [str(retention_class) for retention_class in RetentionClass]
    decided = {key for one in RetentionClass for run in ledger.open_runs(control, one) for key in run.keys}
    due: dict[str, int] = {}
    with control.read() as connection:
        living = sa.and_(k.key_class.in_(classes), k.destroyed_at.is_(None))
        for seller_id, key_id in connection.execute(
            sa.select(k.seller_id, k.key_id).where(living, k.expires_on <= as_of)
        ):
            if key_id not in decided:
                due[seller_id] = due.get(seller_id, 0) + 1
        counts = sa.select(k.seller_id, sa.func.count()).where(living).group_by(k.seller_id)
        alive = {seller_id: int(count) for seller_id, count in connection.execute(counts)}
    wanted = set(seller_ids)
    return {
        seller_id: Share(count, alive[seller_id])
        for seller_id, count in sorted(due.items())
        if seller_id in wanted and count > settings.guard_keys and count > settings.guard_share * alive[seller_id]
    }

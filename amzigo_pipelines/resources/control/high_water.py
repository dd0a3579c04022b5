"""The latest day that retention has seen: what was dead then stays dead, whatever the clock says later.

Belongs here: the mark in the control database. Does not belong here: refusing to sweep under a clock that runs behind
it (`retention/time_check.py`).
"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.resources.control.schema import high_water
from amzigo_pipelines.resources.control.statements import put_row

_MARK = "retention"


def high_water_day(connection: Connection) -> date | None:
    """The latest day on which retention ran; None when it never did."""
    found: date | None = connection.execute(sa.select(high_water.c.day).where(high_water.c.name == _MARK)).scalar()
    return found


def day_in_force(connection: Connection, clock: Clock) -> date:
    """The day by which keys are dead or alive: the clock's, but never earlier than the mark."""
    return max(today(clock), high_water_day(connection) or date.min)


def raise_high_water(connection: Connection, clock: Clock) -> None:
    """Note that retention runs today; the mark never falls. In a write transaction."""
    put_row(connection, high_water, {"name": _MARK}, {"day": day_in_force(connection, clock)})

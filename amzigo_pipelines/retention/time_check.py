"""Refusing to sweep when time or the books ran backwards: keys would seem younger than they are.

Belongs here: what shows that it is later than the clock says, and that the control database is an old copy. Does not
belong here: the mark by which the key store keeps dead keys dead (`resources/control/high_water.py`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.high_water import high_water_day
from amzigo_pipelines.resources.control.schema import certificates
from amzigo_pipelines.retention import ledger
from amzigo_pipelines.retention.certificate_format import Certificate, CertificateError, verify_certificate
from amzigo_pipelines.retention.certificates import newest_file, public_key

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


class ClockBehind(AmzigoError):
    """The clock shows a day before one on which retention ran already."""


class DatabaseOutdated(AmzigoError):
    """The control database is a copy from before the last certificate."""


def check_time(platform: Platform) -> None:
    """Refuse to go on when the clock or the control database is behind what retention has seen.

    Days count, as everywhere in retention: a clock corrected by minutes within its day is nobody's concern. Evidence is
    the mark and the ledger in the database and, beside it, the newest certificate in the folder: whoever puts an old
    database in place has both to answer for.

    Raises:
        ClockBehind: the clock shows a day before the last sweep's.
        DatabaseOutdated: a certificate was issued that the database knows nothing of.
    """
    newest = _newest_certificate(platform)
    with platform.control.read() as connection:
        mark = high_water_day(connection)
        number = connection.execute(sa.select(sa.func.max(certificates.c.number))).scalar() or 0
    if newest is not None and newest.number > number:
        raise DatabaseOutdated(
            f"the control database is a copy from before {newest.issued_at:%Y-%m-%d}: certificate {newest.file_name} "
            "was issued since, and what it certifies as destroyed would seem alive; put today's database back"
        )
    last, now_on = ledger.last_instant(platform.control), today(platform.clock)
    days = [mark, last.date() if last else None, newest.issued_at.date() if newest else None]
    latest = max((day for day in days if day is not None), default=date.min)
    if now_on < latest:
        raise ClockBehind(
            f"the clock shows {now_on}, but retention ran on {latest} already: set the machine's clock right; nothing "
            "was changed"
        )


def _newest_certificate(platform: Platform) -> Certificate | None:
    path = newest_file(platform)
    try:
        return None if path is None else verify_certificate(path, public_key(platform))
    except CertificateError:
        # A forged or damaged one proves nothing here. Checking the chain names it.
        return None

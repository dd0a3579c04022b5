"""Whether the dates of death are kept: what is past its date, and what is in the way of the next ones.

Belongs here: looking, for the asset checks and `doctor`. Does not belong here: how Dagster shows it (`checks.py`), and
destroying anything (`sweep.py`).

Late is what still exists on its date: a key that no sweep destroyed, a file that no sweep unlinked, a sweep that was
begun and not certified, a due file's name on disk that the books don't know. That something dies within five days is as
it should be, every day; it is a warning when nothing speaks for its going in time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.lake.files import CURRENT
from amzigo_pipelines.retention import ledger
from amzigo_pipelines.retention.certificates import signing_key
from amzigo_pipelines.retention.disk import list_seller
from amzigo_pipelines.retention.due import due, holds_marts
from amzigo_pipelines.retention.guard import too_much
from amzigo_pipelines.retention.time_check import check_time

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

WARN_DAYS = 5
_SHOWN = 3


@dataclass(frozen=True)
class Deadlines:
    """How a class stands.

    Attributes:
        late: what is past its date, as sentence parts.
        unseen: what could not be looked at, as sentence parts: no better than late.
        obstacles: what is in the way of the dates of the next days, as sentence parts.
        keys_overdue: keys past their date.
        files_overdue: files past their date, in the books or on disk.
        keys_dying_soon: keys that die within five days.
        sellers: how many sellers were looked at.
    """

    late: tuple[str, ...]
    unseen: tuple[str, ...]
    obstacles: tuple[str, ...]
    keys_overdue: int = 0
    files_overdue: int = 0
    keys_dying_soon: int = 0
    sellers: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether everything could be looked at and nothing is past its date."""
        return not self.late and not self.unseen

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        found = [*self.late, *self.unseen] or [*self.obstacles]
        if not found:
            return (
                f"nothing of {self.sellers:,} sellers is past its date; {self.keys_dying_soon:,} keys die within "
                f"{WARN_DAYS} days, and nothing is in their way"
            )
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return "; ".join(found[:_SHOWN]) + more


def deadlines(platform: Platform, retention_class: RetentionClass) -> Deadlines:
    """How the dates of death of a class are kept today."""
    try:
        return _look(platform, retention_class)
    except (AmzigoError, OSError) as error:
        reason = str(error) if isinstance(error, AmzigoError) else error.strerror or type(error).__name__
        return Deadlines((), (f"the dates of {retention_class} data could not be looked at: {reason}",), ())


def _look(platform: Platform, retention_class: RetentionClass) -> Deadlines:
    check_time(platform)
    platform.lake.check_installation()
    now_on = today(platform.clock)
    late, unseen = [], []
    found = due(platform.control, retention_class, now_on)
    for seller_id, one in found.items():
        keys = len(one.keys) + len(one.mart_keys)
        oldest = min([*one.keys.values(), *one.mart_keys.values(), *(file.expires_on for file in one.files)])
        late.append(f"{keys} keys and {len(one.files)} files of seller {seller_id} should be gone since {oldest}")
    open_sellers = sorted({run.seller_id for run in ledger.open_runs(platform.control, retention_class)})
    late += [f"a sweep of seller {seller_id} was begun and is not certified" for seller_id in open_sellers]
    sellers = _owners(platform, retention_class)
    known = {file.path for one in found.values() for file in one.files}
    strays = 0
    for seller_id in sellers:
        listing = list_seller(
            platform.home.lake_dir, seller_id, retention_class, now_on - timedelta(days=WARN_DAYS), now_on
        )
        unknown = [path for path in listing.due if path not in known]
        strays += len(unknown)
        late += [f"{path} lies on disk past its date" for path in unknown]
        unseen += [f"folder {reason} could not be listed" for reason in listing.unseen]
        if holds_marts(retention_class):
            names = platform.warehouse.remains(seller_id)
            late += [f"{name} of seller {seller_id} is a mart or spill that no living key opens" for name in names]
    soon = _dying_soon(platform, retention_class, now_on)
    return Deadlines(
        late=tuple(late),
        unseen=tuple(unseen),
        obstacles=tuple(_obstacles(platform, retention_class, now_on, soon)),
        keys_overdue=sum(len(one.keys) + len(one.mart_keys) for one in found.values()),
        files_overdue=sum(len(one.files) for one in found.values()) + strays,
        keys_dying_soon=soon,
        sellers=len(sellers),
    )


def _owners(platform: Platform, retention_class: RetentionClass) -> list[str]:
    """Sellers that ever had keys of a class."""
    with platform.control.read() as connection:
        owners = sa.select(data_keys.c.seller_id).where(data_keys.c.key_class == str(retention_class)).distinct()
        return sorted(connection.execute(owners).scalars())


def _dying_soon(platform: Platform, retention_class: RetentionClass, now_on: date) -> int:
    k = data_keys.c
    query = sa.select(sa.func.count()).where(
        k.key_class == str(retention_class),
        k.destroyed_at.is_(None),
        k.expires_on > now_on,
        k.expires_on <= now_on + timedelta(days=WARN_DAYS),
    )
    with platform.control.read() as connection:
        return int(connection.execute(query).scalar_one())


def _obstacles(platform: Platform, retention_class: RetentionClass, now_on: date, soon: int) -> list[str]:
    """What is in the way of the deaths of the next days; nothing where none comes."""
    if not soon:
        return []
    obstacles = []
    ended = ledger.last_ended(platform.control, retention_class)
    if ended is None or ended.date() < now_on - timedelta(days=1):
        since = "none has ended yet" if ended is None else f"the last one that ended began on {ended:%Y-%m-%d}"
        obstacles.append(
            f"{soon} keys of {retention_class} data die within {WARN_DAYS} days, but no sweep runs daily ({since}): is "
            "the Dagster daemon running, with the retention schedules on?"
        )
    tomorrow = now_on + timedelta(days=1)
    tomorrows = due(platform.control, retention_class, tomorrow)
    stopped = too_much(platform.control, platform.home.retention, tomorrow, tomorrows)
    obstacles += [
        f"the guard will stop tomorrow's sweep of seller {seller_id} ({share.due} of {share.alive} keys)"
        for seller_id, share in stopped.items()
    ]
    try:
        signing_key(platform)
    except AmzigoError as error:
        obstacles.append(f"no certificate can be signed ({error})")
    for folder in sorted(_folders_of_dying(platform, retention_class, now_on)):
        if not os.access(platform.home.lake_dir / folder, os.W_OK | os.X_OK):
            obstacles.append(f"files that die within {WARN_DAYS} days can't be unlinked: {folder} can't be written")
    if not os.access(platform.home.kek_dir, os.W_OK | os.X_OK):
        obstacles.append(f"the key-encryption keys' folder {platform.home.kek_dir} can't be written")
    return obstacles


def _folders_of_dying(platform: Platform, retention_class: RetentionClass, now_on: date) -> set[str]:
    f = lake_files.c
    query = sa.select(f.path).where(
        f.state == CURRENT,
        f.family == str(retention_class),
        f.expires_on > now_on,
        f.expires_on <= now_on + timedelta(days=WARN_DAYS),
    )
    with platform.control.read() as connection:
        return {path.rpartition("/")[0] for path in connection.execute(query).scalars()}

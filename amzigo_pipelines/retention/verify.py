"""Looking, after a sweep, whether it is true: nothing on disk, nothing readable, everything else as it was.

Belongs here: what is looked at, and what counts as failed. Does not belong here: destroying (`sweep.py`).

Whatever can't be looked at is a failure, never a pass. The other families' files are shown to be, byte for byte, those
that were written: so all their rows, sums and counts are. Of large ones, whose hashing would cost more the larger they
are, the footer is opened instead: key, place, size and row count prove that a sweep, which only unlinks, left them
alone; bit rot shows when they are read. What is *not* looked at is anything outside the installation's folders.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import data_keys, kek_versions, lake_files, partitions, sellers
from amzigo_pipelines.resources.control.statements import chunks
from amzigo_pipelines.resources.keys.store import DataKey, KeyDead
from amzigo_pipelines.resources.lake.files import CURRENT, DESTROYED, LakeDamaged, LakeFile, check_place, is_lake_path
from amzigo_pipelines.resources.lake.reader import HASHED_BYTES
from amzigo_pipelines.retention.disk import list_seller
from amzigo_pipelines.retention.due import due, files_of, holds_marts, kek_purposes
from amzigo_pipelines.retention.ledger import EVERYONE, Run

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_SHOWN_REASONS = 3


class VerificationFailed(AmzigoError):
    """What was destroyed could not be shown to be gone, or something else changed.

    Attributes:
        reasons: each one a sentence part, without any personal data.
    """

    def __init__(self, retention_class: str, through: date, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        shown = "; ".join(reasons[:_SHOWN_REASONS])
        more = f"; and {len(reasons) - _SHOWN_REASONS} more" if len(reasons) > _SHOWN_REASONS else ""
        super().__init__(
            f"the destruction of {retention_class} data due by {through} could not be verified: {shown}{more}. The "
            "keys are destroyed, what failed is not certified: mend this and run the sweep again"
        )


@dataclass
class Findings:
    """What was looked at, and what is wrong.

    Attributes:
        failures: reasons by seller; under "*" those that concern all.
        keys: keys that the key store refused.
        folders: folders listed.
        other_files: files of other families found unchanged and readable.
        other_rows: their rows.
        replaced: other files that a newer extraction replaced meanwhile.
        ended: other files whose own date came, so that only their presence or end was looked at.
    """

    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    keys: int = 0
    folders: int = 0
    other_files: int = 0
    other_rows: int = 0
    replaced: int = 0
    ended: int = 0

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        parts = [
            f"{self.keys:,} keys refused",
            f"nothing left in {self.folders:,} folders",
            f"{self.other_files:,} other files with {self.other_rows:,} rows unchanged",
        ]
        parts += [f"{self.replaced:,} replaced meanwhile"] if self.replaced else []
        parts += [f"{self.ended:,} past their own date"] if self.ended else []
        return ", ".join(parts)


def snapshot(
    platform: Platform, retention_class: RetentionClass, files: Iterable[LakeFile]
) -> dict[str, dict[str, tuple[int, int | None]]]:
    """The other families' current files in the partitions of `files`: by seller, path -> (rows, bytes on disk).

    Rows are the books'; that a file really has so many is looked at afterwards. Bytes are None for a missing file.
    """
    days_of: dict[tuple[str, str], set[date]] = defaultdict(set)
    for file in files:
        days_of[file.dataset, file.seller_id].add(file.day)
    found: dict[str, dict[str, tuple[int, int | None]]] = {seller_id: {} for _, seller_id in days_of}
    # Sellers who have the same days are asked for at once: a question for each takes longer than its answer.
    alike: dict[tuple[str, tuple[date, ...]], list[str]] = defaultdict(list)
    for (dataset, seller_id), days_there in days_of.items():
        alike[dataset, tuple(sorted(days_there))].append(seller_id)
    f = lake_files.c
    with platform.control.read() as connection:
        for (dataset, days), sellers_alike in alike.items():
            for chunk in chunks(sellers_alike):
                # By the index of partitions. State and class are looked at here: asked for in SQL, they lure the
                # database to the index of all current files, which it then goes through.
                these = sa.and_(f.seller_id.in_(chunk), f.dataset == dataset, f.day.in_(days))
                for path, seller_id, rows, state, family in connection.execute(
                    sa.select(f.path, f.seller_id, f.rows, f.state, f.family).where(these)
                ):
                    if state == CURRENT and family != retention_class:
                        found[seller_id][path] = (rows, _size(platform, path))
    return found


def verify(platform: Platform, retention_class: RetentionClass, through: date, runs: Sequence[Run]) -> Findings:
    """Look at everything that a sweep was to do.

    Args:
        platform: the installation.
        retention_class: the class swept.
        through: the latest date of death swept.
        runs: the work, one a seller.
    """
    findings = Findings()
    _nothing_due(platform, retention_class, through, runs, findings)
    _keys_gone(platform, runs, findings)
    for purpose in kek_purposes(retention_class):
        _old_keks_gone(platform, purpose, findings)
    for run in runs:
        listing = list_seller(
            platform.home.lake_dir, run.seller_id, retention_class, run.earliest_death(through), through
        )
        findings.folders += listing.folders
        mine = findings.failures[run.seller_id]
        mine += [f"{path} is still on disk" for path in listing.due]
        mine += [f"{path} is nothing that the lake made, and may hold a copy: remove it" for path in listing.foreign]
        mine += [f"folder {reason} could not be listed" for reason in listing.unseen]
        if holds_marts(retention_class):
            mine += _dead_marts(platform, run.seller_id)
    _others_unchanged(platform, runs, findings)
    return findings


def _dead_marts(platform: Platform, seller_id: str) -> list[str]:
    try:
        names = platform.warehouse.remains(seller_id)
        return [f"{name} of seller {seller_id} is a mart or spill that no living key opens" for name in names]
    except AmzigoError as error:
        return [f"marts of seller {seller_id} could not be looked at ({error})"]


def _nothing_due(
    platform: Platform, retention_class: RetentionClass, through: date, runs: Sequence[Run], findings: Findings
) -> None:
    left = due(platform.control, retention_class, through, [run.seller_id for run in runs])
    for seller_id, rest in left.items():
        findings.failures[seller_id].append(
            f"seller {seller_id} still has {len(rest.keys) + len(rest.mart_keys)} keys and {len(rest.files)} files due"
        )


def _keys_gone(platform: Platform, runs: Sequence[Run], findings: Findings) -> None:
    owner = {key_id: run.seller_id for run in runs for key_id in run.keys}
    k = data_keys.c
    gone: set[str] = set()
    with platform.control.read() as connection:
        for chunk in chunks(sorted(owner)):
            these = sa.and_(k.key_id.in_(chunk), k.wrapped.is_(None), k.destroyed_at.is_not(None))
            gone.update(connection.execute(sa.select(k.key_id).where(these)).scalars())
    for key_id, seller_id in owner.items():
        try:
            if key_id not in gone:
                findings.failures[seller_id].append(f"key {key_id} has no tombstone without a wrapping")
            else:
                platform.keys.open(key_id)
                findings.failures[seller_id].append(f"the key store still opens key {key_id}")
        except KeyDead:
            findings.keys += 1
        except AmzigoError as error:
            findings.failures[seller_id].append(f"key {key_id} could not be tried ({error})")


def _old_keks_gone(platform: Platform, purpose: str, findings: Findings) -> None:
    v = kek_versions.c
    with platform.control.read() as connection:
        active = connection.execute(sa.select(v.version).where(v.purpose == purpose, v.is_active)).scalar()
    old = [version for version in platform.keks.versions(purpose) if version != active]
    if old:
        findings.failures[EVERYONE].append(
            f"old versions {', '.join(map(str, old))} of the {purpose} key-encryption key are still there"
        )


def _others_unchanged(platform: Platform, runs: Sequence[Run], findings: Findings) -> None:
    before = {path: facts for run in runs for path, facts in run.before.items()}
    owner = {path: run.seller_id for run in runs for path in run.before}
    # A file may be replaced by a newer extraction between our reading the books and the disk: what seems wrong is
    # looked at once more with fresh books, and only what is wrong then is wrong.
    suspects = _compare(platform, before, findings)
    wrong = _compare(platform, {path: before[path] for path in suspects}, findings)
    for path, reason in wrong.items():
        findings.failures[owner[path]].append(f"{path} {reason}")


def _compare(platform: Platform, before: Mapping[str, tuple[int, int | None]], findings: Findings) -> dict[str, str]:
    if not before:
        return {}
    books, versions, removed = _books(platform, before)
    current = [file for file in books.values() if file.state == CURRENT]
    try:
        opened = platform.keys.open_living({file.key_id for file in current}, even_frozen=True)
    except AmzigoError as error:
        return dict.fromkeys(before, f"could not be read ({error})")
    wrong: dict[str, str] = {}
    probed: set[str] = set()
    now_on = today(platform.clock)
    for path, (rows, size) in before.items():
        if not is_lake_path(path):
            wrong[path] = "is no path of the lake: its row in the control database was changed"
            continue
        file = books.get(path)
        dataset, seller, day, name = path.split("/")
        if file is None or file.state not in (CURRENT, DESTROYED):
            if versions.get((dataset, seller.removeprefix("seller="), day.removeprefix("day=")), 0) > _version(name):
                findings.replaced += 1
            else:
                wrong[path] = "vanished from the control database"
        elif file.state == DESTROYED:
            if file.expires_on <= now_on or file.seller_id in removed:
                findings.ended += 1
            else:
                wrong[path] = "was destroyed before its date"
        else:
            # One file of each key is opened with it; that the others are the same bytes says as much of them.
            is_probe = file.key_id not in probed
            probed.add(file.key_id)
            reason = _look(platform, file, rows, size, opened.get(file.key_id), now_on, is_probe)
            if reason:
                wrong[path] = reason
            elif file.expires_on <= now_on:
                findings.ended += 1
            else:
                findings.other_files += 1
                findings.other_rows += rows
    return wrong


def _look(
    platform: Platform,
    file: LakeFile,
    rows: int,
    size: int | None,
    key: DataKey | None,
    now_on: date,
    is_probe: bool,
) -> str | None:
    """What is wrong with another family's file, None when it is as before and readable."""
    now = _size(platform, file.path)
    if now is None and size is None:
        return "could not be found before the sweep already: restore it, or extract the partition again"
    if now is None:
        return "can't be found any more"
    if now != file.bytes and now == size:
        return "had another size than it was written with before the sweep already: extract the partition again"
    # Not found before and whole now: the lake's volume is back.
    if (now, file.rows) != (file.bytes, rows):
        return f"changed: {rows} rows in {size} bytes before, {file.rows} in {now} after"
    if file.expires_on <= now_on:
        return None
    if key is None:
        return "can't be read any more: its own key is gone"
    try:
        check_place(file)
        if now <= HASHED_BYTES:
            if _sha256(platform, file.path) != file.sha256:
                return "is not, byte for byte, what was written: extract the partition again"
            if not is_probe:
                return None
        properties = create_decryption_properties(key.secret, aad_prefix=file.path.encode())
        found = pq.read_metadata(platform.home.lake_dir / file.path, decryption_properties=properties).num_rows
    except LakeDamaged as error:
        return f"has a changed row in the control database ({error})"
    except (OSError, pa.ArrowException):
        return "does not open with its key: extract the partition again"
    return None if found == rows else f"has {found} rows where {rows} were written"


def _books(
    platform: Platform, paths: Collection[str]
) -> tuple[dict[str, LakeFile], dict[tuple[str, str, str], int], set[str]]:
    """What the database says now: files by path, versions of these sellers' partitions, and removed sellers."""
    books: dict[str, LakeFile] = {}
    versions: dict[tuple[str, str, str], int] = {}
    with platform.control.read() as connection:
        for chunk in chunks(sorted(paths)):
            books |= {file.path: file for file in files_of(connection, lake_files.c.path.in_(chunk))}
        if any(path not in books or books[path].state != CURRENT for path in paths):
            p = partitions.c
            for row in connection.execute(sa.select(p.dataset, p.seller_id, p.day, p.version)):
                versions[row.dataset, row.seller_id, row.day.isoformat()] = row.version
        gone = sa.select(sellers.c.seller_id).where(sellers.c.removed_at.is_not(None))
        removed = set(connection.execute(gone).scalars())
    return books, versions, removed


def _size(platform: Platform, path: str) -> int | None:
    try:
        return os.stat(f"{platform.home.lake_dir}/{path}").st_size
    except OSError:
        return None


def _sha256(platform: Platform, path: str) -> str:
    with open(f"{platform.home.lake_dir}/{path}", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _version(name: str) -> int:
    return int(name.removesuffix(".parquet").rpartition("-")[2])

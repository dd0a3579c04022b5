"""After a restore: whoever was erased since the backup was made is erased from it again, before anybody reads it.

Belongs here: collecting tombstones and making them true of a lake. Does not belong here: restoring (`amzigo restore`),
and requests (`erasing.py`): what is destroyed here was certified when it was erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.resources.control.schema import sellers as sellers_table
from amzigo_pipelines.resources.control.schema import tombstones as tombstones_table
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.lake.tombstones import PEOPLE, Forgotten, Scope, merge, select_subjects
from amzigo_pipelines.resources.steps import no_step
from amzigo_pipelines.retention.certificate_format import load_public_key, verify_certificate
from amzigo_pipelines.retention.certificates import PUBLIC_KEY_FILE
from amzigo_pipelines.retention.erasing import alone, exchange_keks, remove_rows
from amzigo_pipelines.retention.erasure_closing import ERASURE
from amzigo_pipelines.retention.erasures import number_of
from amzigo_pipelines.retention.offboarding import destroy_everything

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


@dataclass(frozen=True)
class Reapplied:
    """What was erased again.

    Attributes:
        tombstones: tombstones that this control database did not know.
        keys: data keys destroyed.
        rows: rows of the erased taken out.
        sellers: sellers that had left, whose data was destroyed again.
    """

    tombstones: int
    keys: int
    rows: int
    sellers: tuple[str, ...]


def tombstones_in(folder: Path) -> list[dict[str, Any]]:
    """The tombstones that the certificates of erasures in a folder tell of, each certificate checked.

    Args:
        folder: certificates and the public key that checks them.

    Raises:
        CertificateError: one can't be read, or was changed.
    """
    found: list[dict[str, Any]] = []
    paths = sorted(folder.glob("*.json"))
    key = load_public_key(folder / PUBLIC_KEY_FILE) if paths else None
    for path in paths:
        assert key is not None
        certificate = verify_certificate(path, key)
        if certificate.retention_class != ERASURE:
            continue
        for statement in certificate.body["sellers"]:
            found += [
                {
                    "seller_id": statement["seller"],
                    "kind": Scope(row["kind"]),
                    "subject": row["subject"],
                    "request": number_of(statement["request"]),
                    "erased_at": certificate.issued_at,
                }
                for row in statement["tombstones"]
            ]
    return found


def apply_tombstones(platform: Platform, further: Iterable[Mapping[str, Any]] = (), *, actor: str) -> Reapplied:
    """Erase from this installation whoever has a tombstone. Harmless when there is nothing to erase.

    Tombstones come from the control database itself, from the certificates of erasures in the home's `certificates/`,
    and from whoever calls: a restored database may be older than the erasures.

    Args:
        platform: the installation, whose keys must open.
        further: rows as `tombstones.all_rows` gives them, of a newer database.
        actor: who, for the audit trail.

    Raises:
        HashKeyMissing: the key of the hashes is gone, so nobody can tell who was erased.
        LakeDamaged, PartitionBusy, KekError: it failed; run it again before anybody reads.
    """
    with platform.control.transaction() as connection:
        added = merge(connection, [*further, *tombstones_in(platform.home.certificate_dir)])
        ids = list(
            connection.execute(
                sa.select(tombstones_table.c.seller_id).distinct().order_by(tombstones_table.c.seller_id)
            ).scalars()
        )
    keys = rows = 0
    gone: list[str] = []
    for seller_id in ids:
        with alone(platform, seller_id):
            if _has_left(platform, seller_id):
                platform.audit.record(actor, "erase_again", seller_id, "all data", "it was erased before the restore")
                if seller_id in {seller.seller_id for seller in platform.sellers.list()}:
                    platform.ads_accounts.disconnect(seller_id)
                    platform.sellers.remove(seller_id)
                keys += destroy_everything(platform, seller_id, None, no_step)
                gone.append(seller_id)
                continue
            done = _people(platform, seller_id, actor)
            keys, rows = keys + done[0], rows + done[1]
    return Reapplied(added, keys, rows, tuple(gone))


def _people(platform: Platform, seller_id: str, actor: str) -> tuple[int, int]:
    """Erase again orders and buyers of a seller; gives keys destroyed and rows taken out."""
    with platform.control.read() as connection:
        subjects = select_subjects(connection, seller_id, PEOPLE)
    if not subjects or not platform.lake.partitions(seller_id):
        return 0, 0
    match = Forgotten(seller_id, subjects, platform.keys).match
    if not platform.lake.search.hits(seller_id, match):
        return 0, 0
    done: list[tuple[str, int]] = []
    platform.audit.record(actor, "erase_again", seller_id, "erased orders and buyers", "erased before the restore")
    remove_rows(
        platform,
        seller_id,
        match,
        lambda _, removal: done.append((removal.key_id, sum(removal.rows.values()))),
        no_step,
    )
    platform.warehouse.drop(seller_id)
    exchange_keks(platform, (KeyClass.PII, KeyClass.PSEUDONYM, KeyClass.MART), no_step)
    return len(done), sum(count for _, count in done)


def _has_left(platform: Platform, seller_id: str) -> bool:
    """Whether the seller was erased as a whole, and did not come back since."""
    s, t = sellers_table.c, tombstones_table.c
    with platform.control.read() as connection:
        erased_at = connection.execute(
            sa.select(sa.func.max(t.erased_at)).where(t.seller_id == seller_id, t.kind == Scope.SELLER)
        ).scalar()
        added_at = connection.execute(sa.select(s.added_at).where(s.seller_id == seller_id)).scalar()
    return erased_at is not None and (added_at is None or added_at <= erased_at)

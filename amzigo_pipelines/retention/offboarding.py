"""A seller who leaves: every key destroyed, every file unlinked, the tokens deleted, and a certificate of it.

Belongs here: the order of those steps. Does not belong here: erasing single buyers or orders (`erasing.py`).

The seller is marked as removed first: from then on no extraction that still runs can commit anything. Keys go next, in
one transaction with the record of what they opened: from then on nothing opens, whatever happens to the files.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.control.schema import data_keys, lake_files, partitions, quality_results, reports
from amzigo_pipelines.resources.keys.keks import KekPurpose
from amzigo_pipelines.resources.keys.store import KeyClass, KeyRecord, purpose_of
from amzigo_pipelines.resources.lake.files import DESTROYED
from amzigo_pipelines.resources.lake.tombstones import Scope, add
from amzigo_pipelines.resources.steps import OnStep
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.due import files_of
from amzigo_pipelines.retention.erasure_proof import Proof, keys_refused, old_keks
from amzigo_pipelines.retention.erasures import ErasureRequest, ErasureUnverified, State

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# All but the vault's: what a law wants kept outlives the seller.
_CLASSES = tuple(key_class for key_class in KeyClass if key_class is not KeyClass.HOLD)


def erase_seller(platform: Platform, request: ErasureRequest, step: OnStep) -> None:
    """Destroy all that is kept of a seller and verify it, up to the state `verified`. Safe to repeat after a crash.

    Raises:
        ErasureUnverified: something is still there.
        PublishBusy, KekError, VaultError: a step failed; running it again goes on from there.
    """
    seller_id = request.seller_id
    with platform.control.transaction() as connection:
        add(connection, seller_id, Scope.SELLER, [request.subject], request.number, platform.clock.now())
    step("tombstones")
    holds.secure(platform, [seller_id])
    step("holds_secured")
    if seller_id in {seller.seller_id for seller in platform.sellers.list()}:
        platform.ads_accounts.disconnect(seller_id)
        platform.sellers.remove(seller_id)
    step("seller_removed")
    destroy_everything(platform, seller_id, request, step)
    _verify(platform, request)
    step("looked")
    keys = len(erasures.get(platform, request.request_id).detail.get("removed", []))
    with platform.control.transaction() as connection:
        # No file of the seller is left that could be searched.
        proof = Proof(keys_refused=keys, files_searched=0, rows_found=0, marts="none published")
        erasures.add_detail(connection, request, "proof", vars(proof))
        erasures.change_in(connection, request, State.VERIFIED)
    step("verified")


def destroy_everything(platform: Platform, seller_id: str, request: ErasureRequest | None, step: OnStep) -> int:
    """Destroy all keys of a seller but those of holds, then its files, marts and what the books say of its partitions.

    Args:
        platform: the installation.
        seller_id: whose.
        request: where to write down what was destroyed; None for a restore.
        step: told the name of each step as it is done.

    Returns:
        How many keys were alive until now.
    """
    with platform.control.transaction() as connection:
        alive = _alive(connection, seller_id)
        if request is not None:
            for entry in _entries(connection, seller_id, alive):
                erasures.add_detail(connection, request, "removed", entry)
        platform.keys.destroy_in(connection, [record.key_id for record in alive])
        # A seller who comes back begins anew: nothing counts as extracted, asked for or checked.
        for table in (partitions, reports, quality_results):
            connection.execute(table.delete().where(table.c.seller_id == seller_id))
    step("keys_destroyed")
    for purpose in dict.fromkeys([*(purpose_of(key_class) for key_class in _CLASSES), KekPurpose.SECRET]):
        platform.keys.rotate(purpose.value)
        step(f"kek_{purpose}")
    f = lake_files.c
    with platform.control.read() as connection:
        files = files_of(connection, sa.and_(f.seller_id == seller_id, f.state != DESTROYED))
    platform.lake.destroy_files(files)
    for folder in _folders(platform, seller_id):
        # What a crashed write left, too.
        shutil.rmtree(folder, ignore_errors=True)
    step("files_unlinked")
    platform.warehouse.drop(seller_id)
    step("marts_dropped")
    return len(alive)


def _alive(connection: Connection, seller_id: str) -> list[KeyRecord]:
    k = data_keys.c
    these = (k.seller_id == seller_id, k.destroyed_at.is_(None), k.key_class.in_([c.value for c in _CLASSES]))
    columns = (k.key_id, k.seller_id, k.key_class, k.expires_on, k.kek_version, k.created_at, k.destroyed_at)
    rows = connection.execute(sa.select(*columns).where(*these).order_by(k.expires_on, k.key_id)).all()
    return [KeyRecord(row[0], row[1], KeyClass(row[2]), *row[3:]) for row in rows]


def _entries(connection: Connection, seller_id: str, alive: Iterable[KeyRecord]) -> Iterable[dict[str, Any]]:
    """What each key opened, as the certificate tells it."""
    f = lake_files.c
    opened: dict[str, list[Any]] = {}
    columns = (f.key_id, f.dataset, f.rows, f.bytes)
    for row in connection.execute(sa.select(*columns).where(f.state != DESTROYED, f.seller_id == seller_id)):
        opened.setdefault(row.key_id, []).append(row)
    for record in alive:
        counts: Counter[str] = Counter()
        for row in opened.get(record.key_id, []):
            counts[row.dataset] += row.rows
        yield {
            "key_id": record.key_id,
            "family": str(record.key_class),
            "expires_on": record.expires_on.isoformat(),
            "fresh_key_id": None,
            "rows": dict(counts),
            "rows_moved": 0,
            "files": len(opened.get(record.key_id, [])),
            "bytes": sum(row.bytes for row in opened.get(record.key_id, [])),
        }


def _verify(platform: Platform, request: ErasureRequest) -> None:
    seller_id = request.seller_id
    destroyed = [entry["key_id"] for entry in erasures.get(platform, request.request_id).detail.get("removed", [])]
    _, opened = keys_refused(platform, destroyed)
    problems = [f"the key store still opens key {key_id}" for key_id in opened]
    with platform.control.read() as connection:
        problems += [f"key {record.key_id} is alive" for record in _alive(connection, seller_id)]
    problems += [f"{folder} is still on disk" for folder in _folders(platform, seller_id) if folder.exists()]
    problems += old_keks(platform, _CLASSES)
    if platform.warehouse.published(seller_id) is not None:
        problems.append("its marts are still published")
    if problems:
        raise ErasureUnverified(
            f"{request.request_id} is not verified: {'; '.join(problems[:3])}; mend this and run it again"
        )


def _folders(platform: Platform, seller_id: str) -> list[Path]:
    inside = [platform.home.lake_dir / name / f"seller={seller_id}" for name in STORED]
    return [*inside, platform.home.marts_dir / f"seller={seller_id}"]

"""What the parts of a backup become in a new home: rows, keys wrapped anew, files checked against their rows.

Belongs here: one segment at a time. Does not belong here: their order and what happens when one fails (`restore.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.archive import ArchiveDamaged, Body
from amzigo_pipelines.resources.audit.chain import restore_head
from amzigo_pipelines.resources.control.schema import (
    data_keys,
    installation,
    kek_versions,
    lake_files,
    partitions,
    reports,
)
from amzigo_pipelines.resources.durability import make_folders, sync_folder
from amzigo_pipelines.resources.keys.keks import KekPurpose
from amzigo_pipelines.resources.keys.store import KeyClass, purpose_of
from amzigo_pipelines.resources.keys.wrapping import KekRing, key_context
from amzigo_pipelines.resources.lake.content import CONTENT
from amzigo_pipelines.resources.lake.files import CURRENT, LakeDamaged, LakeFile, check_place, is_lake_path
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backup_contents import FAMILIES, KEY_CLASSES, Amount
from amzigo_pipelines.retention.backup_rows import from_json, table_named

Records = Iterator[tuple[dict[str, Any], Body]]


@dataclass
class SellerPart:
    """What a seller's part gave, by dataset.

    Attributes:
        restored: brought back.
        expired: passed over, as its date of death has come.
        open_pii_days: days whose PII lived when the backup was made.
    """

    restored: dict[str, Amount] = field(default_factory=dict)
    expired: dict[str, Amount] = field(default_factory=dict)
    open_pii_days: list[date] = field(default_factory=list)


def restore_control(platform: Platform, records: Records, settings: str, installation_id: str) -> None:
    """The books, the installation's own secrets, and new KEKs above all that there ever were.

    Raises:
        AmzigoError: the database refuses, or a KEK can't be made.
    """
    home = platform.home
    make_home_folders(platform)
    home.settings_file.with_name(f"{home.settings_file.name}.restoring").write_text(settings, "utf-8")
    # Which installation it is must be known before the first KEK is made: KMS binds it to that.
    platform.control.create(installation_id)
    own_secrets: dict[str, bytes] = {}
    with platform.control.transaction() as connection:
        for facts, _ in records:
            if "dagster" in facts:
                _write_new(home.dagster_dir / "dagster.yaml", facts["dagster"])
            elif "kek_versions" in facts:
                _make_keks(platform, connection, facts["kek_versions"])
            elif "secret" in facts:
                own_secrets[facts["secret"]] = base64.b64decode(facts["value"])
            else:
                _insert(platform, connection, facts)
        _set_sequences(connection)
        restore_head(connection)
    for name, value in own_secrets.items():
        platform.keys.put_secret(name, value)


def restore_late(platform: Platform, records: Records) -> None:
    """The rows that were written down last, tombstones of the erased among them."""
    with platform.control.transaction() as connection:
        for facts, _ in records:
            _insert(platform, connection, facts)


def restore_seller(
    platform: Platform, seller_id: str, records: Records, damaged: Callable[[], ArchiveDamaged]
) -> SellerPart:
    """A seller's secrets, keys, partitions and files; in the books in one transaction.

    Raises:
        ArchiveDamaged: a file isn't what its row says, or something isn't the seller's own.
    """
    part, now_on = SellerPart(), today(platform.clock)
    keys: dict[str, dict[str, Any]] = {}
    secrets: dict[str, bytes] = {}
    days: list[dict[str, Any]] = []
    files: list[LakeFile] = []
    folders: set[Path] = set()
    for facts, body in records:
        if "secret" in facts:
            secrets[facts["secret"]] = base64.b64decode(facts["value"])
        elif "key" in facts:
            key = from_json(data_keys, facts["key"])
            if key["seller_id"] != seller_id or key["key_class"] not in KEY_CLASSES:
                raise damaged()
            keys[key["key_id"]] = {**key, "secret": base64.b64decode(facts["value"])}
        elif "partition" in facts:
            days.append(_without_content(from_json(partitions, facts["partition"])))
        elif "open_pii_days" in facts:
            part.open_pii_days = [date.fromisoformat(day) for day in facts["open_pii_days"]]
        elif "file" in facts:
            values = from_json(lake_files, facts["file"])
            file = LakeFile(**{**values, "family": RetentionClass(values["family"])})
            _check_own(file, seller_id, keys, damaged)
            to = part.restored if file.expires_on > now_on else part.expired
            to[file.dataset] = to.get(file.dataset, Amount()) + Amount(1, file.rows, file.bytes)
            if file.expires_on > now_on:
                folders.add(write_file(platform.home.lake_dir, file.path, file.bytes, file.sha256, body, damaged))
                files.append(file)
        else:
            raise damaged()
    for folder in folders:
        sync_folder(folder)
    with platform.control.transaction() as connection:
        revive_keys(platform, connection, [key for key in keys.values() if key["expires_on"] > now_on])
        if days:
            connection.execute(partitions.insert(), days)
        if files:
            connection.execute(lake_files.insert(), [vars(file) for file in files])
    for name, value in secrets.items():
        platform.keys.put_secret(name, value)
    return part


def make_home_folders(platform: Platform) -> None:
    """The folders of a new home, as `amzigo init` makes them."""
    home = platform.home
    folders = (home.kek_dir, home.lake_dir, home.marts_dir, home.spill_dir, home.lock_dir, home.certificate_dir)
    for folder in (*folders, home.dagster_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _insert(platform: Platform, connection: Connection, facts: dict[str, Any]) -> None:
    table = table_named(str(facts.get("table")))
    if table is None:
        raise AmzigoError(
            f"the backup holds rows of {facts.get('table')!r}, which this version of Amzigo does not know: restore it "
            "with the version that made it"
        )
    row = from_json(table, facts["row"])
    if table is installation:
        connection.execute(table.update().values(**row))
        return
    if table is data_keys:
        # Dead until the seller's part hands its key over: PII keys, and all of a seller whose part has died, stay so.
        row |= {"wrapped": None, "destroyed_at": row["destroyed_at"] or platform.clock.now()}
    connection.execute(table.insert().values(**row))


def _set_sequences(connection: Connection) -> None:
    """PostgreSQL counts on from where it was, whatever numbers were put in; SQLite looks at the table."""
    if connection.dialect.name == "postgresql":
        highest = sa.select(sa.func.coalesce(sa.func.max(reports.c.number), 1)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(reports.name, reports.c.number.name)
        connection.execute(sa.select(sa.func.setval(sequence, highest)))


def _make_keks(platform: Platform, connection: Connection, highest: dict[str, int]) -> None:
    for purpose in KekPurpose:
        version = platform.keks.create(purpose, above=int(highest.get(purpose, 0)))
        connection.execute(
            kek_versions.insert().values(
                purpose=purpose, version=version, is_active=True, created_at=platform.clock.now(), destroyed_at=None
            )
        )


def revive_keys(platform: Platform, connection: Connection, keys: list[dict[str, Any]]) -> None:
    """Wrap a backup's data keys under the new home's KEKs, with the dates of death that they always had."""
    ring = KekRing(platform.keks, platform.clock)
    for key in keys:
        purpose = purpose_of(KeyClass(key["key_class"]))
        version = ring.active(connection, purpose)
        context = key_context(key["key_id"], key["seller_id"], key["key_class"], key["expires_on"])
        values = {
            "seller_id": key["seller_id"],
            "key_class": key["key_class"],
            "expires_on": key["expires_on"],
            "kek_purpose": purpose,
            "kek_version": version,
            "wrapped": ring.wrap(purpose, version, context, key["secret"]),
            "destroyed_at": None,
        }
        these = data_keys.c.key_id == key["key_id"]
        if connection.execute(data_keys.update().where(these).values(**values)).rowcount == 0:
            # Made after the books were copied.
            now = platform.clock.now()
            connection.execute(data_keys.insert().values(key_id=key["key_id"], created_at=now, **values))


def _check_own(
    file: LakeFile, seller_id: str, keys: dict[str, dict[str, Any]], damaged: Callable[[], ArchiveDamaged]
) -> None:
    key = keys.get(file.key_id)
    facts = None if key is None else (key["seller_id"], key["key_class"], key["expires_on"])
    try:
        check_place(file)
    except LakeDamaged:
        raise damaged() from None
    is_own = file.seller_id == seller_id and file.family in FAMILIES and is_lake_path(file.path)
    if not is_own or file.state != CURRENT or facts != (seller_id, str(file.family), file.expires_on):
        raise damaged()


def write_file(
    root: Path, place: str, expected_bytes: int, sha256: str, body: Body, damaged: Callable[[], ArchiveDamaged]
) -> Path:
    """Write a body to its place below a folder, durable; gives the folder it lies in, which is to be synced.

    Raises:
        ArchiveDamaged: it isn't as long as, or not the bytes that, its row says.
    """
    path, digest, size = root / place, hashlib.sha256(), 0
    make_folders(root, path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        for chunk in body:
            digest.update(chunk)
            size += len(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    if (size, digest.hexdigest()) != (expected_bytes, sha256):
        raise damaged()
    return path.parent


def _without_content(partition: dict[str, Any]) -> dict[str, Any]:
    """A partition that lost its PII must not pass for unchanged when Amazon gives the same rows again."""
    origin = json.loads(partition["origin"])
    if partition["pii_rows"]:
        origin.pop(CONTENT, None)
    return {**partition, "origin": json.dumps(origin, sort_keys=True)}


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, "utf-8")

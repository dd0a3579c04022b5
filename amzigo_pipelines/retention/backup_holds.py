"""The vaults of legal holds in a backup: into it, back out of it, and what becomes of holds whose vault does not come.

Belongs here: the part of a backup that is a hold's. Does not belong here: the order of backup and restore
(`backup_contents.py`, `restore.py`), the keys of parts (`resources/keys/backup_keys.py`), holds (`holds.py`).

A law that wants data kept wants it to outlive a lost disk. So the vault of each hold in force is in the backup, under a
key of this hold and this backup alone, which only the role privacy may open. It dies with the hold: on its last day by
its date, and with a release by being destroyed. So no backup is a way round the end of a hold.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.archive import ArchiveDamaged, SegmentWriter
from amzigo_pipelines.resources.control.schema import data_keys, vault_files
from amzigo_pipelines.resources.control.schema import holds as holds_table
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.keys.backup_keys import hold_owner
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead
from amzigo_pipelines.resources.lake.files import is_lake_path
from amzigo_pipelines.resources.lake.vault import VaultError, VaultFile
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.backup_contents import Amount, BackupError, put_key
from amzigo_pipelines.retention.backup_rows import from_json, to_json
from amzigo_pipelines.retention.holds import ACTIVE, ENDING, Hold
from amzigo_pipelines.retention.restore_parts import Records, revive_keys, write_file

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_CHUNK = 1 << 20
_LOCK_WAIT_S = 120.0


def write_hold(platform: Platform, hold: Hold, segment: SegmentWriter) -> Amount:
    """A hold's key and the copies in its vault.

    Raises:
        BackupError: a copy is missing or is not what the books say.
        KeyDead: the hold ended meanwhile.
    """
    amount = Amount()
    # Nobody ends the hold, and nothing is copied into its vault, while it is read.
    with exclusive(platform.home.lock_dir, "holds", wait_s=_LOCK_WAIT_S):
        put_key(segment, platform.keys.open(hold.key_id), set())
        for file in platform.vault.files(hold.number):
            segment.record({"vault_file": to_json(vars(file)), "size": file.bytes}, _checked(platform, file))
            amount += Amount(1, file.rows, file.bytes)
    return amount


def restore_hold(platform: Platform, owner: str, records: Records, damaged: Callable[[], ArchiveDamaged]) -> Amount:
    """A hold's key under the new home's KEK, with its old date of death, and its vault.

    Raises:
        ArchiveDamaged: a copy isn't what its row says, or something isn't the hold's own.
    """
    hold = next((one for one in holds.all_holds(platform) if hold_owner(one.number) == owner), None)
    if hold is None:
        raise damaged()
    amount, keys, files = Amount(), [], []
    for facts, body in records:
        if "key" in facts:
            key = from_json(data_keys, facts["key"])
            if (key["key_id"], key["seller_id"], key["key_class"]) != (hold.key_id, hold.seller_id, KeyClass.HOLD):
                raise damaged()
            keys.append({**key, "secret": base64.b64decode(facts["value"])})
        elif "vault_file" in facts:
            file = VaultFile(**facts["vault_file"])
            if file.hold != hold.number or not is_lake_path(file.source):
                raise damaged()
            sync_folder(write_file(platform.home.vault_dir, file.place, file.bytes, file.sha256, body, damaged))
            files.append(file)
            amount += Amount(1, file.rows, file.bytes)
        else:
            raise damaged()
    with platform.control.transaction() as connection:
        revive_keys(platform, connection, keys)
        if files:
            now = platform.clock.now()
            connection.execute(vault_files.insert(), [{**vars(file), "copied_at": now} for file in files])
    return amount


def settle_holds(platform: Platform, restored: set[str], dead: set[str]) -> list[str]:
    """Make the holds of a restored home true whose vault did not come with it.

    A hold whose part died is over: it ended after the backup was made. One that the backup has no part of goes on,
    under a fresh key, for what is still in the lake.

    Args:
        platform: the restored installation.
        restored: owners of the parts that came back.
        dead: owners of those that had died.

    Returns:
        The ids of holds that go on without what was in their vault.
    """
    without: list[str] = []
    for hold in holds.all_holds(platform):
        owner = hold_owner(hold.number)
        if owner in restored or hold.state not in (ACTIVE, ENDING):
            continue
        these = holds_table.c.number == hold.number
        if owner in dead:
            values: dict[str, Any] = {"state": ENDING}
            if hold.ends_on > today(platform.clock):
                values["released_at"] = hold.released_at or platform.clock.now()
            with platform.control.transaction() as connection:
                connection.execute(holds_table.update().where(these).values(**values))
        elif hold.holds_on(today(platform.clock)):
            key = platform.keys.draft(hold.seller_id, KeyClass.HOLD, hold.ends_on)
            with platform.control.transaction() as connection:
                platform.keys.add(connection, [key])
                connection.execute(holds_table.update().where(these).values(key_id=key.key_id, secured_at=None))
            without.append(hold.hold_id)
    return without


def open_vaults(restored: Platform) -> dict[str, Amount]:
    """Open every copy in the vaults with its hold's key and count its rows, by owner: for the drill.

    Raises:
        VaultError: one does not open.
    """
    found: dict[str, Amount] = {}
    for hold in holds.active(restored):
        for file in restored.vault.files(hold.number):
            try:
                key = restored.keys.open(hold.key_id, even_frozen=True)
                opening = create_decryption_properties(key.secret, aad_prefix=file.place.encode())
                metadata = pq.read_metadata(restored.home.vault_dir / file.place, decryption_properties=opening)
            except (KeyDead, OSError, pa.ArrowException):
                raise VaultError(f"a copy in the vault of {hold.hold_id} came back and does not open") from None
            owner = hold_owner(hold.number)
            found[owner] = found.get(owner, Amount()) + Amount(1, metadata.num_rows, file.bytes)
    return found


def _checked(platform: Platform, file: VaultFile) -> Iterator[bytes]:
    """A copy's bytes; raises where they are not what the books say."""
    path, digest, size = platform.home.vault_dir / file.place, hashlib.sha256(), 0
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
    except FileNotFoundError:
        size = -1
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise BackupError(
            f"a copy in the vault of hold {file.hold} is missing or not what was written there: restore the vault from "
            "an older backup, or release the hold; no backup was made"
        )

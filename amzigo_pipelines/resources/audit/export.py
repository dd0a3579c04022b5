"""The trail as a file for a SIEM or an auditor: OCSF events in an encrypted archive.

Belongs here: the file. Does not belong here: events (`ocsf.py`), and the archive's form (`resources/archive.py`).

The archive's key is derived as an entry's is (`sealing.py`): whoever may write the trail can make the file, and only
who may read the trail opens it.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.resources.archive import ArchiveDamaged, ArchiveReader, ArchiveWriter
from amzigo_pipelines.resources.audit.chain import Head
from amzigo_pipelines.resources.audit.marks import AuditError
from amzigo_pipelines.resources.audit.ocsf import VERSION, event
from amzigo_pipelines.resources.audit.sealing import Opener, Sealer, ensure_key
from amzigo_pipelines.resources.audit.trail import AuditEntry
from amzigo_pipelines.resources.durability import sync_folder

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_FORMAT, _OWNER, _KIND = "amzigo-audit-export-1", "audit", "ocsf"


@dataclass(frozen=True)
class Export:
    """What was exported: how many events, and where the trail ended then: keep that apart, `verify` asks for it."""

    events: int
    head: Head


def events(platform: Platform, entries: Iterator[AuditEntry]) -> Iterator[dict[str, Any]]:
    """Entries as OCSF events, streaming."""
    installation_id = platform.installation_id()
    for entry in entries:
        yield event(entry, installation_id)


def export_file(platform: Platform, entries: Iterator[AuditEntry], path: Path) -> Export:
    """Write an encrypted file of OCSF events; it is there whole or not at all.

    Raises:
        AuditError: it is there already, or can't be written.
    """
    if path.exists():
        raise AuditError(f"{path} is there already: choose another name")
    with platform.control.transaction() as connection:
        sealer = Sealer(ensure_key(connection, platform.keys, platform.clock))
    head, number = platform.audit.head(), 0
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            archive = ArchiveWriter(
                file,
                {
                    "backup_id": secrets.token_hex(16),
                    "format": _FORMAT,
                    "ocsf": VERSION,
                    "created_at": platform.clock.now().isoformat(),
                    "installation_id": platform.installation_id(),
                    "ephemeral": sealer.ephemeral.hex(),
                },
            )
            with archive.segment(_OWNER, _KIND, sealer.key) as segment:
                for one in events(platform, entries):
                    segment.record(one)
                    number += 1
            archive.end(_OWNER, sealer.key, {"events": number, "head": [head.number, head.hash.hex()]})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise AuditError(f"{path} can't be written ({error.strerror}): free space or write it elsewhere") from None
    finally:
        temporary.unlink(missing_ok=True)
    return Export(number, head)


def read_file(opener: Opener, path: Path) -> Iterator[dict[str, Any]]:
    """The events of an exported file, streaming; complete only when this ends without an error.

    Raises:
        ArchiveDamaged: it was changed or cut short, or is another installation's.
        AuditError: it can't be read, or is no export.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise AuditError(f"{path} can't be read ({error.strerror}): give the file of an export") from None
    with file:
        reader = ArchiveReader(file, str(path))
        if reader.header.get("format") != _FORMAT:
            raise AuditError(f"{path} is no export of an audit trail: give the file of 'amzigo audit export'")
        try:
            key = opener.key(bytes.fromhex(reader.header["ephemeral"]))
        except (KeyError, ValueError, TypeError):
            raise reader.damaged() from None
        number = 0
        for segment in reader.segments(lambda _: key):
            for facts, _ in segment.records(key):
                number += 1
                yield facts
        if reader.totals.get("events") != number:
            raise ArchiveDamaged(f"{path} does not hold what was exported: use a whole copy")


def line(one: dict[str, Any]) -> str:
    """An event as one line of JSON."""
    return json.dumps(one, separators=(",", ":"), ensure_ascii=False)

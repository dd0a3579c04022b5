"""The archive's form: every byte of it counts."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from amzigo_pipelines.resources.archive import ArchiveDamaged, ArchiveReader, ArchiveWriter

KEYS = {"installation": bytes(range(32)), "A1SELLER": bytes(range(1, 33))}
HEADER = {"backup_id": "0123456789abcdef0123456789abcdef", "note": "a header"}


def written(body: bytes = b"some bytes") -> bytes:
    file = io.BytesIO()
    archive = ArchiveWriter(file, HEADER)
    for owner in ("installation", "A1SELLER"):
        with archive.segment(owner, "test", KEYS[owner]) as segment:
            segment.record({"name": owner, "size": len(body)}, [body[:3], body[3:]])
            segment.record({"name": "without a body"})
    archive.end("installation", KEYS["installation"], {"rows": 2})
    return file.getvalue()


def read(data: bytes, keys: dict[str, bytes] = KEYS) -> tuple[list[Any], Any]:
    reader = ArchiveReader(io.BytesIO(data), "it")
    found = []
    for segment in reader.segments(lambda owner: keys[owner]):
        for facts, body in segment.records(keys[segment.owner]):
            found.append((segment.owner, segment.kind, facts["name"], b"".join(body)))
    return found, reader.totals


def test_what_was_written_is_read() -> None:
    found, totals = read(written())
    assert found == [
        ("installation", "test", "installation", b"some bytes"),
        ("installation", "test", "without a body", b""),
        ("A1SELLER", "test", "A1SELLER", b"some bytes"),
        ("A1SELLER", "test", "without a body", b""),
    ]
    assert totals == {"rows": 2}


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_bodies_of_any_size(size: int) -> None:
    body = bytes(size)
    found, _ = read(written(body))
    assert [content for _, _, _, content in found] == [body, b"", body, b""]


def test_every_flipped_bit_is_noticed() -> None:
    whole = written()
    for spot in range(len(whole)):
        changed = bytearray(whole)
        changed[spot] ^= 1
        # A changed owner is somebody whose key isn't there.
        with pytest.raises((ArchiveDamaged, KeyError)):
            read(bytes(changed))


def test_every_cut_and_anything_behind_the_end_is_noticed() -> None:
    whole = written()
    for length in range(len(whole)):
        with pytest.raises(ArchiveDamaged):
            read(whole[:length])
    with pytest.raises(ArchiveDamaged):
        read(whole + b"\0")


def test_a_segment_that_is_passed_over_is_checked_all_the_same() -> None:
    whole = written()
    reader = ArchiveReader(io.BytesIO(whole), "it")
    assert [segment.owner for segment in reader.segments(lambda owner: KEYS[owner])] == ["installation", "A1SELLER"]
    spot = whole.index(b'"A1SELLER"') + 40
    changed = whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1 :]
    with pytest.raises(ArchiveDamaged):
        list(ArchiveReader(io.BytesIO(changed), "it").segments(lambda owner: KEYS[owner]))


def test_two_archives_under_the_same_key_share_no_key_stream() -> None:
    other = {**HEADER, "backup_id": "f" * 32}
    first, second = io.BytesIO(), io.BytesIO()
    for file, header in ((first, HEADER), (second, other)):
        with ArchiveWriter(file, header).segment("A1SELLER", "test", KEYS["A1SELLER"]) as segment:
            segment.record({"name": "x", "size": 64}, [bytes(64)])
    a, b = first.getvalue(), second.getvalue()
    assert a[-60:] != b[-60:]
    with pytest.raises(ArchiveDamaged):
        read(a[: len(a) - 100] + b[len(b) - 100 :])


def test_a_frame_length_that_is_nonsense_takes_no_memory() -> None:
    header = json.dumps(HEADER).encode()
    data = b"AMZIGO-BACKUP-1\n" + len(header).to_bytes(4, "big") + header + b"S\xff\xff\xff\xff"
    with pytest.raises(ArchiveDamaged):
        read(data)

"""The file of a backup: segments of records, each segment encrypted under a key of its own, readable in one pass.

Belongs here: bytes, encryption, and noticing what was changed or cut off. Does not belong here: what is in a backup
(`retention/backups.py`) and where its keys come from (`keys/backup_keys.py`).

    magic, length and JSON of the header (in the clear, authenticated with every frame)
    for each segment: "S", length and JSON {owner, kind}; frames: "F" or, the last, "L", length, ciphertext
    the last segment is of kind `end` and lists owner, kind and SHA-256 of every other one

A frame is AES-256-GCM under HKDF-SHA256(owner's key, salt = backup id, info = number and owner of the segment), its
number as nonce: such a key is used for one segment of one backup, so no nonce comes twice. Each frame authenticates the
header, its segment and whether it is the last one: frames can't be left out, swapped, or cut off at the end.

The plaintext of a segment is records: length and JSON, then as many bytes as its `size` says.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amzigo_pipelines.errors import AmzigoError

MAGIC = b"AMZIGO-BACKUP-1\n"
END = "end"
_FRAME_BYTES = 1 << 20
_TAG_BYTES = 16
_LENGTH = struct.Struct(">I")
_LONGEST_JSON = 64 << 20
KeyOf = Callable[[str], bytes]


class ArchiveDamaged(AmzigoError):
    """The file is no backup, was changed, was cut short, or its key is another one's."""


@dataclass(frozen=True)
class Frame:
    """What a frame authenticates besides its content."""

    header: bytes
    segment: bytes
    number: int

    def associated(self, mark: bytes) -> bytes:
        """As bytes."""
        return b"".join((hashlib.sha256(self.header).digest(), hashlib.sha256(self.segment).digest(), mark))

    @property
    def nonce(self) -> bytes:
        """The frame's number."""
        return self.number.to_bytes(12, "big")


class ArchiveWriter:
    """Writes an archive.

    Args:
        file: open for writing, at its beginning.
        header: facts for whoever opens it; `backup_id` (hexadecimal) among them, no secret.
    """

    def __init__(self, file: BinaryIO, header: dict[str, Any]) -> None:
        self._file = file
        self._header = _json(header)
        self._salt = bytes.fromhex(header["backup_id"])
        self._segments: list[dict[str, str]] = []
        file.write(MAGIC + _LENGTH.pack(len(self._header)) + self._header)

    @contextmanager
    def segment(self, owner: str, kind: str, key: bytes) -> Iterator[SegmentWriter]:
        """A segment; complete when the block ends well."""
        head = _json({"owner": owner, "kind": kind})
        self._file.write(b"S" + _LENGTH.pack(len(head)) + head)
        cipher = AESGCM(_derived(key, self._salt, len(self._segments), owner))
        writer = SegmentWriter(self._file, cipher, self._header, head)
        yield writer
        writer.finish()
        self._segments.append({"owner": owner, "kind": kind, "sha256": writer.digest.hexdigest()})

    def end(self, owner: str, key: bytes, totals: dict[str, Any]) -> None:
        """The last segment: what the others are, and `totals`."""
        listed = list(self._segments)
        with self.segment(owner, END, key) as writer:
            writer.record({"segments": listed, "totals": totals})


class SegmentWriter:
    """Writes the records of one segment."""

    def __init__(self, file: BinaryIO, cipher: AESGCM, header: bytes, head: bytes) -> None:
        self._file, self._cipher, self._header, self._head = file, cipher, header, head
        self._buffer, self._number = bytearray(), 0
        self.digest = hashlib.sha256()

    def record(self, facts: dict[str, Any], body: Iterable[bytes] = ()) -> None:
        """One record; with a body, `facts` must hold its `size` in bytes."""
        text = _json(facts)
        self._put(_LENGTH.pack(len(text)) + text)
        for chunk in body:
            self._put(chunk)

    def finish(self) -> None:
        """The last frame, which may be empty."""
        self._frame(b"L", bytes(self._buffer))
        self._buffer.clear()

    def _put(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _FRAME_BYTES:
            self._frame(b"F", bytes(self._buffer[:_FRAME_BYTES]))
            del self._buffer[:_FRAME_BYTES]

    def _frame(self, mark: bytes, data: bytes) -> None:
        frame = Frame(self._header, self._head, self._number)
        sealed = self._cipher.encrypt(frame.nonce, data, frame.associated(mark))
        self._number += 1
        self.digest.update(sealed)
        self._file.write(mark + _LENGTH.pack(len(sealed)) + sealed)


@dataclass(frozen=True)
class Segment:
    """A segment as it is read: go through its records, or it is passed over.

    Attributes:
        owner: whose key opens it.
        kind: what is in it.
        reader: its records.
    """

    owner: str
    kind: str
    reader: SegmentReader

    def records(self, key: bytes) -> Iterator[tuple[dict[str, Any], Body]]:
        """Each record with its body, which must be read before the next record is asked for, or is passed over.

        Raises:
            ArchiveDamaged: a frame isn't what was written.
        """
        return self.reader.records(key)


class ArchiveReader:
    """Reads an archive.

    Args:
        file: open for reading, at its beginning.
        name: how to call it in sentences.

    Attributes:
        header: the facts that were written first; true once a segment was decrypted.

    Raises:
        ArchiveDamaged: it is no backup.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self.name = file, name
        if file.read(len(MAGIC)) != MAGIC:
            raise ArchiveDamaged(f"{name} is no backup that Amzigo made")
        self._header = self._block(self._take(4))
        try:
            self.header: dict[str, Any] = json.loads(self._header)
            self._salt = bytes.fromhex(self.header["backup_id"])
        except (ValueError, KeyError, TypeError):
            raise self.damaged() from None

    def segments(self, end_key: KeyOf) -> Iterator[Segment]:
        """Every segment but the last, in order; then the last is checked against all that was read.

        Args:
            end_key: gives the key of the last segment, by its owner.

        Raises:
            ArchiveDamaged: something was changed, left out or cut off. Until this has run to its end without it,
                what was read is not to be trusted as complete.
        """
        seen: list[dict[str, str]] = []
        self.totals: dict[str, Any] = {}
        while True:
            mark = self._file.read(1)
            if mark != b"S":
                raise self.damaged() if mark else self.cut_short()
            head = self._block(self._take(4))
            try:
                facts = json.loads(head)
                owner, kind = str(facts["owner"]), str(facts["kind"])
            except (ValueError, KeyError, TypeError):
                raise self.damaged() from None
            derive = partial(_derived, salt=self._salt, number=len(seen), owner=owner)
            reader = SegmentReader(self, head, derive)
            if kind == END:
                (record, _) = next(reader.records(end_key(owner)), ({}, None))
                reader.drain()
                if record.get("segments") != seen or self._file.read(1):
                    raise self.damaged()
                self.totals = record["totals"]
                return
            yield Segment(owner, kind, reader)
            reader.drain()
            seen.append({"owner": owner, "kind": kind, "sha256": reader.digest.hexdigest()})

    def frame(self) -> tuple[bytes, bytes]:
        """The next frame: its mark and ciphertext."""
        mark = self._take(1)
        if mark not in (b"F", b"L"):
            raise self.damaged()
        return mark, self._block(self._take(4), _FRAME_BYTES + _TAG_BYTES)

    @property
    def header_bytes(self) -> bytes:
        """The header as it stands in the file."""
        return self._header

    def damaged(self) -> ArchiveDamaged:
        """The sentence for what isn't as it was written."""
        return ArchiveDamaged(
            f"{self.name} is damaged: it was changed after it was made, or its key is another backup's; nothing of it "
            "can be trusted, use another backup"
        )

    def cut_short(self) -> ArchiveDamaged:
        """The sentence for a file that ends too early."""
        return ArchiveDamaged(
            f"{self.name} is cut short: it was not copied to its end, or the backup never finished; use a whole copy"
        )

    def _block(self, length: bytes, most: int = _LONGEST_JSON) -> bytes:
        (size,) = _LENGTH.unpack(length)
        if size > most:
            raise self.damaged()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise self.cut_short()
        return data


class SegmentReader:
    """Decrypts the frames of one segment as its records are asked for."""

    def __init__(self, archive: ArchiveReader, head: bytes, derive: Callable[[bytes], bytes]) -> None:
        self._archive, self._head, self._derive = archive, head, derive
        self._cipher: AESGCM | None = None
        self._buffer, self._number, self._is_over = bytearray(), 0, False
        self.digest = hashlib.sha256()

    def records(self, key: bytes) -> Iterator[tuple[dict[str, Any], Body]]:
        """See `Segment.records`."""
        self._cipher = AESGCM(self._derive(key))
        while self._fill(4):
            (size,) = _LENGTH.unpack(self.take(4))
            try:
                facts: dict[str, Any] = json.loads(self.take(size))
            except ValueError:
                raise self._archive.damaged() from None
            body = Body(self, int(facts.get("size", 0)))
            yield facts, body
            for _ in body:
                pass

    def take(self, size: int) -> bytes:
        """The next so many bytes of the plaintext."""
        if not self._fill(size):
            raise self._archive.damaged()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def drain(self) -> None:
        """Go on to the segment's end without decrypting what was not asked for."""
        self._cipher = None
        while not self._is_over:
            self._next()

    def _fill(self, size: int) -> bool:
        while len(self._buffer) < size and not self._is_over:
            self._next()
        return len(self._buffer) >= size

    def _next(self) -> None:
        mark, sealed = self._archive.frame()
        self.digest.update(sealed)
        self._is_over = mark == b"L"
        if self._cipher is not None:
            frame = Frame(self._archive.header_bytes, self._head, self._number)
            try:
                self._buffer += self._cipher.decrypt(frame.nonce, sealed, frame.associated(mark))
            except InvalidTag:
                raise self._archive.damaged() from None
        self._number += 1


class Body:
    """The bytes that follow a record, in chunks; may be gone through once."""

    def __init__(self, reader: SegmentReader, size: int) -> None:
        self._reader, self._left = reader, size

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._reader.take(min(self._left, _FRAME_BYTES))
            self._left -= len(chunk)
            yield chunk


def _derived(key: bytes, salt: bytes, number: int, owner: str) -> bytes:
    info = f"amzigo-backup-v1|{number}|{owner}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

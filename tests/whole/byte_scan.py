"""Searching files for people: every string, in every encoding that software on the way might have used.

A search for tens of thousands of strings at once: the first eight bytes of each are looked up at every offset of a file
with numpy, and only where those match is the whole string compared.
"""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

PREFIX = 8
GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHUNK = 8_000_000


@dataclass(frozen=True)
class Found:
    """A person's string in a file: which file, and how it was written there; never the string itself."""

    path: Path
    how: str


class ByteScan:
    """A search for many strings in many encodings.

    Args:
        strings: what must not be found, each of at least ten characters.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        needles: dict[bytes, str] = {}
        for text in set(strings):
            assert len(text) >= 10, "too short a string would be found by chance"
            for needle, how in _written(text):
                needles[needle] = how
        assert needles, "a search for nothing finds nothing"
        self._by_prefix: dict[int, list[tuple[bytes, str]]] = {}
        for needle, how in needles.items():
            prefix = int.from_bytes(needle[:PREFIX], "little")
            self._by_prefix.setdefault(prefix, []).append((needle, how))
        self._prefixes = np.array(sorted(self._by_prefix), dtype=np.uint64)
        self.bytes_read = 0
        self.files_read = 0

    def files(self, *folders: Path) -> list[Found]:
        """All finds in all files below the folders, whatever they are."""
        found: list[Found] = []
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self.files_read += 1
                    found += [Found(path, how) for how in self.data(path.read_bytes())]
        return found

    def data(self, data: bytes) -> set[str]:
        """How strings are written in these bytes, also inside gzip and zstd streams; empty when there are none."""
        self.bytes_read += len(data)
        hits = self._search(data)
        for inner, how in _unpacked(data):
            hits |= {f"{hit} inside {how}" for hit in self._search(inner)}
        return hits

    def _search(self, data: bytes) -> set[str]:
        hits: set[str] = set()
        for start in range(0, max(len(data) - PREFIX + 1, 0), CHUNK):
            part = np.frombuffer(data, dtype=np.uint8)[start : start + CHUNK + PREFIX - 1]
            windows = np.zeros(len(part) - PREFIX + 1, dtype=np.uint64)
            for n in range(PREFIX):
                windows |= part[n : len(windows) + n].astype(np.uint64) << np.uint64(8 * n)
            places = np.searchsorted(self._prefixes, windows)
            places[places == len(self._prefixes)] = 0
            for offset in np.flatnonzero(self._prefixes[places] == windows):
                at = start + int(offset)
                for needle, how in self._by_prefix[int(windows[offset])]:
                    if data.startswith(needle, at):
                        hits.add(how)
        return hits


def _written(text: str) -> Iterator[tuple[bytes, str]]:
    plain = text.encode()
    yield plain, "UTF-8"
    yield text.encode("utf-16-le"), "UTF-16"
    yield text.encode("utf-16-be"), "UTF-16 BE"
    for shift in range(3):
        # Where the string starts within a group of three bytes decides its letters; the edges depend on neighbours.
        coded = base64.b64encode(b"\0" * shift + plain)
        start = (shift * 8 + 5) // 6
        end = ((shift + len(plain)) * 8) // 6
        yield coded[start:end], "base64"


def _unpacked(data: bytes) -> Iterator[tuple[bytes, str]]:
    for at in _places(data, GZIP_MAGIC):
        inner = zlib.decompressobj(wbits=31)
        try:
            yield inner.decompress(data[at:], 64_000_000), "gzip"
        except zlib.error:
            continue
    for at in _places(data, ZSTD_MAGIC):
        stream = pa.CompressedInputStream(pa.BufferReader(data[at:]), "zstd")
        out = io.BytesIO()
        try:
            while block := stream.read(1_000_000):
                out.write(block)
        except OSError:
            if not out.tell():
                continue
        yield out.getvalue(), "zstd"


def _places(data: bytes, magic: bytes) -> Iterator[int]:
    at = data.find(magic)
    while at >= 0:
        yield at
        at = data.find(magic, at + 1)


def planted(text: str) -> dict[str, bytes]:
    """The string written in every way that a scan must find: its own proof that it can fail."""
    sentence = f"before {text} after"
    return {
        "UTF-8": sentence.encode(),
        "UTF-16": sentence.encode("utf-16-le"),
        "UTF-16 BE": sentence.encode("utf-16-be"),
        "base64": base64.b64encode(sentence.encode()),
        "UTF-8 inside gzip": b"head" + gzip.compress(sentence.encode()),
        "UTF-8 inside zstd": b"head" + bytes(pa.compress(sentence.encode() * 3, codec="zstd", asbytes=True)),
    }

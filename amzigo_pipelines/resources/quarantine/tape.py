"""What Amazon sent, in order: kept while it comes, and handed out again in its place.

Belongs here: the records of a tape. Does not belong here: where a tape is stored (`store.py`), who listens to one
(`resources/spapi/calls.py`, `resources/reports/`).

An extraction that is played back asks nobody for what is on its tape; what is not on it is asked from Amazon. Answers
stand in the order of the calls, by operation and, where it matters, what was asked about; documents by their id.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import pyarrow as pa

ANSWER, DOCUMENT = "answer", "document"
# Before the pieces of a document: whatever came of it before was torn, or is read once more.
_BEGIN = "begin"
# A record's piece; a document has as many as it takes.
RECORD = pa.schema([("kind", pa.string()), ("name", pa.string()), ("content", pa.binary())])
_PIECE_BYTES = 1 << 20


class Tape(Protocol):
    """What the client and the desk for reports tell of what they get, and may ask first."""

    @property
    def is_playing(self) -> bool:
        """Whether it hands out what was kept; else it keeps."""
        ...

    def answer(self, name: str) -> Any | None:
        """The next answer kept under a name; None where there is none."""
        ...

    def keep(self, name: str, content: Any) -> None:
        """Keep an answer: anything that JSON can hold."""
        ...

    def document(self, document_id: str) -> Iterator[bytes] | None:
        """A document that was kept; None where it was not."""
        ...

    def keeping(self, document_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks themselves, kept as they pass."""
        ...


class Recorder:
    """Keeps what comes.

    Args:
        write: takes rows of `RECORD`.
    """

    is_playing = False

    def __init__(self, write: Callable[[pa.Table], None]) -> None:
        self._write = write
        self.records = 0

    def answer(self, name: str) -> Any | None:
        """Nothing: it only keeps."""
        return None

    def document(self, document_id: str) -> Iterator[bytes] | None:
        """Nothing: it only keeps."""
        return None

    def keep(self, name: str, content: Any) -> None:
        """Write an answer."""
        self._put(ANSWER, name, json.dumps(content, ensure_ascii=False).encode())

    def keeping(self, document_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Write each chunk before it is handed on."""
        self._put(_BEGIN, document_id, b"")
        for chunk in chunks:
            self._put(DOCUMENT, document_id, chunk)
            yield chunk

    def _put(self, kind: str, name: str, content: bytes) -> None:
        for start in range(0, max(len(content), 1), _PIECE_BYTES):
            piece = content[start : start + _PIECE_BYTES]
            self._write(pa.Table.from_pydict({"kind": [kind], "name": [name], "content": [piece]}, schema=RECORD))
        self.records += 1


class Player:
    """Hands out what was kept.

    Args:
        read: gives all rows of `RECORD`, from the first on, each time it is called.
    """

    is_playing = True

    def __init__(self, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._read = read
        self._documents: Counter[str] = Counter()
        answers: dict[str, deque[bytes]] = defaultdict(deque)
        for kind, name, content in _rows(read()):
            if kind == ANSWER:
                answers[name].append(content)
            elif kind == _BEGIN:
                self._documents[name] += 1
        self._answers = answers

    def answer(self, name: str) -> Any | None:
        """The next answer kept under a name."""
        waiting = self._answers.get(name)
        return json.loads(waiting.popleft()) if waiting else None

    def keep(self, name: str, content: Any) -> None:
        """Nothing: it only plays."""

    def document(self, document_id: str) -> Iterator[bytes] | None:
        """The pieces of a document."""
        if document_id not in self._documents:
            return None
        return self._pieces(document_id)

    def keeping(self, document_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks themselves."""
        return iter(chunks)

    def _pieces(self, document_id: str) -> Iterator[bytes]:
        begun = 0
        for kind, name, content in _rows(self._read()):
            if name == document_id:
                begun += kind == _BEGIN
                if kind == DOCUMENT and begun == self._documents[document_id]:
                    yield content


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, str, bytes]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

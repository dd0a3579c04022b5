"""Telling whether a partition's rows are those that were written last, without keeping them.

Belongs here: the digest. Does not belong here: what follows from it (`writer.py`).
"""

from __future__ import annotations

import hashlib
import hmac

import pyarrow as pa

# Where a partition's origin keeps the digest of its rows.
CONTENT = "content"


class ContentDigest:
    """HMAC-SHA256 over rows in the order in which they come.

    Keyed with the seller's own key, so that nobody can try out what the rows may have been once they are gone.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._digest = hmac.new(key, digestmod=hashlib.sha256)

    def add(self, table: pa.Table) -> None:
        """Further rows."""
        sink = pa.BufferOutputStream()
        # Arrow's stream format leaves out what a slice of a larger table drags along.
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        self._digest.update(sink.getvalue())

    def hexdigest(self) -> str:
        """The digest of all rows so far, as hexadecimal."""
        return self._digest.hexdigest()

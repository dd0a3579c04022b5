"""Signed heads of the trail: how far it had come, so that what is cut off or rewritten later shows.

Belongs here: signing a head, keeping it in the control database and in the home, and checking signatures. Does not
belong here: when a head is signed (`trail.py`), and comparing heads with the chain (`verify.py`).

Two kinds: `head`, and `deleted` for the end of a segment whose 12 months are over. The newest head lies in the home too
(`audit/head.json`): an older copy of the database doesn't reach it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy.engine import Connection

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.chain import AuditBroken, Head
from amzigo_pipelines.resources.control.schema import audit_marks
from amzigo_pipelines.resources.durability import write_whole

HEAD, DELETED = "head", "deleted"
HEAD_FILE = "head.json"
_FORMAT = "amzigo-audit-head-1"


class AuditError(AmzigoError):
    """The trail can't be used as asked."""


@dataclass(frozen=True)
class Mark:
    """A signed head.

    Attributes:
        kind: `head` or `deleted`.
        number: of the entry.
        hash: of the entry.
        signed_at: when.
        body: what was signed.
        signature: Ed25519.
    """

    kind: str
    number: int
    hash: bytes
    signed_at: datetime
    body: str
    signature: bytes

    @property
    def head(self) -> Head:
        """Number and hash."""
        return Head(self.number, self.hash)


def sign(private: Ed25519PrivateKey, kind: str, head: Head, signed_at: datetime, installation_id: str) -> Mark:
    """A head, signed."""
    body = json.dumps(
        {
            "format": _FORMAT,
            "installation": installation_id,
            "kind": kind,
            "number": head.number,
            "sha256": head.hash.hex(),
            "signed_at": signed_at.isoformat(),
        },
        sort_keys=True,
    )
    return _mark(body, private.sign(body.encode()))


def put(connection: Connection, mark: Mark) -> None:
    """Keep a mark, in the caller's write transaction."""
    connection.execute(
        audit_marks.insert().values(
            number=mark.number, kind=mark.kind, signed_at=mark.signed_at, body=mark.body, signature=mark.signature
        )
    )


def newest(connection: Connection) -> tuple[int, datetime | None]:
    """Number and time of the newest mark; 0 and None when there is none."""
    m = audit_marks.c
    row = connection.execute(sa.select(m.number, m.signed_at).order_by(m.number.desc(), m.signed_at.desc())).first()
    return (row.number, row.signed_at) if row else (0, None)


def checked(connection: Connection, public: Ed25519PublicKey | None) -> list[Mark]:
    """All marks by number, with good signatures.

    Raises:
        AuditBroken: one was changed.
        AuditError: there are some, and no public key to check them with.
    """
    rows = connection.execute(sa.select(audit_marks).order_by(audit_marks.c.number)).all()
    found = []
    for row in rows:
        mark = _checked(row.body, row.signature, public, row.number)
        if (mark.number, mark.kind) != (row.number, row.kind):
            raise AuditBroken("changed", row.number, "the signed head there belongs to another entry")
        found.append(mark)
    return found


def read_file(folder: Path, public: Ed25519PublicKey | None) -> Mark | None:
    """The head in the home; None when there is none.

    Raises:
        AuditBroken: it was changed.
        AuditError: it can't be read, or there is no public key to check it with.
    """
    path = folder / HEAD_FILE
    try:
        facts = json.loads(path.read_text("utf-8"))
        body, signature = str(facts["body"]), bytes.fromhex(facts["signature"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditError(f"{path} can't be read ({error.strerror}): mend its permissions") from None
    except (ValueError, KeyError, TypeError):
        raise AuditBroken("changed", 0, f"{path} is no signed head") from None
    return _checked(body, signature, public, 0)


def write_file(folder: Path, mark: Mark) -> None:
    """Keep the newest head in the home, atomically.

    Raises:
        AuditError: the folder can't be written.
    """
    path = folder / HEAD_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, (json.dumps({"body": mark.body, "signature": mark.signature.hex()}) + "\n").encode(), 0o640)
    except OSError as error:
        raise AuditError(f"{path} can't be written ({error.strerror}): free space or mend its permissions") from None


def load_public(path: Path) -> Ed25519PublicKey | None:
    """The public key of a PEM file; None where there is no such file.

    Raises:
        AuditError: it is none.
    """
    try:
        public = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise AuditError(f"{path} is no public key that can be read: put the right file there") from None
    if not isinstance(public, Ed25519PublicKey):
        raise AuditError(f"{path} is no Ed25519 public key: put the right file there")
    return public


def _checked(body: str, signature: bytes, public: Ed25519PublicKey | None, number: int) -> Mark:
    if public is None:
        raise AuditError(
            "there is no public key to check the trail's signatures with: put public-key.pem back into certificates/, "
            "or give it with --public-key"
        )
    try:
        public.verify(signature, body.encode())
        return _mark(body, signature)
    except (InvalidSignature, ValueError, KeyError, TypeError):
        raise AuditBroken("changed", number, "the signature of the head there is not this installation's") from None


def _mark(body: str, signature: bytes) -> Mark:
    facts: dict[str, Any] = json.loads(body)
    if facts["format"] != _FORMAT:
        raise ValueError(facts["format"])
    return Mark(
        facts["kind"],
        int(facts["number"]),
        bytes.fromhex(facts["sha256"]),
        datetime.fromisoformat(facts["signed_at"]),
        body,
        signature,
    )

"""What a certificate of destruction is as bytes, and checking one: needs nothing but the certificate and a public key.

Belongs here: the canonical form, the file's form, signatures, the chain. Does not belong here: issuing and keeping
certificates (`certificates.py`), so that an auditor's machine can check them without an installation.

A certificate is a JSON body in canonical form (keys sorted, no spaces, UTF-8), its SHA-256, and an Ed25519 signature.
The body names the hash of the certificate before it: none can be changed, left out or put elsewhere without the next
one showing it. That the last one wasn't cut off, only the installation itself can tell.

What it states of each seller is signed by its salted hash: an excerpt for one seller leaves out the others' statements,
is as good as the whole, and gives nothing of the others away.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.keys.signing import PUBLIC_KEY_FILE as PUBLIC_KEY_FILE

FORMAT = "amzigo-certificate-of-destruction-2"
FIRST = "0" * 64
# Stands before the body when signing: a signature can't be passed off as one over something else.
_DOMAIN = FORMAT.encode() + b"\n"
_FILE = re.compile(r"\d{6,}-\d{4}-\d\d-\d\d\.json")


class CertificateError(AmzigoError):
    """A certificate or its key is missing or can't be read."""


class CertificateInvalid(CertificateError):
    """A certificate isn't what was issued."""


class ChainBroken(CertificateError):
    """A certificate is missing, twice there, or in the wrong place."""


@dataclass(frozen=True)
class Certificate:
    """A certificate of destruction.

    Attributes:
        number: 1, 2, 3, ... without gaps.
        day_of_death: data due on or before this day was destroyed (UTC).
        retention_class: class of the data.
        issued_at: when (UTC).
        previous_hash: hash of the certificate before; 64 zeros in the first.
        hash: SHA-256 of what is signed, hexadecimal.
        body: all that it states; an excerpt's lacks the statements of other sellers.
        signature: Ed25519, 64 bytes.
    """

    number: int
    day_of_death: date
    retention_class: str
    issued_at: datetime
    previous_hash: str
    hash: str
    body: dict[str, Any]
    signature: bytes

    @property
    def file_name(self) -> str:
        """Name of its file: number and day."""
        return file_name(self.number, self.day_of_death)

    @property
    def is_excerpt(self) -> bool:
        """Whether statements about sellers were left out."""
        return len(self.body["sellers"]) < len(self.body["statements_sha256"])

    def excerpt(self, seller_id: str) -> Certificate:
        """The same certificate with what it states of one seller only (which may be nothing)."""
        mine = [statement for statement in self.body["sellers"] if statement["seller"] == seller_id]
        return replace(self, body={**self.body, "sellers": mine})

    @property
    def file_bytes(self) -> bytes:
        """Its file, byte for byte: readable, and with no other way to write the same."""
        parts = {"body": self.body, "sha256": self.hash, "signature": base64.b64encode(self.signature).decode()}
        return json.dumps(parts, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"


def file_name(number: int, day_of_death: date) -> str:
    """Name of a certificate's file: number and day."""
    return f"{number:06d}-{day_of_death.isoformat()}.json"


def is_file_name(name: str) -> bool:
    """Whether a name is one that certificates' files have."""
    return _FILE.fullmatch(name) is not None


def canonical(body: dict[str, Any]) -> bytes:
    """The one form of a JSON object of which hashes are taken."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def signed_part(body: dict[str, Any]) -> bytes:
    """What of a body is hashed and signed, canonically: all but the sellers' statements, of which it has the hashes."""
    return canonical({name: value for name, value in body.items() if name != "sellers"})


def signed_bytes(body: dict[str, Any]) -> bytes:
    """What the signature is over."""
    return _DOMAIN + signed_part(body)


def statement_hash(statement: dict[str, Any]) -> str:
    """By which a certificate names what it states of a seller: SHA-256, hexadecimal."""
    return hashlib.sha256(canonical(statement)).hexdigest()


def certificate_of(text: bytes, signature: bytes, where: str) -> Certificate:
    """A certificate from its canonical body, not yet checked.

    Raises:
        CertificateInvalid: the body isn't one; `where` names the thing in the sentence.
    """
    try:
        body = json.loads(text)
        if body["format"] != FORMAT:
            raise CertificateInvalid(
                f"{where} has the format {body['format']!r}, this version of amzigo knows {FORMAT}"
            )
        if not isinstance(body["statements_sha256"], list) or not all("seller" in one for one in body["sellers"]):
            raise ValueError
        return Certificate(
            number=int(body["number"]),
            day_of_death=date.fromisoformat(body["day_of_death"]),
            retention_class=str(body["retention_class"]),
            issued_at=datetime.fromisoformat(body["issued_at"]),
            previous_hash=str(body["previous_sha256"]),
            hash=hashlib.sha256(signed_part(body)).hexdigest(),
            body=body,
            signature=signature,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CertificateInvalid(f"{where} is no certificate of destruction, or it was damaged: restore it") from None


def check_signature(certificate: Certificate, public_key: Ed25519PublicKey, where: str) -> Certificate:
    """The certificate itself.

    Raises:
        CertificateInvalid: the signature isn't that key's over that body, or it states what was not signed.
    """
    try:
        public_key.verify(certificate.signature, signed_bytes(certificate.body))
        if not _are_signed(certificate.body):
            raise InvalidSignature
    except InvalidSignature:
        raise CertificateInvalid(
            f"{where} is not valid: it was changed after it was signed, or another key signed it; "
            "don't rely on it, restore it from a backup and find out who changed it"
        ) from None
    return certificate


def _are_signed(body: dict[str, Any]) -> bool:
    """Whether all statements are among those that were signed, each at most once and in their order."""
    signed = iter(body["statements_sha256"])
    return all(statement_hash(statement) in signed for statement in body["sellers"])


def verify_certificate(
    source: Path | bytes, public_key: Ed25519PublicKey | Path, name: str = "the certificate"
) -> Certificate:
    """Check one certificate file by itself.

    Args:
        source: the file, or its bytes.
        public_key: the installation's public key, or its PEM file.
        name: what bytes are called in a sentence; a file has its own name.

    Raises:
        CertificateError: it can't be read.
        CertificateInvalid: not byte for byte what was issued, or not signed by that key.
    """
    key = load_public_key(public_key) if isinstance(public_key, Path) else public_key
    where = f"certificate {source.name}" if isinstance(source, Path) else name
    data = _read(source) if isinstance(source, Path) else source
    try:
        parts = json.loads(data)
        text = canonical(parts["body"])
        signature = base64.b64decode(parts["signature"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CertificateInvalid(f"{where} is no certificate of destruction, or it was damaged: restore it") from None
    found = check_signature(certificate_of(text, signature, where), key, where)
    # Byte for byte: else a value written twice, of which JSON keeps the last, could show a reader something else.
    if data != found.file_bytes:
        raise CertificateInvalid(f"{where} was changed outside of what is signed: restore it from a backup")
    return found


def verify_folder(folder: Path, public_key: Ed25519PublicKey | Path) -> list[Certificate]:
    """Check all certificate files of a folder, each by itself and their chain.

    Raises:
        CertificateError: one can't be read; CertificateInvalid, ChainBroken: as their names say.
    """
    key = load_public_key(public_key) if isinstance(public_key, Path) else public_key
    found = []
    try:
        paths = sorted(path for path in folder.iterdir() if is_file_name(path.name))
    except OSError as error:
        raise CertificateError(f"the certificates in {folder} can't be listed ({error.strerror})") from None
    for path in paths:
        certificate = verify_certificate(path, key)
        if path.name != certificate.file_name:
            raise ChainBroken(
                f"certificate {path.name} was renamed: it is {certificate.file_name}; give it back its own name"
            )
        found.append(certificate)
    verify_order(found)
    return found


def verify_order(certificates: Iterable[Certificate]) -> None:
    """Check that valid certificates, in the order given, are a chain from the first on.

    Raises:
        ChainBroken: the first place where it isn't, with what is missing, out of order or replaced.
    """
    previous_number, previous_hash = 0, FIRST
    for certificate in certificates:
        number, expected = certificate.number, previous_number + 1
        if number > expected:
            gone = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
            raise ChainBroken(f"certificate {gone} is missing before certificate {number}: restore it from a backup")
        if number < expected:
            raise ChainBroken(f"certificate {number} is out of order: it stands after certificate {previous_number}")
        if certificate.previous_hash != previous_hash:
            raise ChainBroken(
                f"certificate {number} does not follow from certificate {previous_number}: one of them was replaced; "
                "restore both from a backup"
            )
        previous_number, previous_hash = number, certificate.hash


def fingerprint(public_key: Ed25519PublicKey) -> str:
    """By which people compare public keys: SHA-256 of its 32 bytes."""
    return f"sha256:{hashlib.sha256(public_key.public_bytes_raw()).hexdigest()}"


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file.

    Raises:
        CertificateError: it can't be read, or isn't an Ed25519 key.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"{path} holds no public key in PEM form: copy it again from the installation") from None
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateError(f"{path} holds no Ed25519 key: copy the installation's public key again")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CertificateError(f"{path} is missing: restore it from a backup") from None
    except OSError as error:
        raise CertificateError(f"{path} can't be read ({error.strerror}): mend its permissions") from None

"""Certificates of destruction: the signing key, issuing, keeping, and checking an installation's whole chain.

Belongs here: what is in the control database and in `certificates/`. Does not belong here: the form and its check
without an installation (`certificate_format.py`), and what was destroyed (`sweep.py`).

The database row comes first, in the transaction that closes the ledger's rows: no destruction is certified twice, or
never. The file follows, and is written later where a crash came between.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.engine import Connection

from amzigo_pipelines.resources.control.schema import certificates, retention_runs
from amzigo_pipelines.resources.durability import write_whole
from amzigo_pipelines.resources.keys.signing import SIGNING_SECRET
from amzigo_pipelines.resources.keys.store import SecretMissing
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.retention.certificate_format import (
    FIRST,
    FORMAT,
    Certificate,
    CertificateError,
    CertificateInvalid,
    ChainBroken,
    canonical,
    certificate_of,
    check_signature,
    file_name,
    is_file_name,
    load_public_key,
    signed_bytes,
    statement_hash,
    verify_certificate,
    verify_folder,
    verify_order,
)
from amzigo_pipelines.retention.certificate_format import (
    PUBLIC_KEY_FILE as PUBLIC_KEY_FILE,
)
from amzigo_pipelines.retention.ledger import CERTIFIED, certificate_number

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

__all__ = ["Certificate", "ensure_signing_key", "issue", "verify_certificate", "verify_chain", "verify_folder"]

_LOCK = "certificates"
_LOCK_WAIT_S = 30.0

# NIST SP 800-88 names Cryptographic Erase as a technique of Purge under conditions. Those that this code keeps are
# stated as met. Those about the medium under it can't be seen from here: where a deployment doesn't keep them (a volume
# with snapshots, a KEK folder in a backup), the technique is Clear for the keys; the certificate says what it hangs on.
METHOD = {
    "standard": "NIST SP 800-88",
    "technique": "Purge by Cryptographic Erase, then unlinking of the encrypted files",
    "cipher": "AES-256-GCM, Parquet Modular Encryption, one data key for each seller, class and date of death",
    "conditions_met": [
        "the data was encrypted before it was first written to the medium",
        "every data key was destroyed: its wrapping overwritten and dropped",
        "the key-encryption key above them was exchanged, and all its older versions overwritten and removed, so that "
        "no copy of the control database from before opens them",
        "the encrypted files were unlinked",
    ],
    "conditions_of_the_deployment": [
        "no copy of the key-encryption keys' folder exists (backup, snapshot)",
        "the medium that holds the key-encryption keys gives nothing back of overwritten and removed files, or they "
        "were wrapped by a key of a secret manager that is gone too; else the technique is Clear for these keys",
    ],
}


def ensure_signing_key(platform: Platform) -> Path:
    """Make the Ed25519 key pair if there is none; the private key lives wrapped in the control database.

    Harmless when repeated; a lost public key file is written again.

    Returns:
        The public key's PEM file.

    Raises:
        CertificateError: there is a public key whose private key is gone, or the folder can't be written.
    """
    path = platform.home.certificate_dir / PUBLIC_KEY_FILE
    with exclusive(platform.home.lock_dir, _LOCK, wait_s=_LOCK_WAIT_S):
        try:
            private = _private_key(platform)
        except SecretMissing:
            if path.exists():
                raise CertificateError(
                    f"the private key that belongs to {path} is not in the control database: restore the database, or "
                    "move the old certificates and their public key away to begin a new chain"
                ) from None
            private = Ed25519PrivateKey.generate()
            platform.keys.put_secret(SIGNING_SECRET, private.private_bytes_raw())
        if not path.exists():
            _write(path, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return path


def public_key(platform: Platform) -> Ed25519PublicKey:
    """The public key in the certificates' folder.

    Raises:
        CertificateError: it isn't there, or is none.
    """
    return load_public_key(platform.home.certificate_dir / PUBLIC_KEY_FILE)


def newest_file(platform: Platform) -> Path | None:
    """The certificate file with the highest number, unchecked; None when there is none."""
    try:
        paths = [path for path in platform.home.certificate_dir.iterdir() if is_file_name(path.name)]
    except OSError:
        return None
    return max(paths, key=lambda path: int(path.name.partition("-")[0]), default=None)


def signing_key(platform: Platform) -> Ed25519PrivateKey:
    """The private key.

    Raises:
        CertificateError: there is none, or it isn't the one of the public key file.
    """
    try:
        private = _private_key(platform)
    except SecretMissing:
        raise CertificateError(
            "this installation has no key to sign certificates with: run 'amzigo init' again"
        ) from None
    path = platform.home.certificate_dir / PUBLIC_KEY_FILE
    if load_public_key(path).public_bytes_raw() != private.public_key().public_bytes_raw():
        raise CertificateError(f"{path} is not the public key of this installation: restore it from a backup")
    return private


def issue(
    platform: Platform,
    connection: Connection,
    private_key: Ed25519PrivateKey,
    *,
    day_of_death: date,
    retention_class: str,
    sellers: Sequence[Mapping[str, Any]],
    verification: Mapping[str, Any],
    method: Mapping[str, Any] = METHOD,
) -> Certificate:
    """Sign and record the next certificate, in the caller's transaction; call `write_missing_files` after it.

    Args:
        platform: the installation.
        connection: in a write transaction, so that two can't take the same number.
        private_key: from `signing_key`.
        day_of_death: what was due on or before this day was destroyed.
        retention_class: the class.
        sellers: what was destroyed of each; counts, key ids, dates. No personal data.
        verification: what was looked at, and found.
        method: how it was destroyed.
    """
    c = certificates.c
    last = connection.execute(sa.select(c.number, c.hash).order_by(c.number.desc()).limit(1)).first()
    certificate_id, issued_at = uuid.uuid4().hex, platform.clock.now()
    # The salt keeps whoever holds an excerpt from guessing what the hashes beside it stand for.
    statements = [{**seller, "salt": secrets.token_hex(16)} for seller in sellers]
    body: dict[str, Any] = {
        "format": FORMAT,
        "number": last.number + 1 if last else 1,
        "certificate_id": certificate_id,
        "previous_sha256": last.hash if last else FIRST,
        "issued_at": issued_at.isoformat(),
        "day_of_death": day_of_death.isoformat(),
        "retention_class": str(retention_class),
        "method": dict(method),
        "sellers": statements,
        "statements_sha256": [statement_hash(statement) for statement in statements],
        "verification": dict(verification),
        "code_version": metadata.version("amzigo-pipelines"),
        "public_key": private_key.public_key().public_bytes_raw().hex(),
    }
    text = canonical(body)
    certificate = certificate_of(text, private_key.sign(signed_bytes(body)), "the new certificate")
    ids = [str(seller["seller"]) for seller in sellers]
    connection.execute(
        certificates.insert().values(
            number=certificate.number,
            certificate_id=certificate_id,
            run_id=None,
            seller_id=ids[0] if len(ids) == 1 else "*",
            retention_class=certificate.retention_class,
            expires_on=day_of_death,
            issued_at=issued_at,
            body=text.decode(),
            previous_hash=certificate.previous_hash,
            hash=certificate.hash,
            signature=certificate.signature,
        )
    )
    return certificate


def write_missing_files(platform: Platform) -> list[Path]:
    """Write the file of each certificate that has none yet, atomically; a present file is left as it is.

    Raises:
        CertificateError: the folder can't be written.
    """
    folder, written = platform.home.certificate_dir, []
    # Bodies grow with the sellers: only those whose file is missing are read.
    known = summaries(platform)
    missing = [one.number for one in known if not (folder / file_name(one.number, one.day_of_death)).exists()]
    for certificate in load_certificates(platform, missing):
        path = folder / certificate.file_name
        _write(path, certificate.file_bytes, 0o644)
        written.append(path)
    return written


@dataclass(frozen=True)
class Summary:
    """A certificate without its body: number, day, class, when it was issued, and its seller (`*`: several)."""

    number: int
    day_of_death: date
    retention_class: str
    issued_at: datetime
    seller_id: str


def summaries(platform: Platform) -> list[Summary]:
    """All certificates of the control database by number, unchecked and without their bodies."""
    c = certificates.c
    query = sa.select(c.number, c.expires_on, c.retention_class, c.issued_at, c.seller_id).order_by(c.number)
    with platform.control.read() as connection:
        return [Summary(*row) for row in connection.execute(query)]


def load_certificates(platform: Platform, numbers: Collection[int] | None = None) -> Iterator[Certificate]:
    """Certificates of the control database by number, unchecked, one at a time; all when no numbers are given.

    Raises:
        CertificateInvalid: a row's body isn't a certificate's.
    """
    wanted = [one.number for one in summaries(platform)] if numbers is None else sorted(numbers)
    for number in wanted:
        with platform.control.read() as connection:
            row = connection.execute(sa.select(certificates).where(certificates.c.number == number)).first()
        if row is not None:
            yield certificate_of(row.body.encode(), row.signature, f"certificate {number}")


def verify_chain(platform: Platform) -> list[Certificate]:
    """Check everything: each row and file, the chain, rows against files, and the ledger against both.

    Returns:
        The certificates, in order.

    Raises:
        CertificateInvalid: one was changed.
        ChainBroken: one is missing, in the wrong place, or was never issued here.
    """
    public = signing_key(platform).public_key()
    with platform.control.read() as connection:
        rows = connection.execute(sa.select(certificates).order_by(certificates.c.number)).all()
        details = connection.execute(
            sa.select(retention_runs.c.detail).where(retention_runs.c.state == CERTIFIED)
        ).scalars()
        promised = {certificate_number(detail) for detail in details}
    found = [_check_row(row, public) for row in rows]
    verify_order(found)
    lost = sorted(promised - {certificate.number for certificate in found})
    if lost:
        raise ChainBroken(f"certificate {lost[0]} is missing: the ledger has runs that it certified; restore it")
    filed = verify_folder(platform.home.certificate_dir, public)
    for ours, theirs in zip(found, filed, strict=False):
        if theirs.is_excerpt:
            raise CertificateInvalid(
                f"certificate {ours.file_name} is an excerpt here, without what it states of some sellers: remove it, "
                "the next sweep writes it whole"
            )
        if ours.hash != theirs.hash:
            raise ChainBroken(f"certificate {ours.file_name} is not the one in the control database: restore it")
    if len(filed) < len(found):
        raise ChainBroken(f"the file of certificate {found[len(filed)].file_name} is missing: restore it from a backup")
    if len(filed) > len(found):
        raise ChainBroken(f"certificate {filed[len(found)].file_name} is not in the control database: restore that")
    return found


def _check_row(row: sa.Row[Any], public: Ed25519PublicKey) -> Certificate:
    where = f"certificate {row.number} in the control database"
    found = check_signature(certificate_of(row.body.encode(), row.signature, where), public, where)
    if found.is_excerpt:
        raise CertificateInvalid(f"{where} lacks what it states of some sellers: restore the database from a backup")
    facts = (found.number, found.previous_hash, found.hash, found.retention_class, found.day_of_death, found.issued_at)
    if facts != (row.number, row.previous_hash, row.hash, row.retention_class, row.expires_on, row.issued_at) or (
        canonical(found.body) != row.body.encode()
    ):
        raise CertificateInvalid(f"{where} was changed beside what is signed: restore the database from a backup")
    return found


def _private_key(platform: Platform) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(platform.keys.secret(SIGNING_SECRET))


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, data, mode)
    except OSError as error:
        raise CertificateError(f"{path} can't be written ({error.strerror}): free space and run again") from None

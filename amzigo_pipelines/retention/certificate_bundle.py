"""Certificates on their way to somebody outside: one archive, and checking what came, with the public key alone.

Belongs here: the archive's form, and the check of a set of certificates that need not be all. Does not belong here:
choosing them (`cli/certificates.py`) and the check of an installation's own chain (`certificates.py`).
"""

from __future__ import annotations

import itertools
import os
import uuid
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from amzigo_pipelines.retention.certificate_format import (
    Certificate,
    CertificateError,
    CertificateInvalid,
    ChainBroken,
    fingerprint,
    is_file_name,
    verify_certificate,
)
from amzigo_pipelines.retention.certificate_page import page

_FOLDER = "certificates/"
# A certificate over a thousand sellers has some megabytes.
_LARGEST_BYTES = 256_000_000


@dataclass(frozen=True)
class Verified:
    """Valid certificates by number.

    Attributes:
        certificates: in order, each one valid by itself and following from the one before, where that is there.
        is_from_first: whether they are the chain from its first on, without a gap.
    """

    certificates: tuple[Certificate, ...]
    is_from_first: bool

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        numbers = [certificate.number for certificate in self.certificates]
        excerpts = sum(certificate.is_excerpt for certificate in self.certificates)
        whole = "an unbroken chain from the first on" if self.is_from_first else f"{_ranges(numbers)} of a longer chain"
        some = f"; {excerpts} are excerpts for one seller" if excerpts else ""
        return f"{len(numbers)} certificates are valid: {whole}{some}"


def write_bundle(path: Path, certificates: Iterable[Certificate], public_key: Ed25519PublicKey) -> int:
    """Write certificates, a page of each, the public key and how to check them into one ZIP archive, atomically.

    Returns:
        How many certificates.

    Raises:
        CertificateError: the file can't be written.
    """
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:8]}-{path.name}")
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    count = 0
    try:
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED) as archive:
            for certificate in certificates:
                name = certificate.file_name
                archive.writestr(_FOLDER + name, certificate.file_bytes)
                archive.writestr(f"pages/{name.removesuffix('.json')}.html", page(certificate))
                count += 1
            archive.writestr("public-key.pem", pem)
            archive.writestr("README.txt", _readme(path.name, fingerprint(public_key)))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise CertificateError(f"{path} can't be written ({error.strerror}): choose another place") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count


def verify_paths(paths: Sequence[Path], public_key: Ed25519PublicKey) -> Verified:
    """Check certificate files, folders of them, and archives; all together are one set.

    Raises:
        CertificateError: one can't be read, or there is none; CertificateInvalid, ChainBroken: as their names say.
    """
    found = [certificate for path in paths for certificate in _verified(path, public_key)]
    if not found:
        raise CertificateError(f"there is no certificate in {', '.join(map(str, paths))}: nothing was checked")
    found.sort(key=lambda certificate: certificate.number)
    for earlier, later in itertools.pairwise(found):
        if later.number == earlier.number:
            if later.hash != earlier.hash:
                raise ChainBroken(f"there are two different certificates {later.number}: one of them is not real")
        elif later.number == earlier.number + 1 and later.previous_hash != earlier.hash:
            raise ChainBroken(
                f"certificate {later.number} does not follow from certificate {earlier.number}: one was replaced"
            )
    numbers = sorted({certificate.number for certificate in found})
    return Verified(tuple(found), numbers == list(range(1, len(numbers) + 1)))


def _verified(path: Path, public_key: Ed25519PublicKey) -> list[Certificate]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if is_file_name(file.name))
        return [verify_certificate(file, public_key) for file in files]
    if path.suffix == ".zip":
        return _of_bundle(path, public_key)
    return [verify_certificate(path, public_key)]


def _of_bundle(path: Path, public_key: Ed25519PublicKey) -> list[Certificate]:
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not (entry.filename.startswith(_FOLDER) and is_file_name(entry.filename.removeprefix(_FOLDER))):
                    continue
                if entry.file_size > _LARGEST_BYTES:
                    raise CertificateInvalid(f"{entry.filename} in {path} is too large to be a certificate")
                found.append(verify_certificate(archive.read(entry), public_key, entry.filename))
    except FileNotFoundError:
        raise CertificateError(f"{path} is not there: check the name") from None
    except OSError as error:
        raise CertificateError(f"{path} can't be read ({error.strerror}): mend its permissions") from None
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError):
        raise CertificateInvalid(f"{path} is no archive of certificates, or it was damaged: ask for it again") from None
    return found


def _ranges(numbers: Sequence[int]) -> str:
    parts: list[str] = []
    start = previous = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number <= previous + 1:
            previous = number
            continue
        parts.append(f"{start}" if start == previous else f"{start} to {previous}")
        if number is not None:
            start = previous = number
    return ("number " if len(numbers) == 1 else "numbers ") + ", ".join(parts)


def _readme(name: str, key: str) -> str:
    return f"""Certificates of destruction, issued by Amzigo Pipelines.

certificates/  what was signed, one JSON file a certificate
pages/         the same to read and to print
public-key.pem the key that checks the signatures: {key}

Compare this fingerprint with the one that you were given on another way (amzigo certificate public-key). Then:

  pip install amzigo-pipelines
  amzigo certificate verify {name} --public-key public-key.pem

This needs no installation, no network and no data: only this archive and the key.
"""

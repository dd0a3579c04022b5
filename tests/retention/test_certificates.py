"""Certificates: what was changed, left out or put elsewhere is found, by the installation and by an outsider."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from retention_kit import DAY, OTHER, SELLER, days, make_platform, move, open_platform, write_day

from amzigo_pipelines.resources.control.schema import certificates, retention_runs
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificate_format import (
    CertificateError,
    CertificateInvalid,
    ChainBroken,
    load_public_key,
    signed_bytes,
    signed_part,
    verify_certificate,
    verify_folder,
)
from amzigo_pipelines.retention.certificates import PUBLIC_KEY_FILE, ensure_signing_key, verify_chain
from amzigo_pipelines.retention.sweep import sweep

DEATH = DAY + timedelta(days=20)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three certificates."""
    platform = make_platform(tmp_path_factory.mktemp("chain") / "home")
    deaths = days(DEATH, 3)
    write_day(platform, SELLER, DAY, deaths, each=1)
    for death in deaths:
        move(platform, death)
        sweep(platform, as_of=death)
    return platform.home.path


@pytest.fixture
def chain(finished: Path, tmp_path: Path) -> Platform:
    """A copy of it for each test."""
    shutil.copytree(finished, tmp_path / "home")
    return open_platform(tmp_path / "home", DEATH + timedelta(days=2))


def files(platform: Platform) -> list[Path]:
    return sorted(platform.home.certificate_dir.glob("*.json"))


def key_file(platform: Platform) -> Path:
    return platform.home.certificate_dir / PUBLIC_KEY_FILE


def test_what_it_says(chain: Platform) -> None:
    first, second, _ = verify_chain(chain)
    body = first.body
    assert (body["number"], body["day_of_death"], body["retention_class"]) == (1, DEATH.isoformat(), "pii")
    assert body["previous_sha256"] == "0" * 64
    assert second.body["previous_sha256"] == first.hash
    assert body["method"]["standard"] == "NIST SP 800-88"
    assert body["method"]["technique"].startswith("Purge by Cryptographic Erase")
    assert body["verification"]["result"] == "passed"
    assert body["verification"]["other_files_unchanged"] == 3
    assert body["code_version"]
    assert first.issued_at.date() == DEATH


def test_an_outsider_needs_the_public_key_alone(chain: Platform, tmp_path: Path) -> None:
    elsewhere = tmp_path / "auditor"
    shutil.copytree(chain.home.certificate_dir, elsewhere)
    second = elsewhere / f"000002-{DEATH + timedelta(days=1)}.json"
    assert verify_certificate(second, elsewhere / PUBLIC_KEY_FILE).number == 2
    assert [c.number for c in verify_folder(elsewhere, elsewhere / PUBLIC_KEY_FILE)] == [1, 2, 3]
    assert verify_certificate(files(chain)[0].read_bytes(), load_public_key(key_file(chain))).number == 1


def test_the_private_key_is_nowhere_in_the_clear(chain: Platform) -> None:
    secret = chain.keys.secret("certificate-signing-key")
    texts = (secret, base64.b64encode(secret), secret.hex().encode())
    for path in chain.home.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(text in data for text in texts), path


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        parts = json.loads(data)
        change(parts)
        return json.dumps(parts, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"

    return apply


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        (edit(lambda p: p["body"]["sellers"][0].update(rows=0)), "changed after it was signed"),
        (edit(lambda p: p["body"].update(issued_at="2026-11-30T00:00:00+00:00")), "changed after it was signed"),
        (edit(lambda p: p["body"].update(remark="added")), "changed after it was signed"),
        (edit(lambda p: p.update(signature=base64.b64encode(bytes(64)).decode())), "changed after it was signed"),
        (edit(lambda p: p.update(sha256="0" * 64)), "outside of what is signed"),
        (edit(lambda p: p.update(remark="added")), "outside of what is signed"),
        (lambda data: data.replace(b'"rows": 2', b'"rows": 1, "rows": 2'), "outside of what is signed"),
        (lambda data: data + b" ", "outside of what is signed"),
        (lambda data: data[:-20], "was damaged"),
        (lambda data: b"[]", "was damaged"),
        (lambda data: b"\xff\x00", "was damaged"),
        (edit(lambda p: p["body"].pop("number")), "was damaged"),
        (edit(lambda p: p["body"].update(format="other")), "has the format 'other'"),
    ],
)
def test_a_changed_file(chain: Platform, tamper: Callable[[bytes], bytes], sentence: str) -> None:
    path = files(chain)[1]
    data = path.read_bytes()
    assert tamper(data) != data
    path.write_bytes(tamper(data))
    with pytest.raises(CertificateInvalid, match=sentence):
        verify_certificate(path, key_file(chain))
    with pytest.raises(CertificateInvalid):
        verify_chain(chain)


def test_every_single_byte_counts(chain: Platform) -> None:
    data = files(chain)[0].read_bytes()
    public = load_public_key(key_file(chain))
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(CertificateError):
            verify_certificate(bytes(changed), public)


def test_an_excerpt_says_all_of_one_seller_and_nothing_of_the_others(platform: Platform, tmp_path: Path) -> None:
    death = DAY + timedelta(days=20)
    for seller in (SELLER, OTHER):
        write_day(platform, seller, DAY, [death])
    move(platform, death)
    sweep(platform, as_of=death)
    (whole,) = verify_chain(platform)
    mine = whole.excerpt(SELLER)
    assert (whole.is_excerpt, mine.is_excerpt) == (False, True)
    data = mine.file_bytes
    assert OTHER.encode() not in data and SELLER.encode() in data
    found = verify_certificate(data, key_file(platform))
    assert found.hash == whole.hash and found.body["sellers"] == whole.body["sellers"][:1]
    assert verify_certificate(whole.excerpt("C3NOBODY").file_bytes, key_file(platform)).body["sellers"] == []
    # Nobody's statement can be put in, made up, or put in twice.
    forged = {**whole.body["sellers"][0], "rows": 0}
    for statements in ([forged], [whole.body["sellers"][0]] * 2, whole.body["sellers"][::-1]):
        changed = replace(whole, body={**whole.body, "sellers": statements})
        with pytest.raises(CertificateInvalid, match="changed after it was signed"):
            verify_certificate(changed.file_bytes, key_file(platform))
    # In its own installation it must be whole.
    files(platform)[0].write_bytes(data)
    with pytest.raises(CertificateInvalid, match="is an excerpt here"):
        verify_chain(platform)


def test_signed_by_another_key(chain: Platform, tmp_path: Path) -> None:
    forger = Ed25519PrivateKey.generate()
    path = files(chain)[0]
    parts = json.loads(path.read_bytes())
    parts["body"]["sellers"] = []
    parts["signature"] = base64.b64encode(forger.sign(signed_bytes(parts["body"]))).decode()
    path.write_bytes(json.dumps(parts, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n")
    with pytest.raises(CertificateInvalid, match="another key signed it"):
        verify_certificate(path, key_file(chain))
    # Nor does exchanging the public key beside it help.
    key_file(chain).write_bytes(forger.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(CertificateError, match="not the public key of this installation"):
        verify_chain(chain)


@pytest.mark.parametrize(("position", "sentence"), [(0, "certificate 1 is missing"), (1, "certificate 2 is missing")])
def test_a_missing_file_in_the_chain(chain: Platform, position: int, sentence: str) -> None:
    files(chain)[position].unlink()
    with pytest.raises(ChainBroken, match=sentence):
        verify_folder(chain.home.certificate_dir, key_file(chain))
    with pytest.raises(ChainBroken, match=sentence):
        verify_chain(chain)


def test_the_last_file_missing_only_the_installation_can_tell(chain: Platform) -> None:
    files(chain)[2].unlink()
    assert len(verify_folder(chain.home.certificate_dir, key_file(chain))) == 2
    with pytest.raises(ChainBroken, match="file of certificate 000003"):
        verify_chain(chain)
    # The next sweep writes it again, though nothing is due.
    sweep(chain, as_of=DEATH)
    assert len(verify_chain(chain)) == 3


def test_reordered_files(chain: Platform) -> None:
    first, second, _ = files(chain)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    with pytest.raises(ChainBroken, match="was renamed"):
        verify_chain(chain)


def test_a_replaced_predecessor(chain: Platform) -> None:
    """Validly signed, but not the one that the next follows from."""
    path = files(chain)[0]
    parts = json.loads(path.read_bytes())
    parts["body"]["sellers"], parts["body"]["statements_sha256"] = [], []
    signer = Ed25519PrivateKey.from_private_bytes(chain.keys.secret("certificate-signing-key"))
    forged = replace(
        verify_certificate(path, key_file(chain)),
        body=parts["body"],
        signature=signer.sign(signed_bytes(parts["body"])),
        hash=hashlib.sha256(signed_part(parts["body"])).hexdigest(),
    )
    path.write_bytes(forged.file_bytes)
    assert verify_certificate(path, key_file(chain)).number == 1
    with pytest.raises(ChainBroken, match="certificate 2 does not follow from certificate 1"):
        verify_folder(chain.home.certificate_dir, key_file(chain))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"body": sa.func.replace(certificates.c.body, '"rows":2', '"rows":1')}, "changed after it was signed"),
        ({"body": sa.func.replace(certificates.c.body, '"rows":2', '"rows": 2')}, "changed beside what is signed"),
        ({"retention_class": "business"}, "changed beside what is signed"),
        ({"hash": "0" * 64}, "changed beside what is signed"),
    ],
)
def test_a_changed_row(chain: Platform, values: dict[str, object], sentence: str) -> None:
    with chain.control.transaction() as connection:
        connection.execute(certificates.update().where(certificates.c.number == 2).values(**values))
    with pytest.raises(CertificateInvalid, match=sentence):
        verify_chain(chain)


def test_the_last_row_and_file_cut_off(chain: Platform) -> None:
    with chain.control.transaction() as connection:
        connection.execute(certificates.delete().where(certificates.c.number == 3))
    with pytest.raises(ChainBroken, match="certificate 3 is missing: the ledger has runs"):
        verify_chain(chain)
    with chain.control.transaction() as connection:
        connection.execute(retention_runs.delete())
    with pytest.raises(ChainBroken, match=r"000003.* is not in the control database"):
        verify_chain(chain)


def test_a_lost_public_key_file_is_written_again(chain: Platform) -> None:
    before = key_file(chain).read_bytes()
    key_file(chain).unlink()
    with pytest.raises(CertificateError, match="is missing"):
        verify_chain(chain)
    assert ensure_signing_key(chain).read_bytes() == before
    ensure_signing_key(chain)
    assert len(verify_chain(chain)) == 3


def test_a_lost_private_key_is_not_replaced_silently(chain: Platform) -> None:
    chain.keys.destroy_secret("certificate-signing-key")
    with pytest.raises(CertificateError, match="begin a new chain"):
        ensure_signing_key(chain)


def test_without_a_signing_key_data_is_destroyed_all_the_same_and_certified_later(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    secret = platform.keys.secret("certificate-signing-key")
    platform.keys.destroy_secret("certificate-signing-key")
    with pytest.raises(CertificateError, match="no key to sign"):
        sweep(platform, as_of=DEATH)
    assert len(platform.keys.destroyed()) == 1
    platform.keys.put_secret("certificate-signing-key", secret)
    assert sweep(platform, as_of=DEATH).keys_destroyed == 1
    assert len(verify_chain(platform)) == 1


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n"])
def test_a_public_key_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(CertificateError, match="no public key"):
        load_public_key(path)

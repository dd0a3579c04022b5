"""`amzigo certificate`: read, printed, handed out, and checked where there is nothing but the public key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from retention_kit import DAY, OTHER, SELLER, days, make_platform, move, write_day
from typer.testing import CliRunner, Result

from amzigo_pipelines.cli.certificates import app
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificate_bundle import verify_paths
from amzigo_pipelines.retention.certificate_format import (
    CertificateError,
    CertificateInvalid,
    ChainBroken,
    load_public_key,
)
from amzigo_pipelines.retention.certificates import load_certificates
from amzigo_pipelines.retention.sweep import sweep

DEATH = DAY + timedelta(days=20)
Call = Callable[..., Result]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Three certificates: of both sellers, of one, of both."""
    platform = make_platform(tmp_path_factory.mktemp("command") / "home")
    deaths = days(DEATH, 3)
    write_day(platform, SELLER, DAY, deaths, tag="canary", each=1)
    write_day(platform, OTHER, DAY, [deaths[0], deaths[2]], tag="canary", each=1)
    for death in deaths:
        move(platform, death)
        sweep(platform, as_of=death)
    return platform


@pytest.fixture
def call(finished: Platform, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("AMZIGO_HOME", str(finished.home.path))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(one) for one in arguments])

    return run


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command on a machine that has nothing: no home, and a folder of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AMZIGO", "DAGSTER"))}
    command = [sys.executable, "-m", "amzigo_pipelines.cli", "certificate", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_list_by_seller_class_and_time_of_issue(call: Call) -> None:
    def numbers(*arguments: str) -> list[int]:
        return [one["number"] for one in json.loads(call("list", "--json", *arguments).stdout)]

    assert numbers() == [1, 2, 3]
    assert numbers("--seller", OTHER) == [1, 3]
    assert numbers("--first", str(DEATH + timedelta(days=1)), "--last", str(DEATH + timedelta(days=1))) == [2]
    assert numbers("--class", "business") == []
    first = json.loads(call("list", "--json").stdout)[0]
    assert (first["sellers"], first["keys"], first["files"], first["rows"]) == (2, 2, 4, 4)
    assert "There are no such certificates" in call("list", "--seller", "C3NOBODY").stdout


def test_show_as_text_json_and_page(call: Call, finished: Platform, tmp_path: Path) -> None:
    assert "Purge by Cryptographic Erase" in call("show", "2").stdout
    data = call("show", "2", "--format", "json").stdout.encode()
    assert data == (finished.home.certificate_dir / f"000002-{DEATH + timedelta(days=1)}.json").read_bytes()
    call("show", "1", "--format", "html", "-o", tmp_path / "one.html")
    html = (tmp_path / "one.html").read_text()
    assert "NIST SP 800-88" in html and "Cryptographic Erase" in html and SELLER in html and OTHER in html
    certificate = next(load_certificates(finished, [1]))
    statement = certificate.body["sellers"][0]
    for text in (certificate.hash, str(DEATH), "orders", statement["key_ids_by_day_of_death"][str(DEATH)][0]):
        assert text in html
    assert "salt" not in html.lower()
    # Self-contained: nothing is fetched, nothing runs.
    assert not re.search(r"(src|href)=|<script|@import|url\(", html)
    assert "@media print" in html
    Balanced().check(html)
    excerpt = call("show", "1", "--seller", OTHER, "--format", "html").stdout
    assert "An excerpt: 1 of the 2 statements" in excerpt and SELLER not in excerpt


def test_nothing_of_a_person_is_in_a_page_or_a_bundle(call: Call, tmp_path: Path) -> None:
    call("export", "-o", tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.namelist()) == 8
        assert not [name for name in archive.namelist() if b"canary" in archive.read(name)]


def test_show_and_export_refuse_in_one_sentence(call: Call, tmp_path: Path) -> None:
    for arguments, sentence in (
        (("show", "9"), "there is no certificate 9"),
        (("show", "2", "--seller", OTHER), f"states nothing of seller {OTHER}"),
        (("export", "-o", str(tmp_path / "x.zip"), "--seller", "C3NOBODY"), "nothing was written"),
        (("export", "-o", str(tmp_path / "x.tar")), "must end in .zip"),
        (("export", "-o", str(tmp_path / "no" / "x.zip")), "can't be written"),
        (("show", "1", "--format", "json", "-o", str(tmp_path / "no" / "x.json")), "can't be written"),
    ):
        result = call(*arguments)
        assert isinstance(result.exception, CertificateError), result.output
        assert re.search(sentence, str(result.exception))
    assert list(tmp_path.iterdir()) == []


def test_verify_the_installations_own(call: Call) -> None:
    result = call("verify")
    assert "3 certificates are valid: an unbroken chain from the first on" in result.stdout
    assert json.loads(call("verify", "--json").stdout)["valid"] == [1, 2, 3]


def test_an_auditor_has_the_archive_and_the_public_key_and_nothing_else(call: Call, tmp_path: Path) -> None:
    auditor = tmp_path / "auditor"
    auditor.mkdir()
    call("public-key", "-o", auditor / "key.pem")
    call("export", "-o", auditor / "all.zip")
    call("export", "--seller", OTHER, "-o", auditor / "other.zip")
    found = alone(auditor, "verify", "all.zip", "--public-key", "key.pem")
    assert found.returncode == 0, found.stderr
    assert "3 certificates are valid: an unbroken chain" in found.stdout
    assert call("public-key").stdout.split("fingerprint ")[1].strip() in found.stdout
    found = alone(auditor, "verify", "other.zip", "--public-key", "key.pem")
    assert "2 certificates are valid: numbers 1, 3 of a longer chain; 2 are excerpts" in found.stdout
    with zipfile.ZipFile(auditor / "other.zip") as archive:
        assert not [name for name in archive.namelist() if SELLER.encode() in archive.read(name)]
    found = alone(auditor, "verify", "all.zip")
    assert found.returncode == 1 and "give the issuer's public key" in found.stderr
    assert alone(auditor, "verify", "none.zip", "--public-key", "key.pem").returncode == 1


def test_a_bundle_that_was_changed(call: Call, finished: Platform, tmp_path: Path) -> None:
    call("export", "-o", tmp_path / "all.zip")
    key = load_public_key(finished.home.certificate_dir / "public-key.pem")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}

    def repacked(change: Callable[[dict[str, bytes]], object]) -> Path:
        changed = dict(entries)
        change(changed)
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in changed.items():
                archive.writestr(name, data)
        return path

    first, second = sorted(name for name in entries if name.startswith("certificates/"))[:2]
    with pytest.raises(CertificateInvalid, match=f"{first} is not valid"):
        path = repacked(lambda e: e.update({first: e[first].replace(b'"rows": 2', b'"rows": 3')}))
        verify_paths([path], key)
    with pytest.raises(CertificateError, match="nothing was checked"):
        verify_paths([repacked(lambda e: e.clear())], key)
    # One that is left out shows, though what is there is valid.
    assert not verify_paths([repacked(lambda e: e.pop(second))], key).is_from_first
    other = make_platform(tmp_path / "other", DAY)
    write_day(other, SELLER, DAY, [DEATH])
    move(other, DEATH)
    sweep(other, as_of=DEATH)
    stranger = next(other.home.certificate_dir.glob("*.json")).read_bytes()
    with pytest.raises(CertificateInvalid, match="another key signed it"):
        verify_paths([repacked(lambda e: e.update({first: stranger}))], key)
    (tmp_path / "rubbish.zip").write_bytes(b"PK\x03\x04 rubbish")
    with pytest.raises(CertificateInvalid, match="is no archive of certificates"):
        verify_paths([tmp_path / "rubbish.zip"], key)


def test_two_of_one_number(finished: Platform, tmp_path: Path) -> None:
    """A database that was rolled back can sign a number twice: both are valid, and together they show it."""
    shutil.copytree(finished.home.path, tmp_path / "home")
    folder = tmp_path / "home" / "certificates"
    fork = make_platform(tmp_path / "fork", DAY)
    key = finished.keys.secret("certificate-signing-key")
    fork.keys.put_secret("certificate-signing-key", key)
    shutil.copy(folder / "public-key.pem", fork.home.certificate_dir / "public-key.pem")
    write_day(fork, SELLER, DAY, [DEATH])
    move(fork, DEATH)
    sweep(fork, as_of=DEATH)
    with pytest.raises(ChainBroken, match="two different certificates 1"):
        verify_paths([folder, fork.home.certificate_dir], load_public_key(folder / "public-key.pem"))


class Balanced(HTMLParser):
    """Fails where tags are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def check(self, html: str) -> None:
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

"""Evidence about protection: encryption in transit and at rest, roles, credentials, separation of test and production.

Belongs here: looking. Does not belong here: the promises (`table.py`).
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import yaml

from amzigo_pipelines.compliance.evidence import NoEvidence
from amzigo_pipelines.resources.home import Kind
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address, is_loopback

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# Parquet with an encrypted footer ends with these bytes; plain Parquet with PAR1.
_ENCRYPTED_PARQUET = b"PARE"
# DuckDB's main header: the word DUCK after an 8-byte checksum, an 8-byte version, then flags, whose lowest bit says
# that the file is encrypted.
_DUCKDB_MAGIC_AT, _DUCKDB_MAGIC, _DUCKDB_FLAGS_AT = 8, b"DUCK", 20
_TLS_OF_POSTGRES = ("require", "verify-ca", "verify-full")


def transport_is_encrypted(platform: Platform) -> str:
    """Clause 3.1: TLS 1.2 or newer wherever something leaves this machine."""
    from amzigo_pipelines.resources.spapi.auth import endpoint_for
    from amzigo_pipelines.resources.spapi.transport import tls_context

    if tls_context().minimum_version < ssl.TLSVersion.TLSv1_2:
        raise NoEvidence("clients would accept less than TLS 1.2: install the locked packages again")
    try:
        check_address("http://sellingpartnerapi-eu.amazon.com")
    except EndpointRefused:
        pass
    else:
        raise NoEvidence("plain http to another machine would not be refused")
    endpoint_for(platform.home)
    url = sa.make_url(platform.home.database_url)
    if url.get_backend_name() != "sqlite" and not is_loopback(url.host or "localhost"):
        if url.query.get("sslmode") not in _TLS_OF_POSTGRES:
            raise NoEvidence(
                "AMZIGO_DATABASE_URL lacks sslmode=verify-full: the control database would be read in the clear"
            )
        return "TLS 1.2 or newer to Amazon and to the control database; plain http is refused"
    return "TLS 1.2 or newer to Amazon; plain http is refused; the control database is on this machine"


def everything_at_rest_is_encrypted(platform: Platform) -> str:
    """Clause 3.1: every file with Amazon's data on this machine says of itself that it is encrypted."""
    home = platform.home
    lake = [path for path in _files(home.lake_dir) if not _ends_with(path, _ENCRYPTED_PARQUET)]
    vault = [path for path in _files(home.vault_dir) if not _ends_with(path, _ENCRYPTED_PARQUET)]
    marts = [path for path in _files(home.marts_dir) if not _is_encrypted_duckdb(path)]
    if plain := [*lake, *vault, *marts]:
        raise NoEvidence(f"{len(plain)} files are not encrypted, the first is {plain[0]}: treat it as an incident")
    counted = [len(list(_files(folder))) for folder in (home.lake_dir, home.marts_dir, home.vault_dir)]
    if not sum(counted):
        raise NoEvidence("there is no data yet whose encryption could be looked at: extract a day first")
    return f"{counted[0]:,} lake, {counted[1]:,} mart and {counted[2]:,} vault files, every one encrypted with AES-256"


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names if not name.endswith(".lock")]


def _ends_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(magic)))
        # A temporary file that a crash left has no footer yet: what is in it is encrypted from its first bytes on.
        if file.read() == magic:
            return True
        file.seek(0)
        return file.read(len(magic)) == magic


def _is_encrypted_duckdb(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_DUCKDB_FLAGS_AT + 1)
    if len(head) <= _DUCKDB_FLAGS_AT or head[_DUCKDB_MAGIC_AT:][:4] != _DUCKDB_MAGIC:
        # A write-ahead log has no header, and DuckDB encrypts it with its database.
        return path.suffix == ".wal"
    return bool(head[_DUCKDB_FLAGS_AT] & 1)


def roles_are_apart(platform: Platform) -> str:
    """Clause 3.1: who may open what is decided by keys; personal data has key-encryption keys of its own."""
    from amzigo_pipelines.resources.keys.kek_status import kek_status
    from amzigo_pipelines.resources.keys.roles import MAY_OPEN, KekPurpose, Role

    open_to_pii = sorted(role for role in Role if KekPurpose.PII in MAY_OPEN[role])
    folder = platform.home.kek_dir
    if loose := [path for path in _files(folder) if path.stat().st_mode & 0o027]:
        raise NoEvidence(f"{loose[0]} is open to others: chmod 600 it")
    if wrong := [one for one in kek_status(platform) if one.trouble]:
        raise NoEvidence(f"{wrong[0].purpose}: {wrong[0].trouble}")
    who = ", ".join(open_to_pii)
    return f"{len(KekPurpose)} purposes of key-encryption keys, each apart; personal data opens to {who} only"


def credentials_are_young(platform: Platform) -> str:
    """Clause 3.1: keys and the application's client secret are exchanged in time."""
    from amzigo_pipelines.resources.keys.kek_status import LIVES_DAYS, kek_status
    from amzigo_pipelines.resources.spapi.auth import renewed_credentials
    from amzigo_pipelines.resources.spapi.secret_rotation import LIVES_DAYS as SECRET_LIVES_DAYS

    oldest = max(one.days for one in kek_status(platform))
    if oldest >= LIVES_DAYS:
        raise NoEvidence(f"a key-encryption key is {oldest} days old, {LIVES_DAYS} at most: 'amzigo keys rotate'")
    told = f"the oldest key-encryption key is {oldest} days old, {LIVES_DAYS} at most"
    if platform.home.is_simulators_client:
        return f"{told}; the client secret is the simulator's own"
    age = platform.client_secrets.age(renewed_credentials(platform.home)).days
    if age >= SECRET_LIVES_DAYS:
        raise NoEvidence(
            f"the client secret is {age} days old, {SECRET_LIVES_DAYS} at most: 'amzigo credentials rotate'"
        )
    return f"{told}; the client secret is {age} days old, {SECRET_LIVES_DAYS} at most"


def test_and_production_are_apart(platform: Platform) -> str:
    """Clause 4.2: this home talks to the simulator or to Amazon, never to both."""
    from amzigo_pipelines.resources.spapi.auth import endpoint_for

    endpoint_for(platform.home)
    whom = "the local simulator, whose people are synthetic" if platform.home.kind is Kind.TEST else "Amazon"
    return f"a {platform.home.kind} home: it talks to {whom} and refuses the other"


def nothing_calls_home(platform: Platform) -> str:
    """Clause 5: no library sends what it sees to anybody."""
    settings = platform.home.dagster_dir / "dagster.yaml"
    told = yaml.safe_load(settings.read_text("utf-8")) or {}
    if (told.get("telemetry") or {}).get("enabled") is not False:
        raise NoEvidence(f"Dagster's telemetry is not off: set telemetry: enabled: false in {settings}")
    return "Dagster's and Great Expectations' telemetry is off; extensions of DuckDB are never downloaded"

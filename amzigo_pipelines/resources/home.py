"""AMZIGO_HOME: the folder that holds all state of an installation, and its settings file.

Belongs here: where things lie, and the few settings that decide what an installation is. Does not belong here: what is
inside those files (`control/database.py`, `keys/store.py`, `lake/store.py`, `marts/warehouse.py`), and secrets: they
come from the environment or live wrapped in the control database.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.alerts.settings import AlertSettings, read_alert_settings
from amzigo_pipelines.resources.backup_settings import BackupSettings, read_backup_settings
from amzigo_pipelines.resources.retention_settings import RetentionSettings, read_retention_settings
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address

T = TypeVar("T")
# What AWS allows in the name of a secret.
_WORD = re.compile(r"[A-Za-z0-9/_+=.@-]*")
_KMS_KEY = re.compile(r"[A-Za-z0-9/_:{}-]*")


class HomeError(AmzigoError):
    """AMZIGO_HOME is missing, damaged or can't be written."""


class Kind(StrEnum):
    """What a home is for. A `test` home talks to the local simulator only, a `production` one to Amazon only."""

    TEST = "test"
    PRODUCTION = "production"


class SecretProvider(StrEnum):
    """Where the applications' client ids and secrets are kept."""

    ENVIRONMENT = "environment"
    AWS = "aws-secrets-manager"


@dataclass(frozen=True)
class SecretSettings:
    """The section `[secrets]` of the settings.

    Attributes:
        provider: where the applications' client ids and secrets are kept.
        prefix: with which their names begin in AWS Secrets Manager.
        region: AWS region, such as `eu-central-1`.
        endpoint: address of AWS's services, where it isn't AWS's own: a VPC endpoint, or a local AWS for tests.
        rotation_queue_url: the SQS queue to which Amazon sends a new client secret.
    """

    provider: SecretProvider = SecretProvider.ENVIRONMENT
    prefix: str = "amzigo/"
    region: str = ""
    endpoint: str = ""
    rotation_queue_url: str = ""


class KeyProvider(StrEnum):
    """What protects the files of the key-encryption keys."""

    LOCAL = "local"
    KMS = "aws-kms"


@dataclass(frozen=True)
class KeySettings:
    """The section `[keys]` of the settings.

    Attributes:
        provider: what protects new files of key-encryption keys.
        kms_key: id, ARN or alias of the KMS key; `{purpose}` in it makes one key a purpose.
        region: AWS region, such as `eu-central-1`.
        endpoint: address of AWS KMS, where it isn't AWS's own: a VPC endpoint, or a local one for tests.
    """

    provider: KeyProvider = KeyProvider.LOCAL
    kms_key: str = ""
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Home:
    """An installation's folder and settings.

    Attributes:
        path: absolute path of AMZIGO_HOME.
        kind: `test` or `production`.
        first_day: first day of the daily partitions (UTC).
        endpoint: base address of a simulator for a `test` home, empty for production.
        simulator_seed: seed of the simulated world of a `test` home.
        orders_per_day: orders a seller and day in that world.
        rate_scale: how many times Amazon's rates and bursts the simulator of a `test` home allows.
        application_id: the SP-API application's id (`amzn1.sp.solution...`), which sellers are asked to authorise.
        redirect_uri: where Amazon sends a seller who has; empty for the first one of the developer console.
        secrets: where the applications' client ids and secrets are kept.
        retention: how long data lives, and when a sweep stops to ask.
        keys: what protects the key-encryption keys.
        backup: where backups go and how long they live.
        alerts: who is told of troubles.
    """

    path: Path
    kind: Kind
    first_day: date
    endpoint: str = ""
    simulator_seed: int = 1
    orders_per_day: int = 200
    rate_scale: float = 1.0
    application_id: str = ""
    redirect_uri: str = ""
    secrets: SecretSettings = field(default_factory=SecretSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)

    @property
    def settings_file(self) -> Path:
        """The settings: `amzigo.toml`."""
        return self.path / "amzigo.toml"

    @property
    def rate_scale_in_force(self) -> float:
        """What our own pacing multiplies Amazon's rates by: always 1 in a `production` home, whatever is set."""
        return self.rate_scale if self.kind is Kind.TEST else 1.0

    @property
    def is_simulators_client(self) -> bool:
        """Whether the application is the simulator's own: a `test` home that keeps no secrets anywhere."""
        return self.kind is Kind.TEST and self.secrets.provider is SecretProvider.ENVIRONMENT

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the control database: AMZIGO_DATABASE_URL, or SQLite inside the home."""
        return os.environ.get("AMZIGO_DATABASE_URL") or f"sqlite:///{self.path / 'control.db'}"

    @property
    def kek_dir(self) -> Path:
        """Folder of the key-encryption keys: AMZIGO_KEK_DIR, or `kek/` inside the home. Never back it up."""
        return Path(os.environ.get("AMZIGO_KEK_DIR") or self.path / "kek")

    @cached_property
    def lake_dir(self) -> Path:
        """Encrypted Parquet: `lake/`. Kept, as a sweep asks for it once for each of 100,000 files."""
        return self.path / "lake"

    @property
    def marts_dir(self) -> Path:
        """Published marts: `marts/`."""
        return self.path / "marts"

    @property
    def vault_dir(self) -> Path:
        """Copies of rows under legal holds, each hold under a key of its own: `vault/`."""
        return self.path / "vault"

    @property
    def spill_dir(self) -> Path:
        """Where DuckDB may spill, encrypted: `spill/`."""
        return self.path / "spill"

    @property
    def lock_dir(self) -> Path:
        """Lock files of partitions and publishes: `locks/`."""
        return self.path / "locks"

    @property
    def certificate_dir(self) -> Path:
        """Certificates of destruction and the public key that checks them: `certificates/`."""
        return self.path / "certificates"

    @property
    def audit_dir(self) -> Path:
        """The newest signed head of the audit trail: `audit/`."""
        return self.path / "audit"

    @property
    def dagster_dir(self) -> Path:
        """DAGSTER_HOME: as the environment says, or `dagster/` inside the home."""
        return Path(os.environ.get("DAGSTER_HOME") or self.path / "dagster")


def home_path() -> Path:
    """AMZIGO_HOME as an absolute path; `.amzigo` in the working directory when it is not set."""
    return Path(os.environ.get("AMZIGO_HOME") or ".amzigo").absolute()


def load_home(path: Path | None = None) -> Home:
    """Read the settings of an initialised home.

    Args:
        path: the folder; AMZIGO_HOME or `.amzigo` when None.

    Raises:
        HomeError: there is no home there, or its settings can't be read or hold nonsense.
    """
    path = (path or home_path()).absolute()
    file = path / "amzigo.toml"
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise HomeError(f"{path} is no Amzigo home yet: run 'amzigo init' (or set AMZIGO_HOME to one)") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HomeError(f"{file} can't be read ({type(error).__name__}): mend it or restore it from a backup") from None
    return home_of(path, raw)


def home_of(path: Path, raw: Mapping[str, Any]) -> Home:
    """A home from its settings as TOML has them; nothing is looked up on the disk.

    Raises:
        HomeError: they hold nonsense.
    """
    file = path / "amzigo.toml"
    try:
        return Home(
            path=path,
            kind=_setting(raw, "kind", Kind, "test or production"),
            # A bare TOML date is as good as a quoted one.
            first_day=_setting(raw, "first_day", lambda day: date.fromisoformat(str(day)), "a day such as 2026-11-20"),
            endpoint=_setting(raw, "endpoint", _address, "an address such as http://127.0.0.1:8571", ""),
            simulator_seed=_setting(raw, "simulator_seed", int, "a whole number", 1),
            orders_per_day=_setting(raw, "orders_per_day", _positive, "a whole number above 0", 200),
            rate_scale=_setting(raw, "rate_scale", _scale, "a number of at least 0.001", 1.0),
            application_id=_setting(raw, "application_id", _matching(_WORD), "an id such as amzn1.sp.solution.x", ""),
            redirect_uri=_setting(raw, "redirect_uri", _safe_address, "an address that begins with https://", ""),
            secrets=_secrets(raw),
            retention=read_retention_settings(raw.get("retention", {})),
            keys=_keys(raw),
            backup=read_backup_settings(raw.get("backup", {})),
            alerts=read_alert_settings(raw.get("alerts", {})),
        )
    except ValueError as error:
        raise HomeError(f"{file} has a missing or wrong setting: {error}") from None


def _section(raw: Mapping[str, Any], name: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    section = raw.get(name, {})
    if not isinstance(section, dict):
        raise ValueError(f"{name} must be a section: write [{name}] on a line of its own")
    if unknown := sorted(section.keys() - known.keys()):
        raise ValueError(f"[{name}] has {', '.join(unknown)}, which Amzigo does not know")
    return section


def _keys(raw: Mapping[str, Any]) -> KeySettings:
    section = _section(raw, "keys", KeySettings.__dataclass_fields__)
    keys = KeySettings(
        provider=_setting(section, "provider", KeyProvider, " or ".join(KeyProvider), KeyProvider.LOCAL),
        kms_key=_setting(section, "kms_key", _matching(_KMS_KEY), "a KMS key's id, ARN or alias", ""),
        region=_setting(section, "region", _matching(_WORD), "an AWS region such as eu-central-1", ""),
        endpoint=_setting(section, "endpoint", _safe_address, "an address that begins with https://", ""),
    )
    if keys.provider is KeyProvider.KMS and not (keys.kms_key and keys.region):
        raise ValueError('[keys] needs kms_key, such as "alias/amzigo-{purpose}", and region, such as "eu-central-1"')
    return keys


def _secrets(raw: Mapping[str, Any]) -> SecretSettings:
    section = _section(raw, "secrets", SecretSettings.__dataclass_fields__)
    address = "an address that begins with https://"
    secrets = SecretSettings(
        provider=_setting(section, "provider", SecretProvider, " or ".join(SecretProvider), SecretProvider.ENVIRONMENT),
        prefix=_setting(section, "prefix", _matching(_WORD), "letters, digits and /_+=.@-", "amzigo/"),
        region=_setting(section, "region", _matching(_WORD), "an AWS region such as eu-central-1", ""),
        endpoint=_setting(section, "endpoint", _safe_address, address, ""),
        rotation_queue_url=_setting(section, "rotation_queue_url", _safe_address, address, ""),
    )
    if secrets.provider is SecretProvider.AWS and not secrets.region:
        raise ValueError('[secrets] needs the AWS region, such as region = "eu-central-1"')
    return secrets


def _setting(raw: Mapping[str, Any], name: str, read: Callable[[Any], T], wanted: str, default: Any = None) -> T:
    value = raw.get(name, default)
    try:
        if value is None:
            raise ValueError
        return read(value)
    except (ValueError, TypeError):
        given = "nothing" if value is None else repr(value)
        raise ValueError(f"{name} must be {wanted}, it is {given}") from None


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return read


def _safe_address(value: Any) -> str:
    try:
        return str(value) and check_address(str(value))
    except EndpointRefused:
        raise ValueError from None


def _positive(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _scale(value: Any) -> float:
    number = float(value)
    if not 0.001 <= number < math.inf:
        raise ValueError
    return number


def _address(value: Any) -> str:
    parts = urlsplit(str(value))
    # Reading .port refuses what is no port.
    if str(value) and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0):
        raise ValueError
    return str(value)


def create_home(home: Home) -> None:
    """Make the folders (0700) and write the settings file, atomically and last.

    Raises:
        HomeError: there is a home already, or the folder can't be written.
    """
    if home.settings_file.exists():
        raise HomeError(f"{home.path} is an Amzigo home already: use it, or choose another folder")
    lines = [
        f'kind = "{home.kind}"',
        f'first_day = "{home.first_day.isoformat()}"',
        f'endpoint = "{home.endpoint}"',
        f"simulator_seed = {home.simulator_seed}",
        f"orders_per_day = {home.orders_per_day}",
        f"rate_scale = {home.rate_scale}",
    ]
    folders = (home.path, home.kek_dir, home.lake_dir, home.marts_dir, home.spill_dir, home.lock_dir)
    try:
        for folder in (*folders, home.certificate_dir, home.dagster_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = home.settings_file.with_suffix(".tmp")
        temporary.write_text("\n".join(lines) + "\n", "utf-8")
        temporary.replace(home.settings_file)
    except OSError as error:
        raise HomeError(
            f"{home.path} can't be written ({error.strerror}): free space or mend its permissions"
        ) from None

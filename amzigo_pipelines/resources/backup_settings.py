"""The section `[backup]` of the settings: where backups go, and how long they live.

Belongs here: the figures and their limits. Does not belong here: making backups (`retention/backups.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address

LONGEST_DAYS = 365
S3_SCHEME = "s3://"


@dataclass(frozen=True)
class BackupSettings:
    """Where and how long.

    Attributes:
        folder: where the daily backup goes to: absolute path of a folder, or `s3://bucket/prefix`; empty: no backup is
            made by itself.
        keep_days: days until a backup dies: its keys are destroyed then.
        region: AWS region of the bucket, such as `eu-central-1`.
        endpoint: address of S3, where it isn't AWS's own: a VPC endpoint, or another S3.
    """

    folder: str = ""
    keep_days: int = 35
    region: str = ""
    endpoint: str = ""


def read_backup_settings(section: Any) -> BackupSettings:
    """The settings from the section as TOML has it.

    Raises:
        ValueError: with the sentence for the user.
    """
    if not isinstance(section, Mapping):
        raise ValueError("backup must be a section: write [backup] on a line of its own")
    if unknown := sorted(section.keys() - BackupSettings.__dataclass_fields__.keys()):
        raise ValueError(f"[backup] has {', '.join(unknown)}, which Amzigo does not know")
    settings = BackupSettings(**section)
    for name in ("folder", "region", "endpoint"):
        if not isinstance(getattr(settings, name), str):
            raise ValueError(f"{name} of [backup] must be a text in quotes")
    if settings.folder and not settings.folder.startswith(("/", S3_SCHEME)):
        raise ValueError(
            f"folder of [backup] must be an absolute path or s3://bucket/prefix, it is {settings.folder!r}"
        )
    if settings.folder.startswith(S3_SCHEME) and not settings.region:
        raise ValueError('[backup] needs the AWS region of the bucket, such as region = "eu-central-1"')
    check_endpoint(settings.endpoint)
    check_keep_days(settings.keep_days)
    return settings


def check_endpoint(endpoint: str) -> str:
    """The address of an S3; nothing is sent to another machine in the clear.

    Raises:
        ValueError: it is no address, or plain http to another machine.
    """
    try:
        return endpoint and check_address(endpoint)
    except EndpointRefused as error:
        raise ValueError(f"endpoint of [backup]: {error}") from None


def check_keep_days(days: Any) -> int:
    """How many days a backup lives.

    Raises:
        ValueError: it is no whole number, or out of bounds.
    """
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"keep_days must be a whole number from 1 to {LONGEST_DAYS}, it is {days!r}")
    return days

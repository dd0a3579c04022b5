"""Who can open what, and when that was last used: the report of the quarterly review.

Belongs here: looking: roles and the keys they may use, permissions of files and folders, grants in AWS KMS, use by the
audit trail. Does not belong here: deciding it (`keys/roles.py`, the deployment), and keeping a review (`reviews.py`).
"""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.aws import aws_client, aws_errors
from amzigo_pipelines.resources.home import KeyProvider
from amzigo_pipelines.resources.keys.files import KMS, WRAPPED
from amzigo_pipelines.resources.keys.roles import MAY_OPEN, KekPurpose, Role
from amzigo_pipelines.review.reviews import ACCESS, Review, keep, list_reviews, sign_off

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# The classes of data keys by the purpose of the KEK above them; what `open_key` entries name.
_CLASSES = {KekPurpose.PSEUDONYM: ("pseudonym", "pseudonymiser")}


@dataclass
class RoleAccess:
    """A role and what it may open; `last_used` by purpose, from the trail."""

    role: str
    may_open: list[str]
    users: list[str]
    last_used: dict[str, str]


@dataclass
class UserAccess:
    """Somebody who was seen: in which roles, how often, when last, and when last with personal data."""

    user: str
    login: str
    roles: list[str]
    entries: int
    first_seen: datetime
    last_seen: datetime
    last_pii_read: datetime | None


@dataclass(frozen=True)
class PathAccess:
    """A file or folder: whom the operating system lets read it."""

    path: str
    mode: str
    owner: str
    group: str
    readers: list[str]
    protected_by: str


@dataclass(frozen=True)
class KmsAccess:
    """A KMS key: whom grants let use it, and what its policy allows; `trouble` where that could not be looked at."""

    key: str
    purposes: list[str]
    grants: list[str]
    policy: str
    trouble: str


def access_report(platform: Platform) -> dict[str, Any]:
    """Everything, as JSON can hold it.

    Raises:
        RoleRefused: the role may not read the trail.
        AuditBroken: an entry doesn't open.
    """
    users, roles = _seen(platform)
    return {
        "as_of": platform.clock.now().isoformat(),
        "roles": [asdict(role) for role in roles],
        "users": [_plain(asdict(user)) for user in users],
        "paths": [asdict(path) for path in _paths(platform)],
        "kms": [asdict(key) for key in _kms(platform)],
    }


def quarter_of(now: datetime) -> tuple[datetime, datetime]:
    """The quarter that an instant is in: its first instant and that of the next."""
    month = (now.month - 1) // 3 * 3 + 1
    start = datetime(now.year, month, 1, tzinfo=UTC)
    return start, datetime(now.year + month // 10, (month + 2) % 12 + 1, 1, tzinfo=UTC)


def review_access(platform: Platform, note: str) -> Review:
    """Keep the report as it is now as this quarter's review, signed off by the acting user.

    Raises:
        ReviewError: the quarter has been reviewed, or there is no note.
    """
    start, end = quarter_of(platform.clock.now())
    unsigned = [r for r in list_reviews(platform, ACCESS) if r.starts_at == start and r.signed_at is None]
    report = access_report(platform)
    review = unsigned[0] if unsigned else keep(platform, ACCESS, start, end, report, len(report["paths"]))
    return sign_off(platform, review.review_id, note)


def _seen(platform: Platform) -> tuple[list[UserAccess], list[RoleAccess]]:
    users: dict[tuple[str, str], UserAccess] = {}
    of_role: dict[str, set[str]] = {}
    used: dict[str, dict[str, datetime]] = {}
    for entry in platform.audit.entries():
        role = entry.acting.role or "service"
        key = (entry.user, entry.acting.user)
        user = users.get(key)
        if user is None:
            user = users[key] = UserAccess(*key, [], 0, entry.at, entry.at, None)
        if role not in user.roles:
            user.roles.append(role)
        user.entries += 1
        user.last_seen = entry.at
        of_role.setdefault(role, set()).add(entry.user)
        if entry.action in ("read_pii", "read_hold"):
            user.last_pii_read = entry.at
        if entry.action == "open_key" and entry.outcome == "ok":
            used.setdefault(role, {})[entry.subject] = entry.at
        elif entry.action == "open_secret" and entry.outcome == "ok":
            used.setdefault(role, {})[str(KekPurpose.SECRET)] = entry.at
    roles = []
    for name in (*Role, "service"):
        purposes = frozenset(KekPurpose) if name == "service" else MAY_OPEN[Role(name)]
        last = {
            str(purpose): max(times).isoformat()
            for purpose in KekPurpose
            if (times := [used[name][c] for c in _CLASSES.get(purpose, (str(purpose),)) if c in used.get(name, {})])
        }
        may = [str(purpose) for purpose in KekPurpose if purpose in purposes]
        roles.append(RoleAccess(str(name), may, sorted(of_role.get(str(name), ())), last))
    return [users[key] for key in sorted(users)], roles


def _paths(platform: Platform) -> Iterator[PathAccess]:
    home = platform.home
    for folder in (home.path, home.lake_dir, home.marts_dir, home.vault_dir, home.audit_dir, home.certificate_dir):
        yield from _path(folder, "encryption of what is in it")
    yield from _path(home.settings_file, "nothing: it holds no secret")
    yield from _path(home.path / "control.db", "wrapping of every key and secret in it")
    yield from _path(home.kek_dir, "")
    for purpose in KekPurpose:
        for version in platform.keks.versions(purpose):
            yield from _path(home.kek_dir / f"{purpose}-{version:06d}.key", "")


def _path(path: Path, protected_by: str) -> Iterator[PathAccess]:
    try:
        status = path.stat()
        text = path.open(encoding="ascii", errors="replace").read(16) if path.suffix == ".key" else ""
    except FileNotFoundError:
        return
    except OSError as error:
        yield PathAccess(str(path), "?", "?", "?", [], f"can't be looked at: {error.strerror}")
        return
    if path.suffix == ".key":
        sealed_by = {KMS: "AWS KMS", WRAPPED: "AMZIGO_KEK"}
        protected_by = next((told for mark, told in sealed_by.items() if text.startswith(mark)), "")
    owner, group, mode = _user_name(status.st_uid), _group(status.st_gid), status.st_mode
    readers = [f"user {owner}"] if mode & 0o400 else []
    if mode & 0o040:
        members = ", ".join(group[1]) or "no member named"
        readers.append(f"group {group[0]} ({members})")
    if mode & 0o004:
        readers.append("everybody on this machine")
    yield PathAccess(str(path), f"{mode & 0o7777:04o}", owner, group[0], readers, protected_by or "its mode only")


def _kms(platform: Platform) -> Iterator[KmsAccess]:
    settings = platform.home.keys
    if settings.provider is not KeyProvider.KMS:
        return
    by_key: dict[str, list[str]] = {}
    for purpose in KekPurpose:
        by_key.setdefault(settings.kms_key.replace("{purpose}", purpose), []).append(str(purpose))
    client = aws_client(platform.home, "kms", settings)
    for key, purposes in by_key.items():
        try:
            with aws_errors(f"the KMS key {key}", "[keys]"):
                # Grants are listed by key id or ARN, not by alias.
                key_id = client.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
                pages = client.get_paginator("list_grants").paginate(KeyId=key_id)
                grants = [
                    f"{grant.get('GranteePrincipal', '?')}: {', '.join(grant.get('Operations', []))}"
                    for page in pages
                    for grant in page["Grants"]
                ]
                policy = client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
        except AmzigoError as error:
            yield KmsAccess(key, purposes, [], "", str(error))
        else:
            yield KmsAccess(key, purposes, grants, policy, "")


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> tuple[str, list[str]]:
    try:
        entry = grp.getgrgid(number)
    except KeyError:
        return str(number), []
    primary = [user.pw_name for user in pwd.getpwall() if user.pw_gid == number]
    return entry.gr_name, sorted({*entry.gr_mem, *primary})


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}

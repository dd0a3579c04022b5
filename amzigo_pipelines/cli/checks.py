"""The checks behind `amzigo doctor`: each looks at one thing and says what it found and what to do.

Belongs here: looking. Does not belong here: mending.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.marks import newest
from amzigo_pipelines.resources.home import Kind, load_home
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.platform import Platform

# Below this a day's extraction of a busy seller may not fit.
MIN_FREE_BYTES = 1_000_000_000
# A backup is due every day.
MAX_BACKUP_AGE_DAYS = 2
# Signatures of AWS fail beyond this, and days would be cut at the wrong moment.
MAX_CLOCK_OFF_S = 300
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    is_ok: bool
    finding: str
    is_warning: bool = False


def check_installation() -> list[Finding]:
    """Run all checks; one that needs a home is left out only when there is none, which is itself a finding."""
    findings = [_looked("python", _python), _looked("packages", _packages)]
    try:
        # Not as other commands do, which write their login into the trail first: what ails that is to be found out.
        platform = Platform(load_home())
    except AmzigoError as error:
        return [*findings, Finding("home", False, str(error))]
    findings.append(Finding("home", True, f"{platform.home.kind} home in {platform.home.path}"))
    checks: list[tuple[str, Callable[[Platform], str]]] = [
        ("permissions", _permissions),
        ("disk", _disk),
        ("clock", _clock),
        ("control database", _control),
        ("audit trail", _audit_trail),
        ("keys", _keys),
        ("key ages", _key_ages),
        ("lake", _lake),
        ("certificates", _certificates),
        ("backups", _backups),
        ("incidents", _incidents),
        ("dagster", _dagster),
        ("endpoint", _endpoint),
        ("client secret", _client_secret),
        ("alerts", _alerts),
    ]
    return findings + [_looked(name, lambda check=check: check(platform)) for name, check in checks]  # type: ignore[misc]


def _audit_trail(platform: Platform) -> str:
    trail = platform.audit
    number = trail.record(trail.acting.label, "log_in", None, "amzigo doctor", "command line")
    with platform.control.read() as connection:
        signed, signed_at = newest(connection)
    told = f"signed through entry {signed:,} on {signed_at:%Y-%m-%d %H:%M} UTC" if signed_at else "never signed"
    return f"takes entries; {number:,} by now, {told}; 'amzigo audit verify' checks them all"


def _looked(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except _Soon as soon:
        return Finding(name, True, str(soon), is_warning=True)
    except RoleRefused as refusal:
        # That a role may not look is as it should be.
        return Finding(name, True, f"not looked at: {refusal}")
    except AmzigoError as error:
        return Finding(name, False, str(error))
    except OSError as error:
        return Finding(name, False, f"{error.filename or name}: {error.strerror}")


class _Trouble(AmzigoError):
    pass


class _Soon(AmzigoError):
    """Nothing is wrong yet, but it will be."""


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    from importlib.metadata import PackageNotFoundError, requires, version

    import duckdb
    from packaging.requirements import Requirement

    from amzigo_pipelines.resources.marts.duckdb_session import open_session

    wanted = [Requirement(text) for text in requires("amzigo-pipelines") or ()]
    # Those of the extras are for whoever develops.
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in wanted:
        try:
            there = version(one.name)
        except PackageNotFoundError:
            raise _Trouble(f"{one.name} is not installed: install the locked packages (make demo does)") from None
        if there not in one.specifier:
            raise _Trouble(f"{one.name} is {there}, wanted is {one.specifier}: install the locked packages again")
    with open_session(None) as connection:
        connection.execute("SELECT 1")
    return f"{len(wanted)} as wanted; DuckDB {duckdb.__version__} with its encryption extension"


def _permissions(platform: Platform) -> str:
    for folder in (platform.home.path, platform.home.kek_dir, platform.home.lake_dir):
        if not os.access(folder, os.W_OK):
            raise _Trouble(f"{folder} can't be written: mend its owner or permissions")
    # A group may read the folder where the files are sealed; plain ones refuse to be used when it may read them.
    if platform.home.kek_dir.stat().st_mode & 0o027:
        raise _Trouble(f"{platform.home.kek_dir} is open to others: chmod 700 it")
    return "folders can be written; keys are ours alone"


def _disk(platform: Platform) -> str:
    free = shutil.disk_usage(platform.home.path).free
    if free < MIN_FREE_BYTES:
        raise _Trouble(f"only {free / 1e9:.1f} GB free at {platform.home.path}: make room before the next extraction")
    return f"{free / 1e9:.0f} GB free"


def _clock(platform: Platform) -> str:
    from amzigo_pipelines.retention.time_check import check_time

    # Dates of death hang on it.
    check_time(platform)
    return f"{platform.clock.now():%Y-%m-%d %H:%M} UTC, not behind what retention has seen"


def _control(platform: Platform) -> str:
    platform.lake.check_installation()
    return f"{platform.control.place}; {len(platform.sellers.list())} sellers connected"


def _keys(platform: Platform) -> str:
    from amzigo_pipelines.resources.control.freezes import frozen_sellers
    from amzigo_pipelines.resources.keys.roles import MAY_OPEN, role_of
    from amzigo_pipelines.resources.keys.store import purpose_of

    alive = platform.keys.alive()
    now_on = today(platform.clock)
    with platform.control.read() as connection:
        frozen = frozen_sellers(connection)
    role = role_of()
    # One of each class: they are wrapped under different key-encryption keys. Those past their date wait for a sweep.
    openable = [r for r in alive if r.expires_on > now_on and r.seller_id not in frozen]
    tried = {str(r.key_class): r for r in openable if role is None or purpose_of(r.key_class) in MAY_OPEN[role]}
    for record in tried.values():
        platform.keys.open(record.key_id)
    whose = f", {len(frozen)} sellers frozen by an incident" if frozen else ""
    mine = f" those of the role {role}" if role else " them"
    return f"{len(alive)} keys alive; the key-encryption keys open{mine}{whose}"


def _key_ages(platform: Platform) -> str:
    from amzigo_pipelines.resources.keys.kek_status import LIVES_DAYS, kek_status

    status = kek_status(platform)
    if wrong := [one for one in status if one.trouble]:
        raise _Trouble(f"{wrong[0].purpose}: {wrong[0].trouble}")
    if old := [one for one in status if one.is_old]:
        names = ", ".join(one.purpose for one in old)
        raise _Trouble(f"the {names} key-encryption keys are {LIVES_DAYS} days old or more: 'amzigo keys rotate'")
    if aging := [one for one in status if one.is_getting_old]:
        names = ", ".join(one.purpose for one in aging)
        raise _Soon(
            f"the {names} key-encryption keys are {max(one.days for one in aging)} days old, {LIVES_DAYS} at most: "
            "'amzigo keys rotate'"
        )
    return f"the oldest key-encryption key is {max(one.days for one in status)} days old, {LIVES_DAYS} at most"


def _lake(platform: Platform) -> str:
    files = platform.lake.files()
    missing = [file.path for file in files if not (platform.home.lake_dir / file.path).exists()]
    if missing:
        raise _Trouble(f"{len(missing)} lake files are gone, the first is {missing[0]}: extract their days again")
    return f"{len(files)} files, all there"


def _certificates(platform: Platform) -> str:
    from amzigo_pipelines.retention.certificates import verify_chain

    return f"{len(verify_chain(platform))} certificates of destruction, signed and in an unbroken chain"


def _backups(platform: Platform) -> str:
    from amzigo_pipelines.retention.backups import newest_backup
    from amzigo_pipelines.retention.drill import MAX_AGE_DAYS, last_drill

    newest, drill, now = newest_backup(platform), last_drill(platform), platform.clock.now()
    if newest is None:
        if not platform.home.backup.folder:
            raise _Soon("none is made: give a folder under [backup] in amzigo.toml, or run 'amzigo backup --to'")
        raise _Trouble("there is no living backup: 'amzigo backup'")
    made = f"the newest was made on {newest.created_at:%Y-%m-%d %H:%M} UTC"
    if drill is not None and not drill.has_passed:
        raise _Trouble(
            f"{made}; the last restore drill failed on {drill.finished_at:%Y-%m-%d}: 'amzigo backup --drill'"
        )
    if platform.home.backup.folder and (now - newest.created_at).days >= MAX_BACKUP_AGE_DAYS:
        raise _Trouble(f"{made}, and one is due every day: see why the asset 'backup' fails")
    if drill is None or (now - drill.finished_at).days > MAX_AGE_DAYS:
        raise _Soon(f"{made}; it was not tried out for {MAX_AGE_DAYS} days: 'amzigo backup --drill'")
    return f"{made}; the last restore drill passed on {drill.finished_at:%Y-%m-%d}"


def _incidents(platform: Platform) -> str:
    from amzigo_pipelines.retention.incidents import CLOSED, list_incidents

    now, found = platform.clock.now(), list_incidents(platform)
    going_on = [one for one in found if one.state != CLOSED]
    for one in going_on:
        if one.notified_at is None and now > one.notice_due_at:
            raise _Trouble(f"{one.incident_id}: {one.clock_sentence(now)}: 'amzigo incident notify {one.incident_id}'")
    if going_on:
        raise _Soon("; ".join(f"{one.incident_id} is {one.state}: {one.clock_sentence(now)}" for one in going_on))
    return f"none is open; {len(found)} were closed"


def _dagster(platform: Platform) -> str:
    from amzigo_pipelines.cli.runs import use_dagster_home

    use_dagster_home(platform.home)
    return str(platform.home.dagster_dir)


def _endpoint(platform: Platform) -> str:
    if platform.home.kind is Kind.PRODUCTION:
        return _amazon(platform)
    from amzigo_pipelines.cli.simulation import require_simulator

    require_simulator(platform.home)
    return f"the simulator answers at {platform.home.endpoint}"


def _amazon(platform: Platform) -> str:
    """Whether Amazon answers where sellers are connected, and whether its time is ours."""
    from email.utils import parsedate_to_datetime

    import httpx

    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.spapi.auth import endpoint_for
    from amzigo_pipelines.resources.spapi.transport import tls_context

    endpoint = endpoint_for(platform.home)
    regions = {MARKETPLACES[one].region for seller in platform.sellers.list() for one in seller.marketplace_ids}
    if not regions:
        return "Amazon itself; asked once a seller is connected"
    for address in (endpoint.login, *(endpoint.api[region] for region in sorted(regions))):
        try:
            # Without a token: any answer at all is what is looked for.
            answer = httpx.head(address, verify=tls_context(), timeout=_ANSWER_S)
        except httpx.HTTPError as error:
            raise _Trouble(f"{address} can't be reached ({type(error).__name__}): open the network to it") from None
        if "date" in answer.headers:
            off_s = abs((parsedate_to_datetime(answer.headers["date"]) - platform.clock.now()).total_seconds())
            if off_s > MAX_CLOCK_OFF_S:
                raise _Trouble(f"the clock is {off_s:.0f} s off Amazon's: set it by NTP")
    return f"Amazon answers for {', '.join(sorted(regions))}, and its time is ours"


def _client_secret(platform: Platform) -> str:
    from amzigo_pipelines.resources.spapi.auth import renewed_credentials
    from amzigo_pipelines.resources.spapi.secret_rotation import LIVES_DAYS, WARN_FROM_DAY

    if platform.home.is_simulators_client:
        return "the simulator's own, which never ends"
    age = platform.client_secrets.age(renewed_credentials(platform.home))
    kept = f"from {platform.home.secrets.provider}"
    old = f"{age.days} days old" if age.is_exact else f"at least {age.days} days old"
    if age.days >= LIVES_DAYS:
        raise _Trouble(
            f"{kept}, {old}, and Amazon ends a client secret after {LIVES_DAYS} days: 'amzigo credentials rotate'"
        )
    if age.days >= WARN_FROM_DAY:
        raise _Soon(
            f"{kept}, {old}; Amazon ends it after {LIVES_DAYS} days, in {LIVES_DAYS - age.days}: "
            "'amzigo credentials rotate'"
        )
    return f"{kept}, {old}"


def _alerts(platform: Platform) -> str:
    waiting = platform.alert_delivery.undelivered()
    if failed := [message for message in waiting if message.attempts]:
        raise _Trouble(f"{len(failed)} messages could not be delivered: {failed[0].reason}")
    standing = platform.alerts.list()
    told = f"{len(standing)} stand ('amzigo alerts list')" if standing else "none stands"
    if not platform.home.alerts.routes and platform.home.kind is Kind.PRODUCTION:
        raise _Soon(f"{told}; nobody is told: give routes under [alerts] in amzigo.toml")
    return told

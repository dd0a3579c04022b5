"""The end of a hold: its key destroyed, its vault removed, verified, certified.

Belongs here: releasing a hold, and destroying the vaults of those that are over. Does not belong here: placing holds
(`holds.py`).

Safe to repeat: a hold is marked as ending before anything of it goes, and ended in the transaction of its certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.control.schema import holds as holds_table
from amzigo_pipelines.resources.control.schema import vault_files
from amzigo_pipelines.resources.keys.backup_keys import hold_owner
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.certificates import Certificate, issue, signing_key, write_missing_files
from amzigo_pipelines.retention.erasure_proof import keys_refused, old_keks
from amzigo_pipelines.retention.holds import ENDED, ENDING, Hold, HoldError
from amzigo_pipelines.retention.time_check import check_time

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

HOLD = "hold"
_LOCK_WAIT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """A hold that is over: its rows and bytes in the vault, and the certificate of their destruction."""

    hold: Hold
    rows: int
    bytes: int
    certificate: str


def release(platform: Platform, hold_id: str, *, reason: str, actor: str) -> Ended:
    """End a hold before its time, and destroy its vault.

    Raises:
        HoldError: no such hold, no reason, or it is over already.
        VaultError, KekError: the vault could not be destroyed; the hold is over all the same, the next run finishes it.
    """
    hold = holds.get(platform, hold_id)
    if not reason.strip():
        raise HoldError("a release needs its reason: it is written into the audit trail")
    if not hold.holds_on(today(platform.clock)):
        raise HoldError(f"{hold.hold_id} is over already: see 'amzigo hold list'")
    platform.audit.record(actor, "release_hold", hold.seller_id, hold.hold_id, reason.strip())
    _mark(platform, hold, state=ENDING, released_at=platform.clock.now())
    (ended,) = (one for one in end_holds(platform, actor=actor) if one.hold.number == hold.number)
    return ended


def end_holds(platform: Platform, *, actor: str, on_step: OnStep | None = None) -> list[Ended]:
    """Destroy the vaults of all holds that are released or past their end, and certify it. Safe to repeat.

    Args:
        platform: the installation.
        actor: who, for the audit trail.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        HoldError: a vault could not be shown to be gone.
        VaultError, KekError: a vault could not be destroyed.
    """
    step = on_step or no_step
    check_time(platform)
    with exclusive(platform.home.lock_dir, "holds", wait_s=_LOCK_WAIT_S):
        over = holds.over(platform)
        ended = [_end(platform, hold, actor, step) for hold in over]
    write_missing_files(platform)
    return ended


def _end(platform: Platform, hold: Hold, actor: str, step: OnStep) -> Ended:
    if hold.state != ENDING:
        _mark(platform, hold, state=ENDING)
    files = platform.vault.files(hold.number)
    platform.audit.record(actor, "destroy_vault", hold.seller_id, hold.hold_id, "the hold is over")
    step("ending")
    platform.keys.destroy([hold.key_id])
    step("key_destroyed")
    platform.keys.rotate(KeyClass.HOLD.value)
    step("kek_exchanged")
    platform.backup_keys.destroy_owner(hold_owner(hold.number))
    step("backups_ended")
    platform.vault.destroy(hold.number)
    step("files_removed")
    _, opened = keys_refused(platform, [hold.key_id])
    if opened or old_keks(platform, [KeyClass.HOLD]) or not platform.vault.is_gone(hold.number):
        raise HoldError(f"the vault of {hold.hold_id} could not be shown to be gone: run it again, see 'amzigo doctor'")
    step("verified")
    certificate = _certify(platform, hold, sum(f.rows for f in files), sum(f.bytes for f in files), len(files))
    step("certified")
    return Ended(hold, sum(f.rows for f in files), sum(f.bytes for f in files), certificate.file_name)


def _certify(platform: Platform, hold: Hold, rows: int, size: int, files: int) -> Certificate:
    private_key = signing_key(platform)
    statement = {
        "seller": hold.seller_id,
        "hold": hold.hold_id,
        "scope": str(hold.scope),
        "subject_hash": hold.subject,
        "held_since": hold.added_at.isoformat(),
        "ended": "released" if hold.released_at else "expired",
        "key_ids_by_day_of_death": {hold.ends_on.isoformat(): [hold.key_id]},
        "keys": 1,
        "files": files,
        "rows": rows,
        "bytes": size,
    }
    with platform.control.transaction() as connection:
        certificate = issue(
            platform,
            connection,
            private_key,
            day_of_death=today(platform.clock),
            retention_class=HOLD,
            sellers=[statement],
            verification={"result": "passed", "keys_refused": 1, "files_left": 0},
        )
        these = holds_table.c.number == hold.number
        connection.execute(
            holds_table.update().where(these).values(state=ENDED, certificate=certificate.number, buyer_key=None)
        )
        connection.execute(vault_files.delete().where(vault_files.c.hold == hold.number))
    return certificate


def _mark(platform: Platform, hold: Hold, **values: object) -> None:
    with platform.control.transaction() as connection:
        connection.execute(holds_table.update().where(holds_table.c.number == hold.number).values(**values))

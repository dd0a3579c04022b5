"""Carrying out what the dates of death say: destroy keys, unlink files, verify, certify. Nothing of Dagster.

Belongs here: the order of the steps, and going on after a crash. Does not belong here: what is due (`due.py`), looking
afterwards (`verify.py`), the ledger's rows (`ledger.py`), forecasts (`outlook.py`), when to stop and ask (`guard.py`).

The order, and why a crash anywhere is mended by the next run:

1. *carry out legal holds*: what they cover of it is copied into the vault (`sweep_holds.py`).
2. *write down* what will be destroyed, and how the other families look, in the ledger. Until here nothing has changed;
   from here on whatever is destroyed is on record. A key that was written down and not destroyed is still due.
3. *destroy the keys*, in one transaction. From here on no new file can be committed under them, so
4. *look again* for files that were committed between 2 and 3, and write them down as well.
5. *exchange the KEK*, so that no old copy of the control database brings the keys back. Before the files, because this
   is what makes the data unreadable everywhere; it has its own crash-safety, and doing it twice does no harm.
6. *unlink the files*, and the marts that die with them. A row says "destroyed" only once its file is gone for good.
7. *verify*; 8. *certify* and close the ledger's rows in one transaction; 9. write the certificate's file.

A failing step does not keep the later ones of 5 and 6 from being tried: more gone is always better. But nothing is
certified unless all of it was done and seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention import ledger
from amzigo_pipelines.retention.certificates import write_missing_files
from amzigo_pipelines.retention.closing import close
from amzigo_pipelines.retention.due import due, kek_purposes
from amzigo_pipelines.retention.guard import Share, SweepStopped, too_much
from amzigo_pipelines.retention.ledger import EVERYONE, Run
from amzigo_pipelines.retention.sweep_holds import HoldsNotCarriedOut, carry_out, destroy_keys
from amzigo_pipelines.retention.time_check import check_time
from amzigo_pipelines.retention.unlinking import unlink
from amzigo_pipelines.retention.verify import VerificationFailed, snapshot, verify

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

__all__ = [
    "HoldsNotCarriedOut",
    "SweepBusy",
    "SweepRefused",
    "SweepReport",
    "SweepStopped",
    "VerificationFailed",
    "sweep",
]


class SweepRefused(AmzigoError):
    """The sweep was not begun."""


class SweepBusy(SweepRefused):
    """Another sweep of the class is running."""

    is_retryable = True


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did, also what an interrupted one before it had begun.

    Attributes:
        as_of: what was due on or before this day was destroyed.
        retention_class: the class swept.
        seller_ids: sellers of whom something was destroyed.
        keys_destroyed: data keys.
        files_removed: files.
        rows: rows in them.
        bytes_removed: their size.
        resumed: sellers on whom an earlier run had begun and not finished.
        verified: what was looked at, for people.
        certificate: name of the certificate's file; None when there was nothing to certify.
    """

    as_of: date
    retention_class: RetentionClass
    seller_ids: tuple[str, ...] = ()
    keys_destroyed: int = 0
    files_removed: int = 0
    rows: int = 0
    bytes_removed: int = 0
    resumed: tuple[str, ...] = ()
    verified: str = "nothing to verify"
    certificate: str | None = None

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        if self.certificate is None:
            return f"no {self.retention_class} data was due on or before {self.as_of}: nothing was destroyed"
        again = f" (finishing an interrupted run of {len(self.resumed)} sellers)" if self.resumed else ""
        return (
            f"destroyed {self.keys_destroyed:,} keys and {self.files_removed:,} files with {self.rows:,} rows of "
            f"{self.retention_class} data of {len(self.seller_ids)} sellers, due on or before {self.as_of}{again}; "
            f"{self.verified}; certificate {self.certificate}"
        )


def sweep(
    platform: Platform,
    *,
    as_of: date,
    retention_class: RetentionClass = RetentionClass.PII,
    seller_ids: Collection[str] | None = None,
    confirmed: Collection[str] = (),
    on_step: OnStep | None = None,
    actor: str = "retention",
) -> SweepReport:
    """Destroy what is due on or before a day, verify it and certify it. A late sweep catches up on all days before.

    Running it again is harmless: a sweep that finds nothing notes that in the ledger and issues no certificate, as
    there is no destruction to certify. What an interrupted run left is finished first, whatever day is asked for.

    Args:
        platform: the installation.
        as_of: the day of death; not in the future.
        retention_class: which class.
        seller_ids: only these sellers; all when None.
        confirmed: sellers of whom all that is due may go, even where the guard would stop.
        on_step: told the name of each step as it is done; tests end the process there.
        actor: who acts, and confirms, for the audit trail and the ledger.

    Raises:
        SweepRefused: `as_of` has not come yet; `SweepBusy`: another sweep of the class runs.
        ClockBehind, DatabaseOutdated: time or the books ran backwards.
        HoldsNotCarriedOut: what a legal hold covers could not be copied; all other sellers were swept.
        SweepStopped: the guard stopped it for some sellers; all others were swept.
        VerificationFailed: something is still there, changed, or could not be looked at. What was verified of other
            sellers is certified; the rest stays open and is tried again by the next run.
    """
    step = on_step or no_step
    now_on = today(platform.clock)
    if as_of > now_on:
        raise SweepRefused(f"{as_of} has not come yet (it is {now_on} UTC): nothing may be destroyed before its date")
    with _alone(platform, retention_class):
        check_time(platform)
        # Under a foreign or an empty database nothing would seem due.
        platform.lake.check_installation()
        runs, resumed, stopped, unsecured = _open(platform, retention_class, as_of, seller_ids, confirmed, actor, step)
        if not runs and (stopped or unsecured):
            write_missing_files(platform)
            raise _left_out(platform, retention_class, stopped, unsecured)
        if not runs:
            ledger.record_nothing(platform.control, platform.clock, retention_class, uuid.uuid4().hex, as_of)
            write_missing_files(platform)
            return SweepReport(as_of, retention_class)
        step("recorded")
        through = max([as_of, *(run.as_of for run in runs)])
        work = _merge(runs)
        keys = {key_id for run in runs for key_id in run.keys}
        subject = f"{len(keys)} {retention_class} keys of {len(work)} sellers"
        platform.audit.record(actor, "destroy_keys", None, subject, f"retention: due on or before {through}")
        destroy_keys(platform, retention_class, through, runs)
        step("keys_destroyed")
        _add_late(platform, retention_class, through, runs)
        step("late_files_recorded")
        work = _merge(runs)
        problems = _exchange_kek(platform, retention_class, step)
        step("kek_exchanged")
        unlinking = unlink(platform, retention_class, through, work)
        step("files_unlinked")
        findings = verify(platform, retention_class, through, list(work.values()))
        step("verified")
        for further in (unlinking, findings.failures):
            for seller_id, reasons in further.items():
                problems.setdefault(seller_id, []).extend(reasons)
        problems = {seller_id: reasons for seller_id, reasons in problems.items() if reasons}
        failed = [run for run in runs if EVERYONE in problems or run.seller_id in problems]
        passed = [run for run in runs if EVERYONE not in problems and run.seller_id not in problems]
        if failed:
            ledger.fail(platform.control, platform.clock, failed)
        closed = close(platform, retention_class, through, passed, _merge(passed), findings, step) if passed else None
        if problems:
            raise VerificationFailed(retention_class, through, [text for texts in problems.values() for text in texts])
        if stopped or unsecured:
            raise _left_out(platform, retention_class, stopped, unsecured)
        assert closed is not None  # there were runs, and none failed
        files = [file for one in closed.files.values() for file in one]
        return SweepReport(
            as_of=as_of,
            retention_class=retention_class,
            seller_ids=tuple(work),
            keys_destroyed=len(keys),
            files_removed=len(files),
            rows=sum(file.rows for file in files),
            bytes_removed=sum(file.bytes for file in files),
            resumed=tuple(sorted(resumed)),
            verified=findings.sentence,
            certificate=closed.certificate.file_name,
        )


@contextmanager
def _alone(platform: Platform, retention_class: RetentionClass) -> Iterator[None]:
    with ExitStack() as lock:
        try:
            lock.enter_context(exclusive(platform.home.lock_dir, f"retention-{retention_class}"))
        except LockBusy:
            raise SweepBusy(
                f"another sweep of {retention_class} data is running: wait for it to end, then try again"
            ) from None
        yield


def _open(
    platform: Platform,
    retention_class: RetentionClass,
    as_of: date,
    seller_ids: Collection[str] | None,
    confirmed: Collection[str],
    actor: str,
    step: OnStep,
) -> tuple[list[Run], set[str], dict[str, Share], dict[str, str]]:
    """The work: what earlier runs left open, and what is due besides, written down after holds were carried out.

    Returns:
        The runs; the sellers of those left open; whom the guard kept from it; whose held data could not be copied, why.
    """
    left = ledger.open_runs(platform.control, retention_class, seller_ids)
    known = {key_id for run in left for key_id in run.keys} | {path for run in left for path in run.files}
    # An interrupted run of a later day is finished as a whole, even if an earlier day is asked for now.
    as_of = max([as_of, *(run.as_of for run in left)])
    found = due(platform.control, retention_class, as_of, seller_ids)
    too_many = too_much(platform.control, platform.home.retention, as_of, found)
    stopped = {seller_id: share for seller_id, share in too_many.items() if seller_id not in confirmed}
    for seller_id in stopped:
        del found[seller_id]
    for seller_id, share in too_many.items():
        if seller_id not in stopped:
            subject = f"{share.due} of {share.alive} keys due on or before {as_of}"
            platform.audit.record(actor, "confirm_sweep", seller_id, subject, f"retention of {retention_class} data")
    unsecured = carry_out(platform, found)
    for seller_id in unsecured:
        del found[seller_id]
    left = [run for run in left if run.seller_id not in unsecured]
    step("holds_carried_out")
    before = snapshot(platform, retention_class, [file for one in found.values() for file in one.files])
    fresh = []
    for seller_id, one in found.items():
        keys = {key_id: dies for key_id, dies in (one.keys | one.mart_keys).items() if key_id not in known}
        files = {file.path for file in one.files if file.path not in known}
        if keys or files:
            confirmed_by = actor if seller_id in too_many else None
            run = Run(uuid.uuid4().hex, seller_id, as_of, keys, files, before.get(seller_id, {}), confirmed_by)
            fresh.append(run)
    ledger.begin(platform.control, platform.clock, retention_class, fresh)
    if stopped or unsecured:
        ledger.record_stopped(platform.control, platform.clock, retention_class, as_of, [*stopped, *unsecured])
    return left + fresh, {run.seller_id for run in left}, stopped, unsecured


def _left_out(
    platform: Platform, retention_class: RetentionClass, stopped: dict[str, Share], unsecured: dict[str, str]
) -> AmzigoError:
    """Why some sellers were not swept."""
    if unsecured:
        return HoldsNotCarriedOut(retention_class, unsecured)
    return SweepStopped(stopped, platform.home.retention)


def _add_late(platform: Platform, retention_class: RetentionClass, as_of: date, runs: Sequence[Run]) -> None:
    """Write down files that were committed after we looked and before their key was destroyed."""
    sellers = {run.seller_id: run for run in runs}
    found = due(platform.control, retention_class, as_of, sellers)
    known = {path for run in runs for path in run.files}
    late = {seller_id: [f for f in one.files if f.path not in known] for seller_id, one in found.items()}
    late = {seller_id: files for seller_id, files in late.items() if files}
    if late:
        before = snapshot(platform, retention_class, [file for files in late.values() for file in files])
        for seller_id, files in late.items():
            sellers[seller_id].files.update(file.path for file in files)
            # What was seen earlier of the same file stays: that is "before".
            sellers[seller_id].before = before.get(seller_id, {}) | sellers[seller_id].before
        ledger.extend(platform.control, [sellers[seller_id] for seller_id in late])


def _exchange_kek(platform: Platform, retention_class: RetentionClass, step: OnStep) -> dict[str, list[str]]:
    problems = []
    for purpose in kek_purposes(retention_class):
        try:
            platform.keys.rotate(purpose, on_step=lambda name: step(f"kek_{name}"))
        except AmzigoError as error:
            problems.append(f"the {purpose} key-encryption key could not be exchanged ({error})")
    return {EVERYONE: problems}


def _merge(runs: Sequence[Run]) -> dict[str, Run]:
    """All work on a seller as one; where two runs saw the same other file, the older sight of it is "before"."""
    merged: dict[str, Run] = {}
    for run in runs:
        one = merged.setdefault(run.seller_id, Run("", run.seller_id, run.as_of, {}, set(), {}, run.confirmed_by))
        one.keys.update(run.keys)
        one.files.update(run.files)
        one.before = run.before | one.before
    return merged

"""Carrying out an erasure request: find, keep out, take out, verify, certify. Nothing of Dagster.

Belongs here: the order of the steps for an order or a buyer, and going on after a crash. Does not belong here: the
requests' states (`erasures.py`), a whole seller (`offboarding.py`), how rows leave files (`resources/lake/rewrite.py`).

The order, and why a crash anywhere is mended by running the request again:

1. *tombstones* of the subject. From here on nothing of it gets into the lake: a write that began before is refused.
2. *find* its orders, and put up a tombstone for each: so an interrupted run finds them again without their pseudonym.
3. *secure holds*: what a law wants kept is copied into the vault.
4. *take the rows out*, one data key after another. The transaction that destroys a key also writes down what it held,
   so that the certificate tells everything, whichever run did it.
5. *exchange the KEKs*, so that no old copy of the control database brings the keys back.
6. *the marts*: their key is destroyed and they are built anew from what the lake has now.
7. *verify* with the predicate that deleted;
8. *end it in backups*: a leaving seller's parts die, of others the tombstones are put where every restore comes by;
9. *certify* in one transaction with the request's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.keys.erased_journal import note_erased
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead
from amzigo_pipelines.resources.lake.files import GARBAGE, LakeFile, select_files
from amzigo_pipelines.resources.lake.rewrite import Removal, Within
from amzigo_pipelines.resources.lake.row_match import RowMatch
from amzigo_pipelines.resources.lake.tombstones import Scope, add, hasher, rows_of_request, select_of_request
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.marts.books import NotPublished
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.certificates import write_missing_files
from amzigo_pipelines.retention.erasure_closing import close
from amzigo_pipelines.retention.erasure_proof import Proof, keys_refused, marts_show, old_keks
from amzigo_pipelines.retention.erasures import ErasureBusy, ErasureError, ErasureRequest, ErasureUnverified, State
from amzigo_pipelines.retention.offboarding import erase_seller
from amzigo_pipelines.retention.subjects import Subject, buyer_hashes, found
from amzigo_pipelines.retention.time_check import check_time

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

Publish = Callable[[str], None]


def erase(
    platform: Platform, request_id: str, *, publish: Publish, actor: str, on_step: OnStep | None = None
) -> ErasureRequest:
    """Carry out an approved request to its end. Safe to repeat; a certified request is left as it is.

    Args:
        platform: the installation.
        request_id: which.
        publish: builds and publishes a seller's marts.
        actor: who, for the audit trail.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        ErasureError: it was not approved, or refused; `ErasureBusy`: another one of the seller is running.
        ErasureUnverified: something of it could still be found.
        LakeDamaged, PartitionBusy, KekError: a step failed; running it again goes on from there.
    """
    step = on_step or no_step
    request = erasures.get(platform, request_id)
    with alone(platform, request.seller_id):
        check_time(platform)
        platform.lake.check_installation()
        request = erasures.get(platform, request_id)
        if request.state is State.CERTIFIED:
            write_missing_files(platform)
            return request
        check_approved(request)
        if request.state is State.APPROVED:
            purpose = f"erasure of {'an' if request.scope is Scope.ORDER else 'a'} {request.scope}"
            platform.audit.record(actor, "erase", request.seller_id, request.request_id, purpose)
            erasures.change(platform, request, State.RUNNING, started_at=platform.clock.now())
            step("running")
        if request.state is not State.VERIFIED and request.scope is Scope.SELLER:
            erase_seller(platform, request, step)
        elif request.state is not State.VERIFIED:
            _erase_person(platform, request, publish, step)
        _end_in_backups(platform, request)
        close(platform, request, step)
    return erasures.get(platform, request_id)


def check_approved(request: ErasureRequest) -> ErasureRequest:
    """The request itself.

    Raises:
        ErasureError: it was not approved, or refused.
    """
    if request.state is State.RECEIVED:
        raise ErasureError(f"{request.request_id} is not approved yet: 'amzigo erase approve {request.request_id}'")
    if request.state is State.REFUSED:
        raise ErasureError(f"{request.request_id} was refused: what is to be erased must be asked for anew")
    return request


def remove_seller(platform: Platform, seller_id: str, actor: str) -> ErasureRequest:
    """Erase a seller who leaves at once: ask for it, approve it, carry it out. Safe to repeat after a crash.

    Raises:
        UnknownSeller: there is no such seller.
        ErasureError, PublishBusy, KekError: as `erase`.
    """
    request = erasures.receive_seller(platform, seller_id, actor=actor).request
    erasures.approve(platform, request.request_id, actor)
    return erase(platform, request.request_id, publish=lambda _: None, actor=actor)


@contextmanager
def alone(platform: Platform, seller_id: str) -> Iterator[None]:
    """No other erasure of the seller meanwhile.

    Raises:
        ErasureBusy: there is one.
    """
    with ExitStack() as lock:
        try:
            lock.enter_context(exclusive(platform.home.lock_dir, f"erasure-{seller_id}"))
        except LockBusy:
            raise ErasureBusy(f"another erasure of seller {seller_id} is running: wait for it to end") from None
        yield


def remove_rows(platform: Platform, seller_id: str, match: RowMatch, within: Within, step: OnStep) -> set[LakeFile]:
    """Take the rows of a seller that match out of the lake, under one data key after another.

    Their tombstones must stand: then no writing brings further ones, and looking once is enough.

    Args:
        platform: the installation.
        seller_id: whose.
        match: which rows.
        within: called in each transaction that destroys a key, to write down what it held.
        step: told when a key was replaced.

    Returns:
        The files that were looked through and held none: for the same match they need not be looked through again.

    Raises:
        LakeDamaged, PartitionBusy: it failed; what was taken out is written down.
    """
    clean: set[LakeFile] = set()
    hits = platform.lake.search.hits(seller_id, match, clean=clean)
    for key_id in sorted({hit.file.key_id for hit in hits}):
        # A key whose date came meanwhile took its rows along.
        with suppress(KeyDead):
            platform.lake.rewriter.remove(key_id, match, within)
        step("key_replaced")
    return clean


def exchange_keks(platform: Platform, classes: tuple[KeyClass, ...], step: OnStep) -> None:
    """Exchange the KEKs of some classes of keys.

    Raises:
        KekError, KeyTampered, LockBusy: one could not be exchanged; run it again.
    """
    for key_class in classes:
        platform.keys.rotate(key_class.value)
        step(f"kek_{key_class}")


def _erase_person(platform: Platform, request: ErasureRequest, publish: Publish, step: OnStep) -> None:
    seller_id, subject = request.seller_id, subject_of(request)
    is_buyer = subject.scope is Scope.BUYER
    _put_up(platform, request, subject.scope, buyer_hashes(platform, subject) if is_buyer else {subject.subject})
    step("tombstones")
    # Nobody can tell whom a batch that can't be read is about.
    platform.quarantine.close_all(seller_id)
    match = found(platform, subject, _known_orders(platform.control, request))
    hashes = hasher(platform.keys, seller_id)
    _put_up(platform, request, Scope.ORDER, {hashes.order(order_id) for order_id in match.order_ids})
    step("found")
    holds.secure(platform, [seller_id])
    step("holds_secured")
    clean = remove_rows(platform, seller_id, match, lambda *done: _write_down(request, *done), step)
    for entry in erasures.get(platform, request.request_id).detail.get("removed", []):
        platform.lake.rewriter.unlink(entry["key_id"])
    step("rows_removed")
    exchange_keks(platform, (KeyClass.PII, KeyClass.PSEUDONYM), step)
    _renew_marts(platform, request, publish, step)
    proof = _verify(platform, request, match, clean)
    step("looked")
    with platform.control.transaction() as connection:
        erasures.add_detail(connection, request, "proof", vars(proof))
        erasures.change_in(connection, request, State.VERIFIED, buyer_key=None)
    step("verified")


def _end_in_backups(platform: Platform, request: ErasureRequest) -> None:
    """No backup brings it back: a seller's parts die, and who else was erased is erased again by every restore."""
    if request.scope is Scope.SELLER:
        platform.backup_keys.destroy_owner(request.seller_id)
    with platform.control.read() as connection:
        rows = rows_of_request(connection, request.number)
    note_erased(platform.home.kek_dir, request.request_id, rows)


def _write_down(request: ErasureRequest, connection: Connection, removal: Removal) -> None:
    facts = vars(removal) | {"expires_on": removal.expires_on.isoformat(), "family": str(removal.family)}
    erasures.add_detail(connection, request, "removed", facts)


def subject_of(request: ErasureRequest) -> Subject:
    """Whom a request is about."""
    return Subject(request.seller_id, request.scope, request.subject, request.buyer_key)


def _put_up(platform: Platform, request: ErasureRequest, scope: Scope, subjects: set[str]) -> None:
    with platform.control.transaction() as connection:
        add(connection, request.seller_id, scope, subjects, request.number, platform.clock.now())


def _known_orders(control: ControlDatabase, request: ErasureRequest) -> set[str]:
    with control.read() as connection:
        return select_of_request(connection, request.number, Scope.ORDER)


def _renew_marts(platform: Platform, request: ErasureRequest, publish: Publish, step: OnStep) -> None:
    """Destroy the marts that may show the subject's pseudonym, and build them anew."""
    detail = erasures.get(platform, request.request_id).detail
    keys = [k.key_id for k in platform.keys.alive(request.seller_id) if k.key_class is KeyClass.MART]
    if platform.warehouse.published(request.seller_id) is None and "marts" not in detail:
        return
    if keys:
        with platform.control.transaction() as connection:
            erasures.add_detail(connection, request, "marts", {"keys": keys})
        step("marts_noted")
        platform.warehouse.drop(request.seller_id)
        step("marts_dropped")
    exchange_keks(platform, (KeyClass.MART,), step)
    # The lake may have nothing left to make marts of.
    with suppress(NotPublished):
        publish(request.seller_id)
    step("marts_published")


def _verify(platform: Platform, request: ErasureRequest, match: RowMatch, clean: set[LakeFile]) -> Proof:
    """Look whether it is true.

    Args:
        platform: the installation.
        request: what was erased.
        match: the predicate that erased.
        clean: files that it found nothing in a moment ago. All others are looked through now: those that were written
            anew, and whatever came since.

    Raises:
        ErasureUnverified: it isn't; the sentence says what was found.
    """
    detail = erasures.get(platform, request.request_id).detail
    destroyed = [entry["key_id"] for entry in detail.get("removed", [])]
    mart_keys = sorted({key_id for entry in detail.get("marts", []) for key_id in entry["keys"]})
    problems: list[str] = []
    rows = sum(hit.rows for hit in platform.lake.search.hits(request.seller_id, match, clean=clean))
    if rows:
        problems.append(f"{rows} rows can still be read")
    refused, opened = keys_refused(platform, [*destroyed, *mart_keys])
    problems += [f"the key store still opens key {key_id}" for key_id in opened]
    with platform.control.read() as connection:
        left = [f.path for key_id in destroyed for f in select_files(connection, state=GARBAGE, key_id=key_id)]
    problems += [f"{path} could not be unlinked" for path in left]
    problems += old_keks(platform, (KeyClass.PII, KeyClass.PSEUDONYM, *([KeyClass.MART] if mart_keys else [])))
    shown, count = marts_show(platform, request.seller_id, match)
    if count:
        problems.append(f"{count} rows of the published marts still show the pseudonym")
    if problems:
        raise ErasureUnverified(
            f"{request.request_id} is not verified: {'; '.join(problems[:3])}; mend this and run it again"
        )
    # By now the files that were found clean before and those found clean just now.
    return Proof(keys_refused=refused, files_searched=len(clean), rows_found=0, marts=shown)

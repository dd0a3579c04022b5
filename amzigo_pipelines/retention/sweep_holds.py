"""What a sweep does for legal holds: what they cover is copied into the vault before its keys are destroyed.

Belongs here: carrying holds out within a sweep, and destroying keys so that nothing held slips through. Does not belong
here: holds themselves (`holds.py`), and the order of a sweep (`sweep.py`).

The key store refuses a key on its date, to everybody but the hold that was placed before: so what arrived a moment
before midnight is still copied by the sweep a moment after. Where it can't be copied, the seller is left out: nothing
of it is destroyed, nothing can be read either, and the sweep fails and says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.due import due_in
from amzigo_pipelines.retention.ledger import Run

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_ATTEMPTS = 5
_SHOWN = 3


class HoldsNotCarriedOut(AmzigoError):
    """What holds cover of some sellers could not be copied, so nothing of these was destroyed; all others were swept.

    Attributes:
        reasons: by seller.
    """

    def __init__(self, retention_class: RetentionClass, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        shown = "; ".join(f"{seller_id}: {reason}" for seller_id, reason in list(reasons.items())[:_SHOWN])
        more = f"; and {len(reasons) - _SHOWN} more sellers" if len(reasons) > _SHOWN else ""
        super().__init__(
            f"{retention_class} data under a legal hold could not be copied into the vault, so nothing of its sellers "
            f"was destroyed ({shown}{more}): mend this, or release the hold, and run the sweep again; the data can't "
            "be read meanwhile"
        )


def carry_out(platform: Platform, seller_ids: Collection[str]) -> dict[str, str]:
    """Copy what the holds on these sellers' data cover and the vault does not have yet.

    Returns:
        The reason by seller where that failed: nothing of them may be destroyed.
    """
    failed: dict[str, str] = {}
    for seller_id in sorted(held(platform, seller_ids)):
        try:
            holds.secure(platform, [seller_id])
        except AmzigoError as error:
            failed[seller_id] = str(error)
    return failed


def held(platform: Platform, seller_ids: Collection[str]) -> set[str]:
    """The sellers among these in whose data a hold is in force."""
    return {hold.seller_id for hold in holds.active(platform, seller_ids)}


def destroy_keys(platform: Platform, retention_class: RetentionClass, through: date, runs: Sequence[Run]) -> None:
    """Destroy the keys of all runs in one transaction, unless a held seller's file has come that nobody has copied yet.

    Then that is copied first: what a writer commits between our copying and our destroying is not lost to a hold.

    Args:
        platform: the installation.
        retention_class: the class swept.
        through: the latest date of death swept.
        runs: the work, whose files the holds have seen.

    Raises:
        HoldsNotCarriedOut: it could not be copied; no key was destroyed, and the runs stay open.
    """
    keys = {key_id for run in runs for key_id in run.keys}
    with_hold = held(platform, {run.seller_id for run in runs})
    seen = {path for run in runs for path in run.files}
    for _ in range(_ATTEMPTS):
        with platform.control.transaction() as connection:
            late = {
                file.path
                for one in (due_in(connection, retention_class, through, with_hold) if with_hold else {}).values()
                for file in one.files
            } - seen
            if not late:
                platform.keys.destroy_in(connection, keys)
                return
        failed = carry_out(platform, with_hold)
        if failed:
            raise HoldsNotCarriedOut(retention_class, failed)
        seen |= late
    raise HoldsNotCarriedOut(retention_class, dict.fromkeys(sorted(with_hold), "its lake is written over and over"))

"""The end of an erasure: state what was destroyed, sign it, and close the request.

Belongs here: what a certificate says of an erasure. Does not belong here: its form and signature (`certificates.py`),
and deciding that it may be issued (`erasing.py`, `offboarding.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.lake.tombstones import rows_of_request
from amzigo_pipelines.resources.steps import OnStep
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.certificates import METHOD, issue, signing_key, write_missing_files
from amzigo_pipelines.retention.erasures import ErasureRequest, State
from amzigo_pipelines.retention.subjects import Subject

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

ERASURE = "erasure"
_METHOD = {
    **METHOD,
    "technique": "Purge by Cryptographic Erase of every data key that opened a row of the subject, then unlinking; "
    "rows of others under such a key had been written anew under a fresh key with the same date of death",
}


def close(platform: Platform, request: ErasureRequest, step: OnStep) -> None:
    """Issue the certificate of a verified request and close it in one transaction; then write the certificate's file.

    Raises:
        CertificateError: there is no signing key, or the file can't be written (running the request again writes it).
    """
    private_key = signing_key(platform)
    request = erasures.get(platform, request.request_id)
    subject = Subject(request.seller_id, request.scope, request.subject, request.buyer_key)
    held = holds.named(holds.covering(platform, subject)).get(request.seller_id, {})
    proof = request.detail["proof"][-1]
    with platform.control.transaction() as connection:
        statement = _statement(request, held, rows_of_request(connection, request.number))
        certificate = issue(
            platform,
            connection,
            private_key,
            day_of_death=today(platform.clock),
            retention_class=ERASURE,
            sellers=[statement],
            verification={"result": "passed", **proof},
            method=_METHOD,
        )
        erasures.change_in(
            connection,
            request,
            State.CERTIFIED,
            certificate=certificate.number,
            finished_at=platform.clock.now(),
            buyer_key=None,
        )
    step("certified")
    write_missing_files(platform)
    step("certificate_written")


def _statement(request: ErasureRequest, held: dict[str, Any], tombstones: list[dict[str, Any]]) -> dict[str, Any]:
    """What a certificate says of an erasure. The subject is a keyed hash, and so are the orders: no personal data."""
    removed = request.detail.get("removed", [])
    keys: dict[str, list[str]] = {}
    rows: Counter[str] = Counter()
    for entry in removed:
        keys.setdefault(entry["expires_on"], []).append(entry["key_id"])
        for dataset, count in entry["rows"].items():
            rows[f"{dataset}, {entry['family']}"] += count
    return {
        "seller": request.seller_id,
        "request": request.request_id,
        "scope": str(request.scope),
        "subject_hash": request.subject,
        "asked_for_by": str(request.source),
        "received_at": request.received_at.isoformat(),
        "due_on": request.due_on.isoformat(),
        "key_ids_by_day_of_death": {day: sorted(ids) for day, ids in sorted(keys.items())},
        "keys": sum(len(ids) for ids in keys.values()),
        "mart_key_ids": sorted({key_id for entry in request.detail.get("marts", []) for key_id in entry["keys"]}),
        "fresh_key_ids": sorted(entry["fresh_key_id"] for entry in removed if entry.get("fresh_key_id")),
        "rows_by_dataset_and_class": dict(sorted(rows.items())),
        "rows": sum(rows.values()),
        "rows_of_others_under_fresh_keys": sum(entry["rows_moved"] for entry in removed),
        "files": sum(entry["files"] for entry in removed),
        "bytes": sum(entry["bytes"] for entry in removed),
        # With these a restore from before the erasure is cleared again, whatever database it brings along.
        "tombstones": [{"kind": row["kind"], "subject": row["subject"]} for row in tombstones],
        # What a law wants kept stays in the vault alone, and goes with its hold.
        "kept_under_legal_holds": held.get("kept_under_legal_holds", []),
    }

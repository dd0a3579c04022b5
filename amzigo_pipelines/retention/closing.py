"""The end of a sweep: state what was destroyed, sign it, and close the ledger's rows.

Belongs here: what a certificate says of a sweep. Does not belong here: its form and signature (`certificates.py`), and
deciding that it may be issued (`sweep.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.control.statements import chunks
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.lake.files import DESTROYED, LakeFile
from amzigo_pipelines.retention import holds, ledger
from amzigo_pipelines.retention.certificates import Certificate, issue, signing_key, write_missing_files
from amzigo_pipelines.retention.due import files_of
from amzigo_pipelines.retention.ledger import Run
from amzigo_pipelines.retention.verify import Findings

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


@dataclass(frozen=True)
class Closed:
    """A certified sweep: its certificate, and the destroyed files by seller."""

    certificate: Certificate
    files: Mapping[str, Sequence[LakeFile]]


def close(
    platform: Platform,
    retention_class: RetentionClass,
    day_of_death: date,
    runs: Sequence[Run],
    work: Mapping[str, Run],
    findings: Findings,
    step: Callable[[str], None],
) -> Closed:
    """Issue the certificate and close the runs in one transaction; then write the certificate's file.

    Args:
        platform: the installation.
        retention_class: the class swept.
        day_of_death: the latest date of death swept.
        runs: verified runs.
        work: the same, merged by seller.
        findings: of the verification.
        step: told when it is certified, and when the file is written.

    Raises:
        CertificateError: there is no signing key, or the file can't be written (the next sweep writes it).
    """
    private_key = signing_key(platform)
    files = _destroyed_files(platform, work)
    mart_keys = _mart_keys(platform, [key_id for run in work.values() for key_id in run.keys])
    held = holds.named(holds.active(platform, work))
    statements = [
        _statement(run, files[seller_id], mart_keys) | held.get(seller_id, {}) for seller_id, run in work.items()
    ]
    verification = {
        "result": "passed",
        "keys_refused": sum(len(run.keys) for run in work.values()),
        "folders_listed": findings.folders,
        "other_files_unchanged": findings.other_files,
        "other_rows_unchanged": findings.other_rows,
        "other_files_replaced_meanwhile": findings.replaced,
        "other_files_past_their_own_date": findings.ended,
    }
    with platform.control.transaction() as connection:
        certificate = issue(
            platform,
            connection,
            private_key,
            day_of_death=day_of_death,
            retention_class=retention_class,
            sellers=statements,
            verification=verification,
        )
        amounts = []
        for run in runs:
            own = [file for file in files[run.seller_id] if file.path in run.files or file.key_id in run.keys]
            amounts.append((run, len(own), sum(file.rows for file in own)))
        ledger.certify(connection, platform.clock, certificate.number, amounts)
    step("certified")
    write_missing_files(platform)
    step("certificate_written")
    return Closed(certificate, files)


def _destroyed_files(platform: Platform, work: Mapping[str, Run]) -> dict[str, list[LakeFile]]:
    """What was destroyed, by seller and path, from the tombstones: also what an interrupted run unlinked.

    Asked for all sellers at once: a question for each of them takes longer than its answer.
    """
    f = lake_files.c
    owner_of_key = {key_id: seller_id for seller_id, run in work.items() for key_id in run.keys}
    owner_of_path = {path: seller_id for seller_id, run in work.items() for path in run.files}
    found: dict[str, dict[str, LakeFile]] = {seller_id: {} for seller_id in work}
    with platform.control.read() as connection:
        # The state is looked at here: asked for in SQL, it lures the database to the index of all that was destroyed.
        for chunk in chunks(sorted(owner_of_key)):
            for file in files_of(connection, f.key_id.in_(chunk)):
                if file.state == DESTROYED:
                    found[owner_of_key[file.key_id]][file.path] = file
        # Files of keys that were destroyed long ago.
        rest = owner_of_path.keys() - {path for files in found.values() for path in files}
        for chunk in chunks(sorted(rest)):
            for file in files_of(connection, f.path.in_(chunk)):
                if file.state == DESTROYED:
                    found[owner_of_path[file.path]][file.path] = file
    return {seller_id: [files[path] for path in sorted(files)] for seller_id, files in found.items()}


def _mart_keys(platform: Platform, key_ids: Sequence[str]) -> set[str]:
    k = data_keys.c
    found: set[str] = set()
    with platform.control.read() as connection:
        for chunk in chunks(key_ids):
            these = sa.and_(k.key_id.in_(chunk), k.key_class == str(KeyClass.MART))
            found.update(connection.execute(sa.select(k.key_id).where(these)).scalars())
    return found


def _statement(run: Run, files: Sequence[LakeFile], mart_keys: set[str]) -> dict[str, Any]:
    """What a certificate says of one seller. No path and no personal data."""
    keys: dict[str, list[str]] = {}
    for key_id, expires_on in sorted(run.keys.items(), key=lambda item: (item[1], item[0])):
        keys.setdefault(expires_on.isoformat(), []).append(key_id)
    partitions: dict[str, set[str]] = {}
    for file in files:
        partitions.setdefault(file.dataset, set()).add(file.day.isoformat())
    return {
        "seller": run.seller_id,
        "key_ids_by_day_of_death": keys,
        "keys": len(run.keys),
        "mart_keys": len(mart_keys.intersection(run.keys)),
        "partition_days_by_dataset": {dataset: sorted(days) for dataset, days in partitions.items()},
        "partitions": sum(len(days) for days in partitions.values()),
        "first_partition_day": min((file.day.isoformat() for file in files), default=None),
        "last_partition_day": max((file.day.isoformat() for file in files), default=None),
        "files": len(files),
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.bytes for file in files),
        **({"confirmed_by": run.confirmed_by} if run.confirmed_by else {}),
    }

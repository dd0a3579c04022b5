"""Evidence about the data itself: what there is, what for, how long it lives, whose it is.

Belongs here: looking. Does not belong here: the promises (`table.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import LONGEST_DAYS, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.compliance.evidence import NoEvidence
from amzigo_pipelines.resources.control.schema import data_keys, lake_files, marts, partitions

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# Policy clause 1.3 and, for what a person agreed to, consent.
LEGAL_BASES = ("contract", "legal obligation", "legitimate interest", "consent")
# What clause 1.2 says the data is for, with marts that do it.
USES = {
    "sales analysis": ("sales_daily", "sales_by_sku_daily", "sales_by_region"),
    "review management": ("review_topics", "review_request_candidates", "feedback_daily"),
    "inventory tracking": ("inventory_daily", "inventory_cover", "stockouts"),
    "e-mail campaigns": ("campaign_audiences",),
    "linking orders with buyers": ("buyers", "buyer_segments"),
    "tracking fulfilment": ("fulfillment_tracking",),
}


def every_column_is_classified(platform: Platform) -> str:
    """Clause 1.1: the catalog refuses a column without a class; what is stored is what it declares."""
    with platform.control.read() as connection:
        stored = {name for (name,) in connection.execute(sa.select(lake_files.c.dataset).distinct())}
    if unknown := sorted(stored - DATASETS.keys()):
        raise NoEvidence(
            f"the lake holds {', '.join(unknown)}, which the catalog does not know: remove or declare them"
        )
    columns = [column for dataset in DATASETS.values() for column in dataset.columns]
    counted = {one: sum(column.retention is one for column in columns) for one in RetentionClass}
    if sum(counted.values()) != len(columns) or not columns:
        raise NoEvidence("a column has no retention class: give it one in the catalog")
    classes = ", ".join(f"{number} {one}" for one, number in counted.items())
    return f"{len(DATASETS)} datasets with {len(columns)} columns, all classified ({classes})"


def every_use_has_its_mart(platform: Platform) -> str:
    """Clause 1.2: the data is used for what is promised, by marts that reach no personal data."""
    from amzigo_pipelines.assets.mart_definitions import load_marts

    # Loading follows every mart column to the catalog, and raises where one reaches personal data.
    there = {mart.name for mart in load_marts()}
    for use, wanted in USES.items():
        if missing := sorted(set(wanted) - there):
            raise NoEvidence(f"{use} has no mart {', '.join(missing)}")
    return f"{len(there)} marts; no column of any reaches personal data"


def every_use_has_its_basis(platform: Platform) -> str:
    """Clause 1.3: a legal basis for each dataset, a purpose for each personal column."""
    for dataset in DATASETS.values():
        if dataset.legal_basis not in LEGAL_BASES or not dataset.purpose:
            raise NoEvidence(f"the dataset {dataset.name} names no purpose or legal basis of the policy: name them")
    personal = [(d, c) for d in DATASETS.values() for c in d.columns if c.retention is RetentionClass.PII]
    if not personal or not all(column.purpose for _, column in personal):
        raise NoEvidence("a personal column has no purpose: say in the catalog what it is needed for")
    return (
        f"purpose and legal basis of {len(DATASETS)} datasets and {len(personal)} personal columns are in the catalog"
    )


def backups_are_encrypted_and_made(platform: Platform) -> str:
    """Clause 2.1: there is a living backup, and it can be restored."""
    from amzigo_pipelines.retention.backups import newest_backup
    from amzigo_pipelines.retention.drill import last_drill

    newest, drill = newest_backup(platform), last_drill(platform)
    if newest is None:
        raise NoEvidence("there is no living backup: give a folder under [backup] in amzigo.toml, then 'amzigo backup'")
    if drill is None or not drill.has_passed:
        raise NoEvidence("no restore drill has passed: 'amzigo backup --drill'")
    return (
        f"newest backup of {newest.created_at:%Y-%m-%d}, encrypted and without keys of personal data; the last restore "
        f"drill passed on {drill.finished_at:%Y-%m-%d}"
    )


def personal_data_dies_in_time(platform: Platform) -> str:
    """Clause 2.2: nothing is past its date, and no date can be later than the policy's."""
    return _dies_in_time(platform, RetentionClass.PII)


def other_data_dies_in_time(platform: Platform) -> str:
    """DPP: what is not personal lives for 18 months at most, pseudonyms for a year."""
    found = [_dies_in_time(platform, one) for one in RetentionClass if one is not RetentionClass.PII]
    with platform.control.read() as connection:
        unmarked = connection.execute(
            sa.select(sa.func.count()).select_from(partitions).where(partitions.c.origin.in_(("", "{}")))
        ).scalar_one()
    if unmarked:
        raise NoEvidence(f"{unmarked} partitions do not say which operation of Amazon's they come from")
    return "; ".join([*found, "every partition says which operation of Amazon's it comes from"])


def _dies_in_time(platform: Platform, retention_class: RetentionClass) -> str:
    from amzigo_pipelines.retention.deadlines import deadlines

    days = platform.home.retention.period_days(retention_class)
    if days > LONGEST_DAYS[retention_class]:
        raise NoEvidence(f"{retention_class} lives for {days} days, {LONGEST_DAYS[retention_class]} at most")
    found = deadlines(platform, retention_class)
    if not found.is_kept:
        raise NoEvidence(found.sentence)
    with platform.control.read() as connection:
        k = data_keys.c
        destroyed = connection.execute(
            sa.select(sa.func.count()).where(k.key_class == str(retention_class), k.destroyed_at.is_not(None))
        ).scalar_one()
    return f"{retention_class} lives {days} days; {destroyed:,} keys were destroyed; {found.sentence}"


def sellers_are_kept_apart(platform: Platform) -> str:
    """AUP: every file, key and mart belongs to one seller, and opens with that seller's keys only."""
    k = data_keys.c
    with platform.control.read() as connection:
        f, m = lake_files.c, marts.c
        files = sa.select(sa.func.count()).select_from(lake_files.join(data_keys, f.key_id == k.key_id))
        total = connection.execute(files).scalar_one()
        crossed = connection.execute(files.where(f.seller_id != k.seller_id)).scalar_one()
        joined = sa.select(sa.func.count()).select_from(marts.join(data_keys, m.key_id == k.key_id))
        published = connection.execute(joined).scalar_one()
        crossed += connection.execute(joined.where(m.seller_id != k.seller_id)).scalar_one()
    if crossed:
        raise NoEvidence(f"{crossed} files are under another seller's key: treat it as an incident")
    return f"{total:,} files and {published:,} marts, each under a key of its own seller"

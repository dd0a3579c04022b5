"""Checking partitions: their rows out of the lake, through the rules, into the results.

Belongs here: what is read for a check, and how many days at a time. Does not belong here: the rules (`rules.py`), when
checks run (`automation/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.quality.bands import band_findings
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.quality.rules import DAY, Kind, Rule, rules_of, stored_column
from amzigo_pipelines.quality.suite import Finding, evaluate, helper_column
from amzigo_pipelines.resources.lake.files import PartitionRecord
from amzigo_pipelines.resources.platform import Platform

# Rows that are evaluated at once, several days of a small dataset together: Great Expectations takes 0.2 s a time,
# however few there are.
ROWS_AT_ONCE = 200_000


def check_unchecked(platform: Platform, seller_id: str) -> int:
    """Look at every partition of a seller whose current version was not looked at.

    Returns:
        how many partitions were checked.

    Raises:
        CheckBroken: a rule could not be evaluated.
        LakeDamaged: a partition's rows can't be read.
    """
    results = QualityResults(platform.control)
    checked = 0
    for (_, name), versions in results.unchecked(seller_id).items():
        if name not in DATASETS:
            continue  # a dataset of an earlier catalog
        records = {record.day: record for record in platform.lake.partitions(seller_id, name)}
        for days in _batches(records, versions):
            found = _check(platform, seller_id, DATASETS[name], days)
            bands = band_findings(DATASETS[name], records, days)
            for day, findings in found.items():
                findings = [*findings, bands[day]] if day in bands else findings
                results.store(seller_id, name, day, versions[day], findings, platform.clock.now())
            checked += len(found)
    return checked


def _batches(records: Mapping[date, PartitionRecord], versions: Mapping[date, int]) -> Iterator[list[date]]:
    batch: list[date] = []
    size = 0
    for day in sorted(versions):
        rows = records[day].rows if day in records else 0
        if batch and size + rows > ROWS_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(day)
        size += rows
    if batch:
        yield batch


def _check(platform: Platform, seller_id: str, dataset: Dataset, days: list[date]) -> dict[date, list[Finding]]:
    """All days at once; where a rule is broken, each day once more by itself, to know which it is."""
    rules = rules_of(dataset)
    table, stored = _rows(platform, seller_id, dataset, days)
    for rule in rules:
        if rule.kind is Kind.REFERS:
            table = table.append_column(helper_column(rule), _refers(platform, seller_id, table, days, rule))
    now = platform.clock.now()
    findings = evaluate(table, stored, rules, now)
    if len(days) == 1:
        return {days[0]: findings}
    by_day = {day: table.filter(pc.equal(table[DAY], day)) for day in days}
    if all(finding.held for finding in findings):
        return {day: [replace(finding, rows=by_day[day].num_rows) for finding in findings] for day in days}
    return {day: evaluate(own, stored, rules, now) for day, own in by_day.items()}


def _rows(platform: Platform, seller_id: str, dataset: Dataset, days: list[date]) -> tuple[pa.Table, Sequence[str]]:
    """The business rows of some days, and the columns, with their types, that all of their files have."""
    declared = dataset.families[RetentionClass.BUSINESS]
    scan = platform.lake.scan(dataset, seller_id, days)
    if scan is None:
        return declared.append(pa.field(DAY, pa.date32())).empty_table(), _stored(declared)
    stored: list[str] | None = None
    for fragment in scan.get_fragments():
        own = _stored(fragment.physical_schema)
        stored = own if stored is None else [column for column in stored if column in own]
    return scan.to_table(), stored or []


def _stored(schema: pa.Schema) -> list[str]:
    return [stored_column(field.name, field.type) for field in schema]


def _refers(platform: Platform, seller_id: str, table: pa.Table, days: list[date], rule: Rule) -> pa.Array:
    assert rule.reference is not None
    keys = [*rule.columns, DAY]
    scan = platform.lake.scan(DATASETS[rule.reference.dataset], seller_id, days)
    if scan is None:
        return pa.repeat(pa.scalar(False), table.num_rows)
    there = scan.to_table(columns=keys)
    return pc.is_in(_row_keys(table, keys), value_set=_row_keys(there, keys).combine_chunks())


def _row_keys(table: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    # A null refers to nothing, and must not be taken for a text.
    return pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in names), "\x1f")

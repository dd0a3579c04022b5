"""The asset checks of the lake: two a dataset, `structure` and `values`, for all sellers.

Belongs here: how Dagster sees the checks. Does not belong here: what is checked (`rules.py`, `partitions.py`).

One step looks at everything of a seller that was not looked at yet. What it then reports is how the datasets stand for
all sellers together: a check has one state in the UI, and one seller's good rows must not cover another's bad ones.
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.quality.bands import BAND
from amzigo_pipelines.quality.partitions import check_unchecked
from amzigo_pipelines.quality.results import PartitionQuality, QualityResults
from amzigo_pipelines.quality.rules import Severity, rules_of
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import EXTRACTION_JOB, SELLER_TAG, lake_key
from amzigo_pipelines.resources.platform import Platform

STRUCTURE, VALUES = "structure", "values"
# What writes the page with the history of all checks.
PAGE_COMMAND = "amzigo quality report --seller SELLER -o quality.html"
_SHOWN = 20


def lake_checks(write_page: Callable[[Platform, str], Path]) -> list[dg.AssetChecksDefinition]:
    """The checks of all datasets, as one step.

    Args:
        write_page: writes a seller's quality page and says where; the results link to it.
    """

    @dg.multi_asset_check(
        # Not the name of the job: Dagster wants a name once among jobs and steps, and loads nothing otherwise.
        name="check_partitions",
        specs=[spec for name in DATASETS for spec in _specs(name)],
        required_resource_keys={"platform"},
        can_subset=True,
    )
    def check_lake(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        if context.run.job_name == EXTRACTION_JOB:
            # Dagster adds the checks of whichever assets a run of a job names, whether or not the job has them. Loading
            # Great Expectations takes longer than most extractions, so there they wait for the sensor.
            context.log.info("checked once the extraction is done: see the sensor check_after_extraction")
            return
        with explained():
            platform = context.resources.platform
            seller_id = context.run.tags.get(SELLER_TAG)
            sellers = [seller_id] if seller_id else [seller.seller_id for seller in platform.sellers.list()]
            for one in sellers:
                checked = check_unchecked(platform, platform.sellers.get(one).seller_id)
                context.log.info(f"{one}: {checked} partitions checked")
            pages = {one: write_page(platform, one) for one in sellers}
            wanted = context.selected_asset_check_keys
            for key, result in check_results(platform, pages).items():
                if key in wanted:
                    yield result

    return [check_lake]


def lake_check_keys() -> list[dg.AssetCheckKey]:
    """The keys of all checks."""
    return [spec.key for name in DATASETS for spec in _specs(name)]


def check_results(platform: Platform, pages: Mapping[str, Path]) -> dict[dg.AssetCheckKey, dg.AssetCheckResult]:
    """How every dataset stands, over all sellers.

    Args:
        platform: the installation.
        pages: quality pages that were written, by seller.
    """
    results = QualityResults(platform.control).current()
    found = {}
    for name in DATASETS:
        own = [result for result in results if result.dataset == name]
        by_check = {
            STRUCTURE: (Severity.ERROR, [result for result in own if result.errors]),
            VALUES: (Severity.WARN, [result for result in own if result.warnings]),
        }
        for check, (severity, broken) in by_check.items():
            found[dg.AssetCheckKey(lake_key(name), check)] = _result(name, check, severity, own, broken, pages)
    return found


def _result(
    dataset: str,
    check: str,
    severity: Severity,
    results: Sequence[PartitionQuality],
    broken: Sequence[PartitionQuality],
    pages: Mapping[str, Path],
) -> dg.AssetCheckResult:
    severities = {rule.name: rule.severity for rule in (*rules_of(DATASETS[dataset]), BAND)}
    rows = sum(result.rows for result in results)
    if broken:
        told = f"{len(broken)} of {len(results)} partitions break a rule"
    elif rows:
        told = f"{len(results)} partitions, {rows:,} rows: all rules hold"
    else:
        # A check that looked at nothing has not passed.
        severity = Severity.WARN
        told = "nothing was looked at: no row has been extracted yet"
    lines = [
        f"{result.seller_id} {result.day}: {rule} ({count:,} of {result.rows:,} rows)"
        for result in broken
        for rule, count in result.broken.items()
        if severities.get(rule) is severity
    ]
    metadata: dict[str, Any] = {
        "partitions": len(results),
        "rows": rows,
        "partitions_that_break_a_rule": len(broken),
        "page": _links(pages),
    }
    if lines:
        metadata["broken"] = shown_lines(lines)
    return dg.AssetCheckResult(
        asset_key=lake_key(dataset),
        check_name=check,
        passed=bool(rows) and not broken,
        severity=dg.AssetCheckSeverity(severity.value),
        description=told,
        metadata=metadata,
    )


def _links(pages: Mapping[str, Path]) -> dg.MetadataValue[Any]:
    """Where the quality pages are: files of the machine that ran the checks."""
    if len(pages) == 1:
        return dg.MetadataValue.path(str(next(iter(pages.values()))))
    lines = [f"- {seller_id}: [{path}]({path.as_uri()})" for seller_id, path in list(pages.items())[:_SHOWN]]
    return dg.MetadataValue.md("\n".join([*lines, f"- any: `{PAGE_COMMAND}`"]))


def shown_lines(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    """The first of what is broken, as a list, and where all of it is told."""
    more = [f"and {len(lines) - _SHOWN} more: amzigo quality status"] if len(lines) > _SHOWN else []
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in [*lines[:_SHOWN], *more]))


def _specs(dataset: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            STRUCTURE,
            asset=lake_key(dataset),
            description=(
                "Columns as declared, rows identified once, no identifier missing, what rows refer to is there. "
                "Broken, it stops the seller's next publish."
            ),
        ),
        dg.AssetCheckSpec(
            VALUES,
            asset=lake_key(dataset),
            description="Values within what Amazon documents. Broken, it warns.",
        ),
    ]

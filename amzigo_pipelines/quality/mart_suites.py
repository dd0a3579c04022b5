"""The asset checks of published marts: two a mart, `structure` and `values`, for all sellers.

Belongs here: how Dagster sees the checks. Does not belong here: what is checked (`mart_rules.py`, `marts.py`), and
differences that grow from publish to publish (`mart_checks.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from amzigo_pipelines.quality.checks import PAGE_COMMAND, STRUCTURE, VALUES, shown_lines
from amzigo_pipelines.quality.mart_results import MartQuality, MartResults
from amzigo_pipelines.quality.mart_rules import DeclaredMart, rules_of_mart
from amzigo_pipelines.quality.marts import check_published
from amzigo_pipelines.quality.rules import Severity
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PUBLISH_JOB, SELLER_TAG, mart_key
from amzigo_pipelines.resources.platform import Platform


def mart_suites(marts: Sequence[DeclaredMart]) -> list[dg.AssetChecksDefinition]:
    """The checks of all marts, as one step."""

    @dg.multi_asset_check(
        name="check_published",
        specs=[spec for mart in marts for spec in _specs(mart.name)],
        required_resource_keys={"platform"},
        can_subset=True,
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        if context.run.job_name == PUBLISH_JOB:
            # Loading Great Expectations takes longer than most publishes: as with extractions, the sensor asks later.
            context.log.info("checked once the publish is done: see the sensor check_after_publish")
            return
        with explained():
            platform = context.resources.platform
            seller_id = context.run.tags.get(SELLER_TAG)
            sellers = [seller_id] if seller_id else [seller.seller_id for seller in platform.sellers.list()]
            for one in sellers:
                checked = check_published(platform, platform.sellers.get(one).seller_id, marts)
                context.log.info(f"{one}: {checked} marts checked")
            wanted = context.selected_asset_check_keys
            for key, result in mart_results(platform, marts).items():
                if key in wanted:
                    yield result

    return [check]


def suite_keys(names: Iterable[str]) -> list[dg.AssetCheckKey]:
    """The keys of all checks of some marts."""
    return [spec.key for name in names for spec in _specs(name)]


def mart_results(platform: Platform, marts: Sequence[DeclaredMart]) -> dict[dg.AssetCheckKey, dg.AssetCheckResult]:
    """How every mart stands, over all sellers."""
    current = MartResults(platform.control).current()
    found = {}
    for mart in marts:
        own = [result for result in current if result.mart == mart.name]
        severities = {rule.name: rule.severity for rule in rules_of_mart(mart)}
        for check, severity in ((STRUCTURE, Severity.ERROR), (VALUES, Severity.WARN)):
            key = dg.AssetCheckKey(mart_key(mart.name), check)
            names = {name for name, one in severities.items() if one is severity}
            found[key] = _result(key, severity, own, names)
    return found


def _result(
    key: dg.AssetCheckKey, severity: Severity, results: Sequence[MartQuality], names: set[str]
) -> dg.AssetCheckResult:
    lines = [
        f"{result.seller_id}, version {result.version}: {rule} ({rows:,} of {result.rows:,} rows)"
        for result in results
        for rule, rows in result.broken.items()
        if rule in names
    ]
    rows = sum(result.rows for result in results)
    unseen = [
        f"{one.seller_id}: {rule} (nothing was looked at)" for one in results for rule in one.unseen if rule in names
    ]
    if lines:
        told = f"{len(lines)} rules are broken"
    elif not rows:
        # A check that looked at nothing has not passed.
        severity, told = Severity.WARN, "nothing was looked at: no rows have been published yet"
    elif unseen:
        severity, told = Severity.WARN, f"{len(unseen)} rules had nothing to look at"
    else:
        told = f"{len(results)} sellers, {rows:,} rows: all rules hold"
    metadata: dict[str, Any] = {"sellers": len(results), "rows": rows, "broken_rules": len(lines), "page": PAGE_COMMAND}
    if lines or unseen:
        metadata["broken"] = shown_lines([*lines, *unseen])
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=bool(rows) and not lines and not unseen,
        severity=dg.AssetCheckSeverity(severity.value),
        description=told,
        metadata=metadata,
    )


def _specs(mart: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            STRUCTURE,
            asset=mart_key(mart),
            description="Published columns and types as declared, rows told apart by the grain, references kept.",
        ),
        dg.AssetCheckSpec(
            VALUES,
            asset=mart_key(mart),
            description="Published values within their sets and ranges; books balance and totals are Amazon's own.",
        ),
    ]

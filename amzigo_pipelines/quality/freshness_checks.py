"""The asset checks of freshness and completeness: two a dataset, `fresh` and `complete`, for all sellers.

Belongs here: how Dagster sees them. Does not belong here: the states of days (`completeness.py`).

They read the books alone, so they run every hour: lateness is the absence of a run, which no run can tell.
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.quality.checks import PAGE_COMMAND
from amzigo_pipelines.quality.completeness import Completeness, DayState, completeness
from amzigo_pipelines.quality.heat_map import as_markdown, heat_map
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import EXTRACTION_JOB, lake_key
from amzigo_pipelines.resources.platform import Platform

FRESH, COMPLETE = "fresh", "complete"
_SHOWN = 10


def freshness_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of all datasets, as one step."""

    @dg.multi_asset_check(
        name="check_freshness",
        specs=[spec for name in DATASETS for spec in _specs(name)],
        required_resource_keys={"platform"},
        can_subset=True,
    )
    def check_freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        if context.run.job_name == EXTRACTION_JOB:
            # As with the checks of the lake: Dagster adds them, and before the extraction is done they would be wrong.
            context.log.info("looked at every hour: see the schedule hourly_freshness_checks_schedule")
            return
        with explained():
            wanted = context.selected_asset_check_keys
            for key, result in freshness_results(context.resources.platform).items():
                if key in wanted:
                    yield result

    return [check_freshness]


def freshness_keys() -> list[dg.AssetCheckKey]:
    """The keys of all checks."""
    return [spec.key for name in DATASETS for spec in _specs(name)]


def freshness_results(platform: Platform) -> dict[dg.AssetCheckKey, dg.AssetCheckResult]:
    """How every dataset stands now, over all sellers."""
    by_dataset: dict[str, list[Completeness]] = {name: [] for name in DATASETS}
    for seller in platform.sellers.list():
        for one in completeness(platform, seller.seller_id):
            by_dataset[one.dataset].append(one)
    found = {}
    for name, states in by_dataset.items():
        late = [
            f"{one.seller_id}: newest day {one.newest or 'none'}, {one.late_days} days late"
            for one in states
            if one.late_days
        ]
        picture = as_markdown(heat_map([(one.seller_id, one) for one in states], f"{name} by seller and day"), name)
        found[dg.AssetCheckKey(lake_key(name), FRESH)] = _result(name, FRESH, states, late, picture)
        gaps = [told for one in states if (told := _gaps(one))]
        found[dg.AssetCheckKey(lake_key(name), COMPLETE)] = _result(name, COMPLETE, states, gaps, picture)
    return found


def _gaps(one: Completeness) -> str:
    states = (DayState.MISSING, DayState.FAILED, DayState.QUARANTINED, DayState.UNCONFIRMED)
    counts = [(state, [day for day, own in one.days.items() if own is state]) for state in states]
    told = [f"{len(days)} {state} ({days[0]}{' ...' if len(days) > 1 else ''})" for state, days in counts if days]
    return f"{one.seller_id}: {', '.join(told)}" if told else ""


def _result(
    dataset: str, check: str, states: Sequence[Completeness], troubles: Sequence[str], picture: str
) -> dg.AssetCheckResult:
    looked_at = sum(len(one.days) for one in states)
    if troubles:
        told = "; ".join(troubles[:_SHOWN])
    elif looked_at:
        told = f"{looked_at} days of {len(states)} sellers: " + ("none is late" if check == FRESH else "no gap")
    else:
        # A check that looked at nothing has not passed.
        told = "nothing was looked at: no seller has a day of it"
    metadata: dict[str, Any] = {
        "days": looked_at,
        "in_trouble": len(troubles),
        "all": "amzigo status",
        "page": PAGE_COMMAND,
    }
    if picture:
        metadata["days_by_seller"] = dg.MetadataValue.md(picture)
    return dg.AssetCheckResult(
        asset_key=lake_key(dataset),
        check_name=check,
        passed=bool(looked_at) and not troubles,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata=metadata,
    )


def _specs(dataset: str) -> list[dg.AssetCheckSpec]:
    hours = DATASETS[dataset].source.expected_within.total_seconds() / 3600
    return [
        dg.AssetCheckSpec(
            FRESH,
            asset=lake_key(dataset),
            description=f"Each seller's newest day is there {hours:.0f} hours after it has ended (UTC).",
        ),
        dg.AssetCheckSpec(
            COMPLETE,
            asset=lake_key(dataset),
            description="No day between first and last is missing, failed, quarantined or empty without confirmation.",
        ),
    ]

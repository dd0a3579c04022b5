"""The asset checks of the marts that compare sources: a difference nobody can explain, and that grew, warns.

Belongs here: how Dagster sees them, and since when a difference stands. Does not belong here: what is compared and how
it is explained (`assets/marts/*.sql`).

They run with every publish. Like the lake's checks each has one state for all sellers, and names them one by one. What
stood at the last look is in that look's metadata, so a difference warns when it comes and whenever it grows, and not
every night for ever. Sums of what nobody can explain are all that is kept: no figure of the business gets into the log.
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import mart_key
from amzigo_pipelines.resources.platform import Platform

NAME = "differences_do_not_grow"
_BEFORE = "differences"


@dataclass(frozen=True)
class Comparison:
    """A mart that compares.

    Attributes:
        description: what the check looks at.
        sql: by unit (a currency, or `units`) how many rows were compared and how much of their differences nobody can
            explain, as columns `unit`, `compared` and `difference`.
    """

    description: str
    sql: str


COMPARISONS: Mapping[str, Comparison] = {
    "ledger_balance": Comparison(
        "Start of day and movements of Amazon's own ledger of stock give the end of day.",
        "SELECT 'units' AS unit, COUNT(*) AS compared, SUM(ABS(difference_units)) AS difference FROM ledger_balance",
    ),
    "sales_reconciliation": Comparison(
        "Our sales of settled days are Amazon's own sums, but for what is cancelled later; days with pending orders, "
        "whose price nobody is told, are left out.",
        "SELECT currency AS unit, COUNT(*) AS compared, "
        "SUM(ABS(COALESCE(metrics_unexplained, 0)) + ABS(COALESCE(analytics_unexplained, 0))) AS difference "
        "FROM sales_reconciliation WHERE is_settled AND pending_units = 0 "
        "AND (metrics_sales IS NOT NULL OR analytics_sales IS NOT NULL) GROUP BY currency",
    ),
    "settlement_reconciliation": Comparison(
        "What Amazon paid out is what its transactions add up to, but for explained parts.",
        "SELECT currency AS unit, COUNT(*) AS compared, SUM(ABS(unexplained_difference)) AS difference "
        "FROM settlement_reconciliation WHERE transactions_amount IS NOT NULL GROUP BY currency",
    ),
}


def mart_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of all marts that compare, as one step after a publish."""

    @dg.multi_asset_check(
        name="check_marts",
        specs=[
            dg.AssetCheckSpec(
                NAME,
                asset=mart_key(name),
                description=f"{one.description} An unexplained difference that is larger than at the last look warns.",
            )
            for name, one in COMPARISONS.items()
        ],
        required_resource_keys={"platform"},
        can_subset=True,
    )
    def check_marts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with explained():
            wanted = context.selected_asset_check_keys
            for name in COMPARISONS:
                if dg.AssetCheckKey(mart_key(name), NAME) in wanted:
                    yield check_mart(context.resources.platform, name, differences_before(context.instance, name))

    return [check_marts]


def check_mart(platform: Platform, name: str, before: Mapping[str, Mapping[str, str]]) -> dg.AssetCheckResult:
    """Look at a mart of every seller that has marts.

    Args:
        platform: the parts.
        name: of the mart.
        before: the differences of the last look, by seller and unit.
    """
    now: dict[str, dict[str, str]] = {}
    told, compared = [], 0
    for seller in platform.sellers.list():
        seller_id = seller.seller_id
        if platform.warehouse.published(seller_id) is None:
            continue
        try:
            rows = platform.warehouse.query(seller_id, COMPARISONS[name].sql).read_all().to_pylist()
        except AmzigoError as error:
            told.append(f"{seller_id}: not looked at: {error}")
            now[seller_id] = dict(before.get(seller_id, {}))
            continue
        compared += sum(row["compared"] for row in rows)
        now[seller_id] = {row["unit"]: str(Decimal(row["difference"] or 0)) for row in rows}
        for unit, text in sorted(now[seller_id].items()):
            former = Decimal(before.get(seller_id, {}).get(unit, "0"))
            if Decimal(text) > former:
                told.append(f"{seller_id}: {Decimal(text):,f} {unit} unexplained, {former:,f} at the last look")
    if not compared and not told:
        # A check that looked at nothing has not passed.
        description = "nothing was looked at: there is nothing published to compare"
    else:
        description = "; ".join(told) or f"{compared:,} comparisons: no difference grew"
    metadata: dict[str, Any] = {"compared": compared, _BEFORE: dg.MetadataValue.text(json.dumps(now, sort_keys=True))}
    return dg.AssetCheckResult(
        asset_key=mart_key(name),
        check_name=NAME,
        passed=compared > 0 and not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def differences_before(instance: dg.DagsterInstance, name: str) -> dict[str, dict[str, str]]:
    """What the last look at a mart left in its metadata; nothing if there was none."""
    key = dg.AssetCheckKey(mart_key(name), NAME)
    # Without the statuses, this look, which is planned already, would be the first that is found.
    seen = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=seen):
        evaluation = record.evaluation
        if evaluation is not None and _BEFORE in evaluation.metadata:
            found: dict[str, dict[str, str]] = json.loads(str(evaluation.metadata[_BEFORE].value))
            return found
    return {}

"""The report's section about the account's health: its rates against Amazon's limits.

Belongs here: which numbers of `account_health` are shown. Does not belong here: what they mean
(`marts/account_health.sql`).
"""

from __future__ import annotations

from amzigo_pipelines.assets.report.charts import Bar, bars
from amzigo_pipelines.assets.report.model import (
    NOTHING,
    Block,
    Marts,
    Row,
    Section,
    Table,
    by_marketplace,
    country,
    rate,
)
from amzigo_pipelines.assets.report.svg import for_page

NAMES = {
    "order_defect_rate_afn": "order defects, by Amazon",
    "order_defect_rate_mfn": "order defects, own",
    "late_shipment_rate": "late shipments",
    "cancellation_rate": "cancellations",
    "valid_tracking_rate": "valid tracking",
    "on_time_delivery_rate": "on-time delivery",
    "invoice_defect_rate": "invoice defects",
}
# A bar much longer than the limit would leave nothing to be seen of the others.
LONGEST = 300.0


def health(marts: Marts) -> Section:
    """How much of what Amazon allows is used up."""
    rows = marts.rows(
        """
        SELECT * FROM account_health
        QUALIFY day = MAX(day) OVER (PARTITION BY marketplace_id)
        ORDER BY metric
        """
    )
    title = "Account health"
    lead = (
        "Each rate as a share of what Amazon's limit allows: at 100 % the limit is reached. Where the limit is the "
        "least that is asked (tracking, delivery), it is what is missing to 100 % that counts."
    )
    if not rows:
        missing = marts.why("account_health") or ["no report of seller performance has been extracted"]
        return Section(title, lead, missing=missing)
    return Section(title, lead, [_block(marketplace_id, own) for marketplace_id, _, own in by_marketplace(rows)])


def used(row: Row) -> float | None:
    """How much of the limit's room a rate uses, in percent; None where either is not told."""
    if row["rate"] is None or row["rate_limit"] is None:
        return None
    bad, allowed = float(row["rate"]), float(row["rate_limit"])
    if row["is_minimum"]:
        bad, allowed = 1 - bad, 1 - allowed
    if allowed <= 0:
        return 0.0 if bad <= 0 else LONGEST
    return 100 * bad / allowed


def _block(marketplace_id: str, rows: list[Row]) -> Block:
    name, newest = country(marketplace_id), rows[0]
    known = sorted(((row, share) for row in rows if (share := used(row)) is not None), key=lambda one: -one[1])
    over = [row for row, _ in known if row["is_within_limit"] is False]
    if over:
        which = ", ".join(f"{_name(row)} ({rate(row['rate'])}, limit {rate(row['rate_limit'])})" for row in over)
        says = f"{len(over)} of {len(known)} rates break Amazon's limit: {which}. All sales here are at risk"
    elif known:
        says = (
            f"All {len(known)} rates keep to Amazon's limits; nearest is {_name(known[0][0])}, which uses "
            f"{known[0][1]:.0f}% of what is allowed: no sales are at risk"
        )
    else:
        says = "Amazon tells no rates for this marketplace yet"
    says += f". State of the account on {newest['day']}: {newest['account_status'] or 'not told'}"
    chart_rows = [
        Bar(
            _name(row),
            min(share, LONGEST),
            f"{rate(row['rate'])}, limit {rate(row['rate_limit'])}" + (" (over)" if row in over else ""),
            is_bad=row in over,
        )
        for row, share in known
    ]
    cells = [
        [
            _name(row),
            rate(row["rate"], 2),
            ("at least " if row["is_minimum"] else "at most ") + rate(row["rate_limit"]),
            rate(row["rate_week_before"], 2),
            NOTHING if row["change_over_week"] is None else f"{100 * float(row['change_over_week']):+.2f} points",
            row["status"] or NOTHING,
        ]
        for row in rows
    ]
    columns = ["rate", "now", "limit", "a week before", "change", "Amazon's verdict"]
    chart = bars(chart_rows, "% of what the limit allows", 100.0, "Amazon's limit")
    markup = for_page(chart, f"Rates against Amazon's limits, {name}", says) if chart_rows else ""
    note = f"Bars end at {LONGEST:.0f} %." if any(share > LONGEST for _, share in known) else ""
    return Block(name, f"{says}.", markup, [Table(columns, cells)], note)


def _name(row: Row) -> str:
    return NAMES.get(row["metric"], str(row["metric"]).replace("_", " "))

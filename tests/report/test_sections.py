"""Sections on numbers made by hand: what a real seller's first weeks do not show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from amzigo_pipelines.assets.report.account import LONGEST, health, used
from amzigo_pipelines.assets.report.buyers import cohorts
from amzigo_pipelines.assets.report.model import Marts, Section
from amzigo_pipelines.assets.report.profit import waterfall_of_profit

JP, US, ACCOUNT = "A1VC38T7YXB528", "ATVPDKIKX0DER", "(account)"
AMOUNTS = (
    "product_sales", "shipping_and_gift_wrap", "promotions", "refunds", "reimbursements", "other_income", "fees",
    "ad_spend", "product_cost",
)  # fmt: skip


@pytest.fixture
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty marts that the sections read."""
    with duckdb.connect() as connection:
        amounts = ", ".join(f"{name} DECIMAL(18, 4)" for name in (*AMOUNTS, "net_sales", "unit_cost"))
        connection.execute(
            f"""
            CREATE SCHEMA staging;
            CREATE TABLE staging.currencies AS SELECT 'JPY' AS currency, 0 AS minor_digits;
            CREATE TABLE mart_notes (mart VARCHAR, column_name VARCHAR, missing_dataset VARCHAR, reason VARCHAR);
            CREATE TABLE account_daily (day DATE, marketplace_id VARCHAR, currency VARCHAR);
            CREATE TABLE profit_by_sku (month DATE, marketplace_id VARCHAR, currency VARCHAR, sku VARCHAR,
                net_units INTEGER, ad_days_missing INTEGER, {amounts});
            CREATE TABLE account_health (day DATE, marketplace_id VARCHAR, metric VARCHAR, rate DOUBLE,
                rate_limit DOUBLE, is_minimum BOOLEAN, is_within_limit BOOLEAN, status VARCHAR, rate_week_before DOUBLE,
                change_over_week DOUBLE, account_status VARCHAR);
            CREATE TABLE buyer_cohorts (marketplace_id VARCHAR, first_month DATE, months_later INTEGER, buyers INTEGER,
                active_buyers INTEGER, retention DOUBLE, is_hidden BOOLEAN, coverage DOUBLE);
            """
        )
        yield connection


def book(tables: duckdb.DuckDBPyConnection, month: date, marketplace_id: str, currency: str, **amounts: Any) -> None:
    row: dict[str, Any] = {
        "sku": "SKU-1",
        "net_units": 1,
        "unit_cost": 1,
        "ad_spend": 0,
        "ad_days_missing": 0,
        **amounts,
    }
    row |= {"month": month, "marketplace_id": marketplace_id, "currency": currency}
    row["net_sales"] = sum(
        row.get(name) or 0 for name in ("product_sales", "shipping_and_gift_wrap", "promotions", "refunds")
    )
    tables.execute(f"INSERT INTO profit_by_sku BY NAME SELECT {', '.join(f'$%s AS {n}' % n for n in row)}", row)
    tables.execute("INSERT INTO account_daily VALUES ($1, $2, $3)", [month, marketplace_id, currency])


def test_profit_in_yen_a_loss_and_what_belongs_to_the_account(tables: duckdb.DuckDBPyConnection) -> None:
    book(tables, date(2026, 10, 1), JP, "JPY", product_sales=90_000, fees=10_000, product_cost=30_000)
    book(tables, date(2026, 11, 1), JP, "JPY", product_sales=100_000, refunds=-20_000, fees=40_000, product_cost=55_000)
    book(tables, date(2026, 11, 1), ACCOUNT, "JPY", sku="(unallocated)", net_units=0, unit_cost=None, fees=4_900)
    japan, account = waterfall_of_profit(Marts(tables)).blocks
    assert japan.heading == "JP, JPY"
    assert japan.says == "A loss of 15,000 JPY on 80,000 JPY net sales in 2026-11, 18.8% of them."
    assert japan.tables[0].columns == ["step", "2026-11, JPY", "2026-10, JPY"]
    assert japan.tables[0].rows[-1] == ["left", "-15,000", "50,000"]
    assert ">profit<" in japan.chart and ">-15,000<" in japan.chart and "Bookings of 1 day" in japan.note
    assert account.heading == "account, JPY"
    assert account.says == "4,900 JPY were booked in 2026-11 for what belongs to no marketplace or SKU."


def test_profit_says_what_is_still_to_be_taken_off(tables: duckdb.DuckDBPyConnection) -> None:
    book(tables, date(2026, 11, 1), US, "USD", product_sales=100, fees=15, product_cost=40, ad_spend=None)
    book(tables, date(2026, 11, 1), US, "USD", sku="SKU-2", product_sales=50, unit_cost=None, ad_spend=None)
    tables.execute("INSERT INTO mart_notes VALUES ('profit_by_sku', 'ad_spend', 'ads_products', 'no account')")
    section = waterfall_of_profit(Marts(tables))
    (block,) = section.blocks
    assert block.says == (
        "95.00 USD are left of 150.00 USD net sales in 2026-11, 63.3% of them, before the cost of 1 SKU and "
        "advertising."
    )
    assert ">left<" in block.chart and ">profit<" not in block.chart
    assert section.missing == ["advertising, for no account"]


def test_health_measures_each_rate_by_its_limit(tables: duckdb.DuckDBPyConnection) -> None:
    rows = [
        ("late_shipment_rate", 0.02, 0.04, False, True),
        ("valid_tracking_rate", 0.90, 0.95, True, False),
        ("cancellation_rate", None, 0.025, False, None),
    ]
    for metric, rate, limit, is_minimum, is_within in rows:
        tables.execute(
            "INSERT INTO account_health VALUES ('2026-11-24', $1, $2, $3, $4, $5, $6, 'X', NULL, NULL, 'NORMAL')",
            [US, metric, rate, limit, is_minimum, is_within],
        )
    (block,) = health(Marts(tables)).blocks
    assert block.says.startswith("1 of 2 rates break Amazon's limit: valid tracking (90.0%, limit 95.0%). ")
    assert "90.0%, limit 95.0% (over)" in block.chart and "cancellations" not in block.chart
    assert [row[0] for row in block.tables[0].rows] == ["cancellations", "late shipments", "valid tracking"]
    shares = {row["metric"]: used(row) for row in Marts(tables).rows("FROM account_health")}
    assert shares["late_shipment_rate"] == pytest.approx(50) and shares["valid_tracking_rate"] == pytest.approx(200)
    assert shares["cancellation_rate"] is None
    assert used({"rate": 0.5, "rate_limit": 1.0, "is_minimum": True}) == LONGEST


def test_cohorts_tell_hidden_from_nobody_and_from_not_yet(tables: duckdb.DuckDBPyConnection) -> None:
    tables.execute(
        """
        INSERT INTO buyer_cohorts SELECT $1, * FROM (VALUES
            (DATE '2026-08-01', 0, 100, 100, 1.0, false, 0.5), (DATE '2026-08-01', 1, 100, 25, 0.25, false, 0.5),
            (DATE '2026-08-01', 3, 100, NULL, NULL, true, 0.5), (DATE '2026-09-01', 0, NULL, NULL, NULL, true, 0.5),
            (DATE '2026-10-01', 0, 40, 40, 1.0, false, 0.4), (DATE '2026-11-01', 0, 50, 50, 1.0, false, 0.3))
        """,
        [US],
    )
    (block,) = cohorts(Marts(tables)).blocks
    assert block.tables[0].rows == [
        ["2026-08", "100", "25.0%", "0.0%", "<5"],
        ["2026-09", "<5", "<5", "<5", "-"],
        ["2026-10", "40", "0.0%", "-", "-"],
    ]
    assert block.says.startswith("Of the buyers who first ordered in 2026-10 0.0% ordered again in the month after")
    tables.execute("DELETE FROM buyer_cohorts WHERE first_month < '2026-11-01'")
    alone: Section = cohorts(Marts(tables))
    assert not alone.blocks and alone.missing == ["US, for no month after the buyers' first one (2026-11) is there"]

"""The code location: it loads in a fresh interpreter, every asset explains itself, and the graph is the agreed one."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from amzigo_pipelines.automation import retention
from amzigo_pipelines.automation.pipeline import (
    CATCH_UP_DAYS,
    check_after_extraction,
    daily_extraction_schedule,
    deferred_extraction,
    publish_after_extraction,
    reason_to_publish,
)
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.quality.partitions import check_unchecked
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.labels import SELLER_TAG
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.reports.ledger import ReportLedger, ReportOrder, State
from amzigo_pipelines.retention.sweep import sweep

FIRST_DAY = date(2026, 10, 1)
NOW = datetime(2026, 10, 11, 0, 30, tzinfo=UTC)

LAKE = {
    "account_health",
    "ads_campaigns",
    "ads_products",
    "fba_inventory",
    "fba_returns",
    "fba_shipments",
    "inventory_ledger_detail",
    "inventory_ledger_summary",
    "inventory_planning",
    "listings",
    "marketplaces",
    "merchant_returns",
    "order_items",
    "orders",
    "repeat_purchase",
    "review_topics",
    "review_trends",
    "sales_and_traffic_by_sku",
    "sales_and_traffic_daily",
    "sales_metrics",
    "seller_feedback",
    "settlement_lines",
    "settlements",
    "stranded_inventory",
    "transaction_breakdowns",
    "transactions",
}
MARTS = {
    "abc_xyz",
    "account_daily",
    "account_health",
    "ads_daily",
    "buyer_cohorts",
    "buyer_segments",
    "buyer_totals",
    "buyers",
    "campaign_audiences",
    "excess",
    "feedback_daily",
    "fees_daily",
    "fulfillment_tracking",
    "inventory_aging",
    "inventory_cover",
    "inventory_daily",
    "inventory_position",
    "ledger_balance",
    "marketplaces",
    "order_items",
    "orders",
    "orders_daily",
    "profit_by_sku",
    "reorder_plan",
    "repeat_purchase",
    "returns",
    "returns_by_sku",
    "review_request_candidates",
    "review_topics",
    "sales_by_region",
    "sales_by_sku_daily",
    "sales_daily",
    "sales_reconciliation",
    "settlement_reconciliation",
    "stockouts",
    "stranded",
    "traffic_by_sku",
    "traffic_daily",
}
# Key, group, partitions by, owner: what may not change unnoticed.
GRAPH = {
    *((f"lake/{name}", "extraction", "day|seller", "team:data-engineering") for name in LAKE),
    *((f"marts/{name}", "marts", "seller", "team:data-engineering") for name in MARTS),
    ("backup", "retention", "-", "team:privacy"),
    ("restore_drill", "retention", "-", "team:privacy"),
    *((f"{one}_retention", "retention", "day of death", "team:privacy") for one in ("pii", "pseudonym", "business")),
    ("erasures", "retention", "erasure_request", "team:privacy"),
    ("legal_holds", "retention", "-", "team:privacy"),
    ("audit_review", "retention", "-", "team:privacy"),
    ("audit_retention", "retention", "-", "team:privacy"),
}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A home with two sellers and nothing extracted, on a virtual clock."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = Home(path=tmp_path / "home", kind=Kind.TEST, first_day=FIRST_DAY, endpoint="http://127.0.0.1:9")
    initialise(home)
    platform = Platform(home, VirtualClock(NOW))
    for seller_id in ("ASELLER01", "ASELLER02"):
        platform.sellers.add(seller_id, seller_id, ("ATVPDKIKX0DER",), "Atzr|token")
    return platform


def specs(platform: Platform) -> list[dg.AssetSpec]:
    return list(build_definitions(platform).resolve_all_asset_specs())


def test_it_loads_in_a_fresh_interpreter_and_asks_the_network_nothing(platform: Platform) -> None:
    code = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('definitions asked the network')\n"
        "socket.socket.connect = refuse\n"
        "import sys\n"
        "from amzigo_pipelines.definitions import defs\n"
        # All that the UI loads: it refuses what a single job does not meet, such as a name twice.
        "defs().get_repository_def().load_all_definitions()\n"
        "assert 'great_expectations' not in sys.modules\n"
        "print(len(list(defs().resolve_all_asset_specs())))\n"
    )
    environment = {**os.environ, "AMZIGO_HOME": str(platform.home.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == str(len(GRAPH)), result.stderr


def test_the_graph_is_the_agreed_one(platform: Platform) -> None:
    found = set()
    for spec in specs(platform):
        partitions = spec.partitions_def
        if isinstance(partitions, dg.MultiPartitionsDefinition):
            by = "|".join(partitions.partition_dimension_names)
        elif isinstance(partitions, dg.DynamicPartitionsDefinition):
            by = str(partitions.name)
        else:
            by = "-" if partitions is None else "day of death"
        found.add((spec.key.to_user_string(), str(spec.group_name), by, "".join(spec.owners)))
    assert found == GRAPH


def test_every_asset_explains_itself(platform: Platform) -> None:
    for spec in specs(platform):
        name = spec.key.to_user_string()
        assert spec.description and len(spec.description) > 60, name
        assert spec.owners and spec.kinds and spec.tags, name
        if spec.group_name != "retention":
            schema = spec.metadata["dagster/column_schema"]
            assert schema.columns and all(column.description for column in schema.columns), name
            assert all(column.type and column.type != "?" for column in schema.columns), name


def test_pii_columns_are_marked_and_marts_have_none(platform: Platform) -> None:
    pii_columns = {c.name for d in DATASETS.values() for c in d if d.retention_of(c.name) == "pii"}
    for spec in specs(platform):
        if spec.group_name == "retention":
            continue
        schema = spec.metadata["dagster/column_schema"]
        marked = {column.name for column in schema.columns if "pii" in column.tags}
        expected = pii_columns & {column.name for column in schema.columns}
        assert marked == expected, spec.key
        assert spec.group_name != "marts" or not expected


def test_a_mart_is_downstream_of_what_it_reads(platform: Platform) -> None:
    deps = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps} for spec in specs(platform)
    }
    assert "lake/orders" in deps["marts/orders"]
    assert {"marts/orders", "marts/order_items"} <= deps["marts/orders_daily"]
    assert {"marts/orders_daily", "marts/account_daily"} <= deps["marts/sales_daily"]


def test_schedules_and_sensor_run_on_a_fresh_install() -> None:
    assert daily_extraction_schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert [one.name for one in retention.SCHEDULES] == [
        "daily_pii_retention_schedule",
        "daily_pseudonym_retention_schedule",
        "daily_business_retention_schedule",
        "daily_retention_checks_schedule",
    ]
    assert all(one.default_status is dg.DefaultScheduleStatus.RUNNING for one in retention.SCHEDULES)
    assert deferred_extraction.default_status is dg.DefaultSensorStatus.RUNNING
    assert check_after_extraction.default_status is dg.DefaultSensorStatus.RUNNING
    assert publish_after_extraction.default_status is dg.DefaultSensorStatus.RUNNING


def test_the_nightly_schedule_asks_for_yesterday_and_for_what_was_missed(platform: Platform) -> None:
    commit(platform, "ASELLER01", [FIRST_DAY + timedelta(days=n) for n in (0, 1, 2, 5, 6, 7, 8)])
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance=instance, resources={"platform": platform})
        requests = list(daily_extraction_schedule(context))  # type: ignore[call-overload]
        assert set(instance.get_dynamic_partitions("seller")) == {"ASELLER01", "ASELLER02"}
    yesterday = {r.partition_key for r in requests if r.partition_key}
    assert yesterday == {"2026-10-10|ASELLER01", "2026-10-10|ASELLER02"}
    ranges = {
        (r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"]): {
            key.path[-1] for key in r.asset_selection or ()
        }
        for r in requests
        if not r.partition_key
    }
    history = {name for name, dataset in DATASETS.items() if not dataset.source.is_snapshot}
    # Without an advertising account its datasets are not missing: they are not there.
    others = history - {"orders", "order_items", "ads_campaigns", "ads_products"}
    assert ranges == {
        ("2026-10-01|ASELLER01", "2026-10-09|ASELLER01"): others,
        ("2026-10-04|ASELLER01", "2026-10-05|ASELLER01"): {"orders", "order_items"},
        ("2026-10-01|ASELLER02", "2026-10-09|ASELLER02"): others | {"orders", "order_items"},
    }
    assert len({r.run_key for r in requests}) == len(requests) == 5
    assert all(SELLER_TAG in r.tags for r in requests)
    assert CATCH_UP_DAYS >= 9


def test_deferred_reports_are_asked_for_again_when_their_time_has_come(platform: Platform) -> None:
    us = "ATVPDKIKX0DER"
    start = datetime(2026, 10, 3, 7, tzinfo=UTC)  # midnight in Los Angeles
    window = ReportOrder(
        "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA", (us,), start=start, end=start + timedelta(days=3, seconds=-1)
    )
    snapshot = ReportOrder("GET_MERCHANT_LISTINGS_ALL_DATA", (us,))
    ledger = ReportLedger(platform.control)
    for order in (window, snapshot):
        request = ledger.claim("ASELLER01", order, NOW, None)
        ledger.asked(request, f"R{request.number}")
        ledger.finish(request, State.FATAL, NOW, retry_at=NOW + timedelta(hours=4))

    def asked(instance: dg.DagsterInstance) -> dict[str, tuple[str, str]]:
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        found = {}
        for request in deferred_extraction(context):  # type: ignore[union-attr]
            if isinstance(request, dg.RunRequest):
                (key,) = request.asset_selection or ()
                one = str(request.partition_key)
                found[key.path[-1]] = (
                    request.tags.get("dagster/asset_partition_range_start", one),
                    request.tags.get("dagster/asset_partition_range_end", one),
                )
        return found

    with dg.instance_for_test() as instance:
        assert asked(instance) == {}
        platform.clock.set(NOW + timedelta(hours=4))  # type: ignore[attr-defined]
        assert asked(instance) == {
            "fba_returns": ("2026-10-03|ASELLER01", "2026-10-05|ASELLER01"),
            "listings": ("2026-10-10|ASELLER01", "2026-10-10|ASELLER01"),
        }
        # A snapshot of the tenth can't be had any more on the twelfth.
        platform.clock.set(NOW + timedelta(days=1))  # type: ignore[attr-defined]
        assert set(asked(instance)) == {"fba_returns"}


def test_without_sellers_the_schedule_says_what_to_do(platform: Platform) -> None:
    for seller_id in ("ASELLER01", "ASELLER02"):
        platform.sellers.remove(seller_id)
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance=instance, resources={"platform": platform})
        (skip,) = list(daily_extraction_schedule(context))  # type: ignore[call-overload]
    assert isinstance(skip, dg.SkipReason) and "amzigo seller add" in str(skip.skip_message)


def test_publishing_follows_extraction_once(platform: Platform) -> None:
    from amzigo_pipelines.assets.mart_definitions import load_marts

    def asked() -> set[str]:
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        found = list(publish_after_extraction(context))  # type: ignore[call-overload]
        return {str(r.partition_key) for r in found if isinstance(r, dg.RunRequest)}

    with dg.instance_for_test() as instance:
        assert asked() == set()
        commit(platform, "ASELLER01", [FIRST_DAY])
        # Nothing is published that nobody looked at.
        assert asked() == set()
        check_unchecked(platform, "ASELLER01")
        assert asked() == {"ASELLER01"}
        platform.warehouse.publish("ASELLER01", load_marts())
        assert asked() == set()


def test_retention_asks_for_today(platform: Platform) -> None:
    for schedule in retention.RETENTION_SCHEDULES.values():
        context = dg.build_schedule_context(resources={"platform": platform})
        request = schedule(context)
        assert request.partition_key == "2026-10-11"


def test_marts_are_published_anew_the_day_before_something_in_them_dies(platform: Platform) -> None:
    from amzigo_pipelines.assets.mart_definitions import load_marts

    orders = DATASETS["orders"]
    seller = "ASELLER01"
    for day in (date(2026, 9, 30), date(2026, 10, 10)):
        row = {"order_id": str(day), "marketplace_id": "ATVPDKIKX0DER", "status": "SHIPPED", "buyer_key": "k"}
        row |= {"created_at": noon(day), "last_updated_at": noon(day)}
        with platform.lake.writer(seller, day, [orders, DATASETS["order_items"]], {"source": "test"}) as writer:
            writer.append(orders, pa.Table.from_pylist([row], orders.schema), pa.array([None], pa.date32()))

    def buyer_keys() -> list[str | None]:
        found = []
        for table in ("staging.orders", "orders"):
            reader = platform.warehouse.query(seller, f"SELECT buyer_key FROM {table} ORDER BY order_id")
            found.append(list(reader.read_all()["buyer_key"].to_pylist()))
        assert found[0] == found[1]
        return found[0]

    platform.warehouse.publish(seller, load_marts())
    # The pseudonyms of September die on its first plus 365 days.
    dies = date(2026, 9, 1) + timedelta(days=365)
    published = platform.warehouse.published(seller)
    assert published is not None and published.expires_on == dies
    for day, expected in ((dies - timedelta(days=2), None), (dies - timedelta(days=1), f"version 1 dies on {dies}")):
        platform.clock.set(noon(day))  # type: ignore[attr-defined]
        assert reason_to_publish(platform, seller) == expected
        assert buyer_keys() == ["k", "k"]
    platform.warehouse.publish(seller, load_marts())
    assert reason_to_publish(platform, seller) is None
    assert buyer_keys() == [None, "k"]
    # At midnight nobody is left without marts, before and after the sweep.
    platform.clock.set(datetime.combine(dies, datetime.min.time(), UTC))  # type: ignore[attr-defined]
    assert buyer_keys() == [None, "k"]
    sweep(platform, as_of=dies, retention_class=RetentionClass.PSEUDONYM)
    assert buyer_keys() == [None, "k"]
    assert reason_to_publish(platform, seller) is None


def test_marts_that_a_sweep_took_away_are_published_again(platform: Platform) -> None:
    from amzigo_pipelines.assets.mart_definitions import load_marts

    commit(platform, "ASELLER01", [FIRST_DAY])
    first = reason_to_publish(platform, "ASELLER01")
    platform.warehouse.publish("ASELLER01", load_marts())
    assert reason_to_publish(platform, "ASELLER01") is None
    published = platform.warehouse.published("ASELLER01")
    assert published is not None
    # No daemon ran for all that time.
    platform.clock.set(noon(published.expires_on))  # type: ignore[attr-defined]
    sweep(platform, as_of=published.expires_on, retention_class=RetentionClass.BUSINESS)
    assert platform.warehouse.published("ASELLER01") is None and not published.path.exists()
    again = reason_to_publish(platform, "ASELLER01")
    assert again is None or again != first


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def commit(platform: Platform, seller_id: str, days: list[date]) -> None:
    """Empty partitions of orders: that nothing happened is a fact too."""
    datasets = [DATASETS["orders"], DATASETS["order_items"]]
    for day in days:
        with platform.lake.writer(seller_id, day, datasets, {"source": "test"}):
            pass

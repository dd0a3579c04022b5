"""Suites of marts: made from what a mart declares, evaluated on the published file, told in counts by version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from amzigo_pipelines.assets.mart_definitions import Mart, load_marts
from amzigo_pipelines.automation.pipeline import MART_QUALITY_JOB, check_after_publish
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.quality.mart_results import MartResults, MartsBroken
from amzigo_pipelines.quality.mart_rules import EXPECTATIONS, rules_of_mart
from amzigo_pipelines.quality.mart_suites import mart_results
from amzigo_pipelines.quality.marts import check_mart, check_published
from amzigo_pipelines.quality.rules import Kind, Severity
from amzigo_pipelines.quality.suite import Finding
from amzigo_pipelines.resources.control.schema import mart_quality_results
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.home import Kind as HomeKind
from amzigo_pipelines.resources.labels import SELLER_TAG, mart_key
from amzigo_pipelines.resources.platform import Platform

SELLER = "ASELLER01"
DE = "A1PA6795UKMFR9"
FIRST, SECOND, THIRD = date(2026, 10, 8), date(2026, 10, 9), date(2026, 10, 10)
NOW = datetime(2026, 10, 13, 1, tzinfo=UTC)
SECRET = "Erika Mustermann"


@pytest.fixture(scope="module")
def marts() -> dict[str, Mart]:
    return {mart.name: mart for mart in load_marts()}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, marts: dict[str, Mart]) -> Platform:
    """A seller whose books are wrong: a day of the ledger that lacks two units, and one that opens otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        path = tmp_path_factory.mktemp("suites") / "home"
        home = Home(path=path, kind=HomeKind.TEST, first_day=date(2026, 9, 1), endpoint="http://127.0.0.1:9")
        initialise(home)
        platform = Platform(home, VirtualClock(NOW))
        platform.sellers.add(SELLER, "Test", (DE,), "Atzr|test")
        for day, start, end in ((FIRST, 9, 9), (SECOND, 9, 7), (THIRD, 6, 6)):
            ledger(platform, day, start, end)
        orders(platform)
        platform.warehouse.publish(SELLER, list(marts.values()))
    return platform


def ledger(platform: Platform, day: date, start: int, end: int) -> None:
    dataset = DATASETS["inventory_ledger_summary"]
    row = {
        "marketplace_id": DE, "day_on": day, "fn_sku": "X1", "sku": "SKU-1", "disposition": "SELLABLE",
        "location": "DE", "start_units": start, "end_units": end,
    }  # fmt: skip
    write(platform, day, {"inventory_ledger_summary": pa.Table.from_pylist([row], dataset.schema)})


def orders(platform: Platform) -> None:
    """Two shipped orders of a day, and Amazon's own sum of it, which is one euro more."""
    at = datetime(2026, 10, 10, 9, tzinfo=UTC)
    both = [
        {"order_id": number, "marketplace_id": DE, "created_at": at, "last_updated_at": at, "status": status,
         "currency": "EUR", "sales_channel": "AMAZON", "fulfilled_by": "AMAZON", "item_count": 1, "units_ordered": 1}
        for number, status in (("1", "SHIPPED"), ("2", SECRET))
    ]  # fmt: skip
    items = [
        {"order_id": order["order_id"], "order_item_id": f"i{order['order_id']}", "marketplace_id": DE, "sku": "SKU-1",
         "currency": "EUR", "quantity_ordered": 1, "unit_price": 5, "created_at": at, "last_updated_at": at}
        for order in both
    ]  # fmt: skip
    tables = {
        "orders": pa.Table.from_pylist(both, DATASETS["orders"].schema),
        "order_items": pa.Table.from_pylist(items, DATASETS["order_items"].schema),
    }
    write(platform, THIRD, tables)
    nothing = {name: DATASETS[name].schema.empty_table() for name in tables}
    write(platform, date(2026, 10, 12), nothing)
    sums = {"ordered_on": THIRD, "marketplace_id": DE, "currency": "EUR", "orders": 2, "units": 2, "sales": 11}
    write(platform, THIRD, {"sales_metrics": pa.Table.from_pylist([sums], DATASETS["sales_metrics"].schema)})


def write(platform: Platform, day: date, tables: dict[str, pa.Table]) -> None:
    datasets = [DATASETS[name] for name in tables]
    with platform.lake.writer(SELLER, day, datasets, {"operation": "test"}) as writer:
        for dataset in datasets:
            table = tables[dataset.name]
            is_personal = RetentionClass.PII in dataset.families
            writer.append(dataset, table, pa.nulls(table.num_rows, pa.date32()) if is_personal else None)


def findings(platform: Platform, mart: Mart) -> dict[str, Finding]:
    with platform.warehouse.connect(SELLER) as connection:
        return {finding.rule.name: finding for finding in check_mart(connection, mart, platform)}


def broken(platform: Platform, mart: Mart) -> dict[str, int]:
    return {name: finding.unexpected for name, finding in findings(platform, mart).items() if not finding.held}


@pytest.fixture
def nothing_known(platform: Platform) -> None:
    """No result of an earlier test."""
    with platform.control.transaction() as connection:
        connection.execute(mart_quality_results.delete())


def test_every_mart_has_rules_that_can_fail(marts: dict[str, Mart]) -> None:
    assert set(EXPECTATIONS) <= set(marts)
    for mart in marts.values():
        rules = rules_of_mart(mart)
        assert len({rule.name for rule in rules}) == len(rules)
        assert {Kind.COLUMNS, Kind.NOT_NULL, Kind.HOLDS} <= {rule.kind for rule in rules}
        assert {rule.columns[0].partition(":")[0] for rule in rules} <= set(mart.columns)
    assert "one of: abc" in {rule.name for rule in rules_of_mart(marts["abc_xyz"])}
    # The sets of a dataset hold for the column that is taken from it.
    assert "one of: status" in {rule.name for rule in rules_of_mart(marts["orders"])}
    signed = {rule.columns[0] for rule in rules_of_mart(marts["ledger_balance"]) if rule.kind is Kind.AT_LEAST}
    assert "start_units" in signed and "shipped_units" not in signed


def test_the_ledger_is_added_up(platform: Platform, marts: dict[str, Mart]) -> None:
    assert broken(platform, marts["ledger_balance"]) == {
        "the ledger balances: opening + movements = closing": 1,
        "the ledger goes on: a day opens as the day before closed": 1,
    }
    found = findings(platform, marts["ledger_balance"])
    assert found["the ledger balances: opening + movements = closing"].rows == 3
    # Of the first day nothing is known of the day before.
    assert found["the ledger goes on: a day opens as the day before closed"].rows == 2


def test_order_totals_are_compared_with_amazons_own(platform: Platform, marts: dict[str, Mart]) -> None:
    assert broken(platform, marts["sales_reconciliation"]) == {"order totals are Amazon's own (sales_metrics)": 1}


def test_what_is_published_otherwise_than_declared_is_found(platform: Platform, marts: dict[str, Mart]) -> None:
    orders = marts["orders"]
    assert broken(platform, orders) == {"one of: status": 1}
    assert broken(platform, replace(orders, grain=("marketplace_id",))) == {
        "unique: marketplace_id": 2,
        "one of: status": 1,
    }
    other = replace(orders, types={**orders.types, "status": "BIGINT"})
    assert broken(platform, other) == {"columns as declared": 1}
    more = replace(orders, types={**orders.types, "missing": "VARCHAR"})
    assert broken(platform, more) == {"columns as declared": 1}
    assert broken(platform, replace(orders, name="nothing_like_it")) == {"columns as declared": 1}


@pytest.mark.usefixtures("nothing_known")
def test_results_are_of_a_version_and_in_dagster_hold_no_value(platform: Platform, marts: dict[str, Mart]) -> None:
    few = [marts[name] for name in ("ledger_balance", "orders", "order_items", "traffic_daily")]
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        (asked,) = check_after_publish(context)
        assert isinstance(asked, dg.RunRequest) and asked.tags[SELLER_TAG] == SELLER
        assert check_published(platform, SELLER, few) == 4
        assert check_published(platform, SELLER, few) == 0
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        assert [type(one) for one in check_after_publish(context)] == [dg.SkipReason]
        job = build_definitions(platform).resolve_job_def(MART_QUALITY_JOB)
        run: Callable[..., Any] = job.execute_in_process
        # To look at all would take the test long: the others are taken for seen.
        for name in set(marts).difference(mart.name for mart in few):
            MartResults(platform.control).store(SELLER, name, 1, [], NOW)
        result = run(instance=instance, tags={SELLER_TAG: SELLER})
        found = {(event.asset_key.path[-1], event.check_name): event for event in result.get_asset_check_evaluations()}
        assert len(found) == 2 * len(marts)
        assert found["orders", "structure"].passed
        nothing = found["traffic_daily", "structure"]
        assert not nothing.passed and "nothing was looked at" in str(nothing.description)
        everything = "".join(str(event) for event in instance.all_logs(result.run_id))
    assert SECRET not in everything
    results = mart_results(platform, few)
    values = results[dg.AssetCheckKey(mart_key("orders"), "values")]
    assert not values.passed and values.severity is dg.AssetCheckSeverity.WARN
    assert "one of: status (1 of 2 rows)" in str(values.metadata["broken"].value)
    assert results[dg.AssetCheckKey(mart_key("order_items"), "structure")].passed
    assert SECRET.encode() not in (platform.home.path / "control.db").read_bytes()
    MartResults(platform.control).refuse_broken(SELLER)
    (stored,) = [one for one in MartResults(platform.control).current(SELLER) if one.mart == "ledger_balance"]
    assert (stored.version, stored.errors, stored.warnings, stored.rows) == (1, 0, 2, 3)


@pytest.mark.usefixtures("nothing_known")
def test_a_rule_that_had_nothing_to_look_at_has_not_passed(platform: Platform, marts: dict[str, Mart]) -> None:
    mart = replace(marts["ledger_balance"], name="ledger_balance")
    rule = next(rule for rule in rules_of_mart(mart) if rule.must_see)
    MartResults(platform.control).store(SELLER, mart.name, 1, [Finding(rule, True, 0, 0)], NOW)
    others = [Finding(rules_of_mart(mart)[0], True, 5, 0), Finding(rule, True, 0, 0)]
    MartResults(platform.control).store(SELLER, mart.name, 1, others, NOW)
    found = mart_results(platform, [mart])[dg.AssetCheckKey(mart_key(mart.name), "values")]
    assert not found.passed and found.description == "1 rules had nothing to look at"
    assert rule.severity is Severity.WARN


@pytest.mark.usefixtures("nothing_known")
def test_a_broken_structure_stops_what_is_made_of_the_marts(platform: Platform, marts: dict[str, Mart]) -> None:
    rule = rules_of_mart(marts["order_items"])[0]
    MartResults(platform.control).store(SELLER, "order_items", 1, [Finding(rule, False, 2, 1)], NOW)
    with pytest.raises(MartsBroken, match=r"order_items \(columns as declared\): mend and publish again"):
        MartResults(platform.control).refuse_broken(SELLER)

"""Checks of the lake: what is broken is found, told in counts, and stops the publish; what is whole passes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from amzigo_pipelines.assets.mart_assets import DESPITE_CHECKS_TAG, PublishBlocked, _refuse_broken
from amzigo_pipelines.automation.pipeline import QUALITY_JOB, check_after_extraction, publish_after_extraction
from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.quality.checks import check_results
from amzigo_pipelines.quality.partitions import check_unchecked
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.quality.rules import Kind, Severity, rules_of
from amzigo_pipelines.quality.suite import CheckBroken, evaluate, helper_column
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.home import Kind as HomeKind
from amzigo_pipelines.resources.labels import SELLER_TAG, lake_key
from amzigo_pipelines.resources.platform import Platform

SELLER = "ASELLER01"
DAY = date(2026, 10, 10)
NOW = datetime(2026, 10, 11, 1, tzinfo=UTC)
SECRET = "Erika Mustermann"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = Home(path=tmp_path / "home", kind=HomeKind.TEST, first_day=date(2026, 9, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    platform = Platform(home, VirtualClock(NOW))
    platform.sellers.add(SELLER, "Test", ("A1PA6795UKMFR9",), "Atzr|test")
    return platform


def rows(dataset: Dataset, *changes: dict[str, Any]) -> pa.Table:
    """Rows that keep all rules, but for the changes; each has identifiers of its own."""
    made = []
    for number, change in enumerate(changes):
        row: dict[str, Any] = {}
        for column in dataset:
            if column.name not in dataset.grain and column.name not in change:
                continue
            row[column.name] = f"{column.name}-{number}" if column.type == pa.string() else number
        instants = ("created_at", "last_updated_at")
        row |= {name: NOW - timedelta(hours=2) for name in instants if name in dataset.schema.names}
        row |= {"marketplace_id": "A1PA6795UKMFR9"} if "marketplace_id" in dataset.schema.names else {}
        made.append(row | change)
    return pa.Table.from_pylist(made, schema=dataset.schema)


def write(platform: Platform, orders: pa.Table, items: pa.Table, day: date = DAY) -> None:
    both = {DATASETS["orders"]: orders, DATASETS["order_items"]: items}
    with platform.lake.writer(SELLER, day, list(both), {"source": "test"}) as writer:
        for dataset, table in both.items():
            writer.append(dataset, table, pa.nulls(table.num_rows, pa.date32()))


def good(platform: Platform, day: date = DAY) -> None:
    orders = rows(DATASETS["orders"], {"status": "SHIPPED", "currency": "EUR"}, {"status": "PENDING", "currency": None})
    items = rows(DATASETS["order_items"], {"order_id": "order_id-0", "currency": "EUR", "quantity_ordered": 2})
    write(platform, orders, items, day)


def broken_of(platform: Platform) -> dict[str, int]:
    check_unchecked(platform, SELLER)
    found = QualityResults(platform.control).current(SELLER, only_broken=True)
    return {f"{result.dataset} {rule}": count for result in found for rule, count in result.broken.items()}


def test_what_is_whole_passes_and_is_looked_at_once(platform: Platform) -> None:
    good(platform)
    assert check_unchecked(platform, SELLER) == 2
    assert check_unchecked(platform, SELLER) == 0
    results = QualityResults(platform.control).current(SELLER)
    assert [(r.dataset, r.rows, r.errors, r.warnings) for r in results] == [
        ("order_items", 1, 0, 0),
        ("orders", 2, 0, 0),
    ]
    assert all(result.rules >= 8 for result in results)


@pytest.mark.parametrize(
    ("orders", "items", "breaks"),
    [
        ([{"status": "LOST"}], [], {"orders one of: status": 1}),
        ([{"currency": "euro"}, {"currency": "EUR"}], [], {"orders matches: currency": 1}),
        ([{"units_ordered": -1}], [], {"orders at least 0: units_ordered": 1}),
        ([{"created_at": NOW + timedelta(days=3)}], [], {"orders not later than today: created_at": 1}),
        ([{"order_id": "1"}, {"order_id": "1"}], [], {"orders unique: order_id, day": 2}),
        ([{}], [{"order_id": "order_id-0"}, {"order_id": "other"}], {"order_items refers in orders: order_id": 1}),
    ],
)
def test_what_is_broken_is_found(
    platform: Platform, orders: list[dict[str, Any]], items: list[dict[str, Any]], breaks: dict[str, int]
) -> None:
    write(platform, rows(DATASETS["orders"], *orders), rows(DATASETS["order_items"], *items))
    assert broken_of(platform) == breaks


def test_of_several_days_the_broken_one_is_named(platform: Platform) -> None:
    for number in (1, 2, 3):
        good(platform, DAY - timedelta(days=number))
    write(platform, rows(DATASETS["orders"], {"currency": SECRET}), rows(DATASETS["order_items"]))
    check_unchecked(platform, SELLER)
    (result,) = QualityResults(platform.control).current(SELLER, only_broken=True)
    assert (result.dataset, result.day, result.errors, result.rows) == ("orders", DAY, 1, 1)
    assert len(QualityResults(platform.control).current(SELLER)) == 8


def test_a_replaced_partition_is_looked_at_again(platform: Platform) -> None:
    write(platform, rows(DATASETS["orders"], {"currency": "euro"}), rows(DATASETS["order_items"]))
    assert broken_of(platform)
    good(platform)
    assert set(QualityResults(platform.control).unchecked(SELLER)) == {(SELLER, "orders"), (SELLER, "order_items")}
    assert broken_of(platform) == {}


def test_columns_are_those_of_the_files(platform: Platform) -> None:
    rule = next(rule for rule in rules_of(DATASETS["orders"]) if rule.kind is Kind.COLUMNS)
    table = pa.table({"order_id": ["1"]})
    assert evaluate(table, rule.columns, [rule], NOW)[0].held
    for stored in (rule.columns[1:], (*rule.columns, "extra: int64"), ("order_id: int64", *rule.columns[1:])):
        (finding,) = evaluate(table, stored, [rule], NOW)
        assert not finding.held and finding.unexpected == 1


def test_a_rule_that_can_not_be_evaluated_has_not_held() -> None:
    rule = next(rule for rule in rules_of(DATASETS["orders"]) if rule.kind is Kind.AT_LEAST)
    table = pa.table({rule.columns[0]: pa.array([SECRET])})
    with pytest.raises(CheckBroken) as caught:
        evaluate(table, (), [rule], NOW)
    assert SECRET not in str(caught.value) and rule.name in str(caught.value)


def test_every_dataset_has_rules_that_can_fail() -> None:
    for dataset in DATASETS.values():
        kinds = {rule.kind for rule in rules_of(dataset)}
        assert {Kind.COLUMNS, Kind.NOT_NULL, Kind.UNIQUE} <= kinds
        assert len({rule.name for rule in rules_of(dataset)}) == len(rules_of(dataset))
        assert all(column != "" for rule in rules_of(dataset) for column in rule.columns)
    items = rules_of(DATASETS["order_items"])
    assert [helper_column(rule) for rule in items if rule.kind is Kind.REFERS] == ["keeps refers in orders: order_id"]


def test_no_rule_reads_personal_data() -> None:
    for dataset in DATASETS.values():
        business = {column.name for column in dataset if dataset.retention_of(column.name) == "business"} | {"day"}
        named = {column.partition(":")[0] for rule in rules_of(dataset) for column in rule.columns}
        assert named <= business


def run(platform: Platform, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_definitions(platform).resolve_job_def(QUALITY_JOB)
    return job.execute_in_process(instance=instance, tags={SELLER_TAG: SELLER}, raise_on_error=False)


def test_in_dagster_a_broken_dataset_shows_counts_and_no_value(platform: Platform) -> None:
    items = rows(DATASETS["order_items"], {"order_id": "order_id-0", "currency": "EUR"})
    write(platform, rows(DATASETS["orders"], {"currency": SECRET, "status": SECRET}), items)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(platform, instance)
        assert result.success
        found = {(e.asset_key.path[-1], e.check_name): e for e in result.get_asset_check_evaluations()}
        assert len(found) == 2 * len(DATASETS)
        structure, values = found["orders", "structure"], found["orders", "values"]
        assert not structure.passed and structure.severity is dg.AssetCheckSeverity.ERROR
        assert "matches: currency (1 of 1 rows)" in str(structure.metadata["broken"].value)
        assert not values.passed and values.severity is dg.AssetCheckSeverity.WARN
        assert found["order_items", "structure"].passed
        nothing = found["listings", "structure"]
        assert not nothing.passed and "nothing was looked at" in str(nothing.description)
        everything = "".join(str(event) for event in instance.all_logs(result.run_id))
        assert SECRET not in everything
        page = Path(str(structure.metadata["page"].value))
        assert page.is_relative_to(platform.home.path) and SECRET not in page.read_text("utf-8")
        assert "matches: currency" in page.read_text("utf-8")
    assert SECRET.encode() not in (platform.home.path / "control.db").read_bytes()


def test_a_broken_structure_stops_the_publish_and_a_warning_does_not(platform: Platform) -> None:
    write(platform, rows(DATASETS["orders"], {"status": "LOST"}), rows(DATASETS["order_items"]))
    check_unchecked(platform, SELLER)
    _refuse_broken(platform, SELLER)
    write(platform, rows(DATASETS["orders"], {"currency": "euro"}), rows(DATASETS["order_items"]))
    check_unchecked(platform, SELLER)
    with pytest.raises(PublishBlocked, match=r"orders of 2026-10-10 .matches: currency.: extract them again"):
        _refuse_broken(platform, SELLER)


def test_the_publish_job_refuses_and_can_be_told_to_go_on(platform: Platform) -> None:
    good(platform)
    write(platform, rows(DATASETS["orders"], {"currency": "euro"}), rows(DATASETS["order_items"]), DAY)
    check_unchecked(platform, SELLER)
    job = build_definitions(platform).resolve_job_def("publish_marts")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("seller", [SELLER])
        publish: Callable[..., Any] = job.execute_in_process
        refused = publish(instance=instance, partition_key=SELLER, raise_on_error=False)
        assert not refused.success and platform.warehouse.published(SELLER) is None
        assert publish(instance=instance, partition_key=SELLER, tags={DESPITE_CHECKS_TAG: "true"}).success
    assert platform.warehouse.published(SELLER) is not None


def test_sensors_check_first_and_publish_then(platform: Platform) -> None:
    def asked(sensor: Any) -> set[str]:
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        return {str(r.tags[SELLER_TAG]) for r in sensor(context) if isinstance(r, dg.RunRequest)}

    with dg.instance_for_test() as instance:
        assert asked(check_after_extraction) == set() == asked(publish_after_extraction)
        good(platform)
        assert asked(check_after_extraction) == {SELLER} and asked(publish_after_extraction) == set()
        check_unchecked(platform, SELLER)
        assert asked(check_after_extraction) == set() and asked(publish_after_extraction) == {SELLER}


def test_how_all_stand_together(platform: Platform) -> None:
    platform.sellers.add("ASELLER02", "Other", ("A1PA6795UKMFR9",), "Atzr|test2")
    good(platform)
    check_unchecked(platform, SELLER)
    key = dg.AssetCheckKey(lake_key("orders"), "structure")
    assert check_results(platform, {})[key].passed
    datasets = [DATASETS["orders"], DATASETS["order_items"]]
    with platform.lake.writer("ASELLER02", DAY, datasets, {"source": "test"}) as writer:
        table = rows(DATASETS["orders"], {"currency": "euro"})
        writer.append(DATASETS["orders"], table, pa.nulls(1, pa.date32()))
    check_unchecked(platform, "ASELLER02")
    good(platform)
    check_unchecked(platform, SELLER)
    assert not check_results(platform, {})[key].passed
    assert check_results(platform, {})[key].severity is dg.AssetCheckSeverity(Severity.ERROR.value)


def test_no_rule_bounds_money_which_would_be_compared_as_floats() -> None:
    for dataset in DATASETS.values():
        by_name = {column.name: column for column in dataset}
        for rule in rules_of(dataset):
            if rule.kind is Kind.AT_LEAST:
                assert pa.types.is_integer(by_name[rule.columns[0]].type)


def test_great_expectations_is_loaded_by_checks_alone(platform: Platform) -> None:
    code = (
        "import sys\n"
        "from amzigo_pipelines.definitions import build_definitions\n"
        "from amzigo_pipelines.resources.platform import open_platform\n"
        "from amzigo_pipelines.quality import checks, partitions, results, rules, suite\n"
        "build_definitions(open_platform())\n"
        "assert 'great_expectations' not in sys.modules\n"
    )
    environment = {**os.environ, "AMZIGO_HOME": str(platform.home.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

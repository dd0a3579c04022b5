"""Datasets that are plain reports: from the catalog's word alone, through the simulator, into the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partition, extract_partitions
from amzigo_pipelines.assets.extraction.reports import extract_report, orders_of
from amzigo_pipelines.assets.extraction.results import Extraction
from amzigo_pipelines.catalog.model import (
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Dataset,
    ReportShape,
    RetentionClass,
    Source,
    business,
    pii,
    unclassified,
)
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.spapi.errors import ReportDeferred
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_request import ReportRequest, tab_separated
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportType
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import DAY, JP, NOW, SELLER, US, Platform, make_platform

HEADER = ["Gizmo ID", "order-id", "made-at", "price", "note", "shiny-new"]

GIZMOS = Dataset(
    name="gizmos",
    description="One row a gizmo.",
    grain=("gizmo_id", "occurrence"),
    source=Source(
        operation="createReport",
        report_type="GET_GIZMO_DATA",
        lookback_days=3,
        report=ReportShape(day_column="made_at", pii_from=("made_at",)),
    ),
    purpose="tests",
    legal_basis="contract",
    partition_day="the local day on which the gizmo was made",
    columns=(
        business("gizmo_id", STRING, "Which.", "Gizmo ID"),
        business("occurrence", INTEGER, "How-manieth.", "@occurrence"),
        business("marketplace_id", STRING, "Where.", "@marketplace_id"),
        business("currency", STRING, "Of the price.", "@currency"),
        business("made_at", INSTANT, "When (UTC).", "made-at"),
        business("price", MONEY, "How much.", "price"),
        business("gone", STRING, "A column that Amazon does not send.", "gone-column"),
        pii("note", STRING, "What the buyer wrote.", "note", "tests"),
        unclassified(),
    ),
)


def gizmos(request: ReportRequest) -> str | None:
    """Four gizmos a local day and marketplace; two of them alike."""
    market = request.markets[0]
    zone = ZoneInfo(MARKETPLACES[market.marketplace_id].time_zone)
    assert request.start is not None
    start, end = request.start, request.as_of if request.end is None else request.end
    day, rows = datetime.fromtimestamp(start, zone).date() - timedelta(days=1), []
    while day <= datetime.fromtimestamp(end, zone).date() + timedelta(days=1):
        for hour in (0, 12, 12, 23):
            made_at = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
            # Amazon's windows are generous at the edges now and then: what is beyond them must not count.
            if start - 3600 * 26 <= made_at.timestamp() <= end + 3600 * 26:
                rows.append([f"G{day:%d}-{hour}", "", made_at.isoformat(), "1234", f"buyer wrote {day}", "x"])
        day += timedelta(days=1)
    return tab_separated(HEADER, rows)


@pytest.fixture(autouse=True)
def _known_report() -> Iterator[None]:
    REPORT_TYPES["GET_GIZMO_DATA"] = ReportType(gizmos)
    yield
    del REPORT_TYPES["GET_GIZMO_DATA"]


def extract(platform: Platform, days: list[date], dataset: Dataset = GIZMOS) -> list[str]:
    with platform.selling_partner(SELLER) as partner:
        extraction = Extraction(platform, partner, platform.keys.pseudonymiser(SELLER))  # type: ignore[arg-type]
        return [w for result in extract_report(dataset, extraction, days) for w in result.warnings]


def rows(platform: Platform, day: date, dataset: Dataset = GIZMOS) -> list[dict[str, object]]:
    found = platform.lake.scan(dataset, SELLER, [day])
    return [] if found is None else found.to_table().to_pylist()


def test_a_report_made_up_on_the_spot_needs_only_its_catalog_entry(platform: Platform) -> None:
    warnings = extract(platform, [DAY - timedelta(days=2), DAY - timedelta(days=1)])
    for day in (DAY - timedelta(days=2), DAY - timedelta(days=1)):
        stored = rows(platform, day)
        assert len(stored) == 4 * 3
        assert {row["marketplace_id"] for row in stored} == {US, JP, "A1PA6795UKMFR9"}
        assert {(row["marketplace_id"], row["currency"]) for row in stored} >= {(US, "USD"), (JP, "JPY")}
        assert sorted(row["occurrence"] for row in stored if str(row["gizmo_id"]).endswith("-12")) == [1, 2, 3, 4, 5, 6]
        for row in stored:
            zone = ZoneInfo(MARKETPLACES[str(row["marketplace_id"])].time_zone)
            assert isinstance(row["made_at"], datetime) and row["made_at"].astimezone(zone).date() == day
    told = " ".join(warnings)
    assert "shiny-new" in told and "unclassified" in told
    assert "gone-column" in told
    people = platform.lake.read_pii(GIZMOS, SELLER, purpose="test", actor="test")
    assert people.num_rows == 24
    assert set(people["unclassified"].to_pylist()) == {'{"shiny-new":"x"}'}
    assert {(d - m.date()).days for d, m in _dates(platform, people)} <= {30}


def _dates(platform: Platform, people: object) -> list[tuple[date, datetime]]:
    made = {
        (row["gizmo_id"], row["occurrence"], row["day"]): row["made_at"]
        for day in (DAY - timedelta(days=2), DAY - timedelta(days=1))
        for row in rows(platform, day)
    }
    table = people.to_pylist()  # type: ignore[attr-defined]
    assert table
    found = []
    for row in table:
        moment = made[row["gizmo_id"], row["occurrence"], row["day"]]
        if abs((row["expires_on"] - moment.date()).days - 30) <= 1:
            found.append((moment.date() + timedelta(days=30), moment))
    assert len(found) == len(table)
    return found


def test_a_day_that_is_not_over_everywhere_says_so(platform: Platform) -> None:
    warnings = extract(platform, [DAY])
    assert any("not over yet in US" in text for text in warnings)
    assert not [text for text in extract(platform, [DAY - timedelta(days=1)]) if "not over yet" in text]


def test_what_is_unchanged_is_left_and_what_amazon_restates_is_replaced(platform: Platform) -> None:
    days = [DAY - timedelta(days=n) for n in (3, 2, 1)]
    extract(platform, days)
    before = {record.day: record.version for record in platform.lake.partitions(SELLER, "gizmos")}
    restated = days[1]

    def changed(request: ReportRequest) -> str | None:
        text = gizmos(request)
        assert text is not None
        return text.replace(f"\t1234\tbuyer wrote {restated}", f"\t1235\tbuyer wrote {restated}")

    REPORT_TYPES["GET_GIZMO_DATA"] = ReportType(changed)
    platform.clock.set(NOW + timedelta(hours=25))
    with platform.selling_partner(SELLER) as partner:
        extraction = Extraction(platform, partner, platform.keys.pseudonymiser(SELLER), frozenset(days))  # type: ignore[arg-type]
        results = list(extract_report(GIZMOS, extraction, days))
    assert {result.day: result.is_unchanged for result in results} == {days[0]: True, days[1]: False, days[2]: True}
    after = {record.day: record.version for record in platform.lake.partitions(SELLER, "gizmos")}
    assert {day: after[day] - before[day] for day in days} == {days[0]: 0, days[1]: 1, days[2]: 0}
    assert {str(row["price"]) for row in rows(platform, restated)} == {"1235.0000"}


def test_cancelled_is_empty_unconfirmed_and_replaces_nothing(platform: Platform, server: SimulatorServer) -> None:
    day = DAY - timedelta(days=5)
    extract(platform, [day])
    there = rows(platform, day)
    platform.clock.set(NOW + timedelta(hours=25))
    REPORT_TYPES["GET_GIZMO_DATA"] = ReportType(lambda request: None)
    with pytest.raises(ReportDeferred, match=r"empty, unconfirmed: Amazon cancelled .* stays as it is"):
        extract(platform, [day])
    assert rows(platform, day) == there
    other = day - timedelta(days=1)
    warnings = extract(platform, [other])
    assert sum("empty, unconfirmed" in text for text in warnings) == 3
    (record,) = [r for r in platform.lake.partitions(SELLER, "gizmos") if r.day == other]
    assert record.rows == 0
    assert record.origin["empty"] == "unconfirmed"


def test_personal_data_without_a_proven_date_is_not_stored(platform: Platform) -> None:
    by_order = replace(
        GIZMOS,
        columns=(*GIZMOS.columns, business("order_id", STRING, "Of the order.", "order-id")),
        source=replace(GIZMOS.source, report=ReportShape(day_column="made_at", pii_from=("@order",))),
    )
    warnings = extract(platform, [DAY - timedelta(days=1)], by_order)
    assert any("personal data of 12 rows was not stored" in text for text in warnings)
    assert platform.lake.read_pii(by_order, SELLER, purpose="test", actor="test").num_rows == 0


def test_the_newest_day_brings_the_days_before_with_it(platform: Platform) -> None:
    list(extract_partitions(platform, SELLER, [DAY], ["fba_returns"]))  # type: ignore[arg-type]
    days = sorted(record.day for record in platform.lake.partitions(SELLER, "fba_returns"))
    assert days[-1] == DAY
    assert len(days) == (DAY - platform.home.first_day).days + 1
    again = list(extract_partitions(platform, SELLER, [DAY - timedelta(days=9)], ["fba_returns"]))  # type: ignore[arg-type]
    assert [result.day for result in again] == [DAY - timedelta(days=9)]


@pytest.mark.parametrize(
    "name",
    [
        "fba_shipments",
        "inventory_ledger_detail",
        "inventory_ledger_summary",
        "inventory_planning",
        "stranded_inventory",
        "fba_returns",
        "merchant_returns",
        "listings",
        "seller_feedback",
        "account_health",
    ],
)
def test_every_report_arrives_without_drift(platform: Platform, name: str) -> None:
    (result,) = extract_partition(platform, SELLER, DAY, [name])  # type: ignore[arg-type]
    assert not [w for w in result.warnings if "classified" in w or "does not send" in w], result.warnings


@pytest.mark.parametrize("name", ["listings", "seller_feedback", "fba_returns", "inventory_ledger_summary"])
def test_translated_reports_give_the_same_rows(
    tmp_path: Path, platform: Platform, simulator_with: Callable[..., SimulatorServer], name: str
) -> None:
    dataset, days = DATASETS[name], [DAY - timedelta(days=n) for n in (3, 2, 1, 0)]
    abroad = make_platform(tmp_path / "abroad", simulator_with(report_localised=True).url)
    for one in (platform, abroad):
        if not dataset.source.is_snapshot:
            list(extract_partitions(one, SELLER, [days[0]], [name]))  # type: ignore[arg-type]
        list(extract_partitions(one, SELLER, [days[-1]], [name]))  # type: ignore[arg-type]

    def stored(one: Platform) -> list[str]:
        found = one.lake.scan(dataset, SELLER)
        assert found is not None
        columns = [
            c for c in dataset.families[RetentionClass.BUSINESS].names if c not in ("taken_at", "opened_on_text")
        ]
        return sorted(str(row) for row in found.to_table(columns=[*columns, "day"]).to_pylist())

    assert stored(platform)
    assert stored(abroad) == stored(platform)


def test_windows_are_whole_local_days_also_when_clocks_change(platform: Platform) -> None:
    platform.clock.set(datetime(2026, 11, 20, tzinfo=UTC))
    with platform.selling_partner(SELLER) as partner:
        extraction = Extraction(platform, partner, platform.keys.pseudonymiser(SELLER))  # type: ignore[arg-type]
        hours = {
            (market, day): (order.end - order.start).total_seconds() / 3600  # type: ignore[operator]
            for day in (date(2026, 10, 24), date(2026, 10, 25), date(2026, 11, 1))
            for market, order in zip(("US", "DE", "JP"), orders_of(GIZMOS, extraction, [day]), strict=True)
        }
    second = 1 / 3600
    assert {key: round(value + second, 6) for key, value in hours.items() if round(value + second) != 24} == {
        ("DE", date(2026, 10, 25)): 25,
        ("US", date(2026, 11, 1)): 25,
    }

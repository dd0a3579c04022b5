"""Orders near their date of death that are still unshipped: asked for again, and only those."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionResult, extract_partitions
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.retention.dates import BEFORE_SHIPPING
from amzigo_pipelines.simulator.server import SimulatorServer
from tests.extraction.conftest import DAY, NOW, SELLER, Platform


def extract(platform: Platform, day: date) -> ExtractionResult:
    orders, _ = extract_partitions(platform, SELLER, [day], ("orders", "order_items"))  # type: ignore[arg-type]
    return orders


def stored(platform: Platform, day: date) -> dict[str, dict[str, Any]]:
    scan = platform.lake.scan(ORDERS, SELLER, [day])
    assert scan is not None
    return {row["order_id"]: row for row in scan.to_table().to_pylist()}


def dates_of_death(platform: Platform, day: date) -> set[date]:
    return {file.expires_on for file in platform.lake.files(ORDERS, SELLER, [day], ["pii"])}


@pytest.fixture
def late(platform: Platform, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Orders that were unshipped at the end of DAY and still are, whenever they are asked for; their ids."""
    extract(platform, DAY)
    unshipped = [order_id for order_id, row in stored(platform, DAY).items() if row["status"] in BEFORE_SHIPPING]
    assert len(unshipped) > 10
    real = SellingPartner.get_order

    def stuck(self: SellingPartner, order_id: str, sections: Any, marketplace_id: str | None = None) -> Any:
        server.clock.set(NOW)  # type: ignore[attr-defined]
        try:
            return real(self, order_id, sections, marketplace_id)
        finally:
            server.clock.set(platform.clock.now())  # type: ignore[attr-defined]

    monkeypatch.setattr(SellingPartner, "get_order", stuck)
    return unshipped


def night(platform: Platform, server: SimulatorServer, days: int) -> ExtractionResult:
    """The nightly run so many days after DAY's."""
    now = NOW + timedelta(days=days)
    platform.clock.set(now)
    server.clock.set(now)  # type: ignore[attr-defined]
    server.requests.clear()
    return extract(platform, DAY + timedelta(days=days))


def test_an_order_that_is_still_unshipped_gets_a_later_date(
    platform: Platform, server: SimulatorServer, late: list[str]
) -> None:
    # Their date is 30 days after DAY: 25 days after it, it is 5 days away.
    assert night(platform, server, 23).asked_again == 0
    assert server.requests["getOrder"] == 0
    result = night(platform, server, 25)
    assert result.asked_again == len(late) == server.requests["getOrder"]
    again = stored(platform, DAY + timedelta(days=25))
    assert set(late) <= set(again)
    assert {again[order_id]["status"] for order_id in late} <= set(BEFORE_SHIPPING)
    today = (NOW + timedelta(days=25)).date()
    assert today + timedelta(days=30) in dates_of_death(platform, DAY + timedelta(days=25))
    # The older version keeps its own date.
    assert max(dates_of_death(platform, DAY)) == DAY + timedelta(days=30)
    # What was answered is not asked for again the night after.
    assert night(platform, server, 26).asked_again == 0


def test_orders_that_were_shipped_meanwhile_are_left_alone(platform: Platform, server: SimulatorServer) -> None:
    extract(platform, DAY)
    for days in (1, 2, 3, 4, 5):
        night(platform, server, days)
    shipped = {
        i for n in range(1, 6) for i, r in stored(platform, DAY + timedelta(days=n)).items() if r["status"] == "SHIPPED"
    }
    night(platform, server, 25)
    again = set(stored(platform, DAY + timedelta(days=25)))
    assert shipped and not (again & shipped & set(stored(platform, DAY)))


def test_history_asks_for_no_order_again(platform: Platform, server: SimulatorServer, late: list[str]) -> None:
    now = NOW + timedelta(days=26)
    platform.clock.set(now)
    server.clock.set(now)  # type: ignore[attr-defined]
    assert extract(platform, DAY + timedelta(days=20)).asked_again == 0
    assert late and server.requests["getOrder"] == 0


def test_by_the_bulk_report_too(
    platform: Platform, server: SimulatorServer, late: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from amzigo_pipelines.assets.extraction import orders as choosing

    monkeypatch.setattr(choosing, "MOST_AT_ONCE", 30)
    result = night(platform, server, 25)
    assert result.way.startswith("bulk report") and result.asked_again == len(late)
    assert set(late) <= set(stored(platform, DAY + timedelta(days=25)))

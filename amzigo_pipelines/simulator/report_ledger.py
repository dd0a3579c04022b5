"""The reports GET_LEDGER_DETAIL_VIEW_DATA and GET_LEDGER_SUMMARY_VIEW_DATA: the books of stock that lies with Amazon.

Belongs here: which movement is which event of the ledger, and both layouts. Does not belong here: the movements
(`stock.py`, `supply.py`).

The ledger knows days, not times: calendar days of the marketplace, and only those that are over. A unit that cannot be
found leaves the ledger at once and comes back when it is found; writing it off later is no event. Dates are MM/DD/YYYY
in every country.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from amzigo_pipelines.simulator import stock
from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.fulfilment import centre, inbound_id, licence_plate
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.report_request import ReportRequest, local_day, tab_separated
from amzigo_pipelines.simulator.stock import Movement

DETAIL_HEADER = (
    "Date",
    "FNSKU",
    "ASIN",
    "MSKU",
    "Title",
    "Event Type",
    "Reference ID",
    "Quantity",
    "Fulfillment Center",
    "Disposition",
    "Reason",
    "Country",
    "Reconciled Quantity",
    "Unreconciled Quantity",
    "Date and Time",
)
_EVENTS = (
    "Receipts",
    "Customer Shipments",
    "Customer Returns",
    "Vendor Returns",
    "Warehouse Transfer In/Out",
    "Found",
    "Lost",
    "Damaged",
    "Disposed",
    "Other Events",
)
SUMMARY_HEADER = (
    "Date",
    "FNSKU",
    "ASIN",
    "MSKU",
    "Title",
    "Disposition",
    "Starting Warehouse Balance",
    "In Transit Between Warehouses",
    *_EVENTS,
    "Ending Warehouse Balance",
    "Unknown Events",
    "Location",
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the detailed ledger; `column` is where the summary adds it, `quantity` is signed."""

    day: date
    listing: Listing
    event: str
    column: str
    quantity: int
    disposition: str
    reason: str = ""
    reference: str = ""


def build_detail(request: ReportRequest) -> str | None:
    """The detailed view's content, one line an event, ordered by day."""
    rows = []
    for market in request.markets:
        days = set(request.finished_days(market))
        entries = [entry for entry in _entries(request, market) if entry.day in days]
        entries.sort(key=lambda entry: (entry.day, entry.listing.fnsku))
        rows += [_detail_row(entry, market) for entry in entries]
    return tab_separated(DETAIL_HEADER, rows) if rows else None


def build_summary(request: ReportRequest) -> str | None:
    """The summary view's content, one line an FNSKU, disposition and period, ordered by period.

    `aggregateByLocation` is `COUNTRY` or `FC`, `aggregatedByTimePeriod` `DAILY` or `MONTHLY`.
    """
    period = request.options.get("aggregatedByTimePeriod", "MONTHLY")
    location = request.options.get("aggregateByLocation", "COUNTRY")
    if period not in _PERIODS or location not in ("COUNTRY", "FC"):
        return "The report options are not supported.\n"
    rows: list[tuple[object, ...]] = []
    for market in request.markets:
        rows += _summary_rows(request, market, _PERIODS[period], location == "FC")
    return tab_separated(SUMMARY_HEADER, rows) if rows else None


def _as_day(day: date) -> str:
    return day.strftime("%m/%d/%Y")


_PERIODS: dict[str, Callable[[date], str]] = {"DAILY": _as_day, "MONTHLY": lambda day: day.strftime("%m/%Y")}


def _summary_rows(
    request: ReportRequest, market: Marketplace, name: Callable[[date], str], by_centre: bool
) -> Iterator[tuple[object, ...]]:
    days = request.finished_days(market)
    if not days:
        return
    balances: Counter[tuple[str, str]] = Counter()
    changes: dict[tuple[str, str, str], Counter[str]] = {}
    listings: dict[str, Listing] = {}
    for entry in _entries(request, market):
        listings[entry.listing.sku] = entry.listing
        key = (entry.listing.sku, entry.disposition)
        if entry.day < days[0]:
            balances[key] += entry.quantity
        elif entry.day <= days[-1]:
            balances[key] += 0
            changes.setdefault((name(entry.day), *key), Counter())[entry.column] += entry.quantity
    for period in dict.fromkeys(name(day) for day in days):
        for sku, disposition in sorted(balances):
            listing, start = listings[sku], balances[sku, disposition]
            events = changes.get((period, sku, disposition), Counter())
            end = start + sum(events.values())
            balances[sku, disposition] = end
            if not start and not events:
                continue
            values: dict[str, object] = {
                "Date": period,
                "FNSKU": listing.fnsku,
                "ASIN": listing.asin,
                "MSKU": sku,
                "Title": listing.title,
                "Disposition": disposition,
                "Starting Warehouse Balance": start,
                "Ending Warehouse Balance": end,
                "Location": centre(market.country, listing.fnsku) if by_centre else market.country,
            }
            values |= {column: events[column] for column in _EVENTS}
            yield tuple(values.get(column, 0) for column in SUMMARY_HEADER)


def _detail_row(entry: _Entry, market: Marketplace) -> tuple[object, ...]:
    is_adjustment = entry.event == "Adjustments"
    midnight = datetime(entry.day.year, entry.day.month, entry.day.day, tzinfo=market.zone)
    return (
        _as_day(entry.day),
        entry.listing.fnsku,
        entry.listing.asin,
        entry.listing.sku,
        entry.listing.title,
        entry.event,
        entry.reference,
        entry.quantity,
        centre(market.country, entry.listing.fnsku),
        entry.disposition,
        entry.reason,
        market.country,
        0 if is_adjustment else "",
        abs(entry.quantity) if is_adjustment else "",
        midnight.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _entries(request: ReportRequest, market: Marketplace) -> Iterator[_Entry]:
    """The ledger of a marketplace until `as_of`, SKU by SKU, oldest first."""
    for (sku, market_id), listing in sorted(request.seller.catalogue.listings.items()):
        if market_id == market.marketplace_id and listing.channel == AMAZON:
            for movement in request.seller.pools[sku, market_id].until(request.as_of):
                yield from _events(request, listing, movement, local_day(movement.at, market))


def _events(request: ReportRequest, listing: Listing, movement: Movement, day: date) -> Iterator[_Entry]:
    """What the ledger says of one movement: mostly one event, two for units that change their disposition."""
    kind, units = movement.kind, movement.quantity
    reference = inbound_id(movement.reference)
    if kind in (stock.START, stock.RECEIVED):
        yield _Entry(day, listing, "Receipts", "Receipts", units, stock.SELLABLE, reference=reference)
    elif kind == stock.SHIPPED:
        yield _Entry(day, listing, "Shipments", "Customer Shipments", -units, stock.SELLABLE)
    elif kind == stock.RETURNED:
        order = request.seller.by_id[movement.reference]
        position = next(n for n, item in enumerate(order.items) if item.listing.sku == listing.sku)
        plate = licence_plate(order, position)
        yield _Entry(day, listing, "CustomerReturns", "Customer Returns", units, movement.disposition, reference=plate)
    elif kind == stock.DAMAGED:
        yield _Entry(day, listing, "Adjustments", "Damaged", -units, stock.SELLABLE, "E")
        yield _Entry(day, listing, "Adjustments", "Damaged", units, stock.WAREHOUSE_DAMAGED, "E")
    elif kind == stock.MISSING:
        yield _Entry(day, listing, "Adjustments", "Lost", -units, stock.SELLABLE, "M")
    elif kind == stock.FOUND:
        yield _Entry(day, listing, "Adjustments", "Found", units, stock.SELLABLE, "F")

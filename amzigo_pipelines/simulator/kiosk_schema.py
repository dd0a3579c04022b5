"""The GraphQL schema of Data Kiosk, as far as it is simulated, and what a query must be beyond valid GraphQL.

Belongs here: types, arguments, reading a query. Does not belong here: rows (`kiosk_rows.py`), HTTP (`api_kiosk.py`).

Source: Amazon's public model `analytics_salesAndTraffic_2024_04_24.graphql`; `salesAndTrafficTrends` is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate
from graphql.language import FieldNode, OperationDefinitionNode

SCHEMA = "analytics_salesAndTraffic_2024_04_24"
BY_DATE = "salesAndTrafficByDate"
BY_ASIN = "salesAndTrafficByAsin"
LONGEST_QUERY = 8_000
OLDEST_DAYS = 731

# Names with `!` are never null; each is followed by its twin for business customers (`...B2B`), which may be.
_SALES = "orderedProductSales:Amount ordersShipped:Long refundRate:Float shippedProductSales:Amount \
totalOrderItems:Long unitsOrdered:Long unitsRefunded:Long unitsShipped:Long"
_DATE_SALES = "averageSalesPerOrderItem:Amount averageSellingPrice:Amount averageUnitsPerOrderItem:Float \
claimsAmount:Amount claimsGranted:Long"
_TRAFFIC = "browserPageViews:Long browserSessions:Long buyBoxPercentage:Float mobileAppPageViews:Long \
mobileAppSessions:Long pageViews:Long sessions:Long unitSessionPercentage:Float"
_DATE_TRAFFIC = "feedbackReceived:Long negativeFeedbackReceived:Long orderItemSessionPercentage:Float \
receivedNegativeFeedbackRate:Float"
_ASIN_TRAFFIC = "browserPageViewsPercentage:Float browserSessionPercentage:Float mobileAppPageViewsPercentage:Float \
mobileAppSessionPercentage:Float pageViewsPercentage:Float sessionPercentage:Float"


def _fields(*lists: str) -> str:
    pairs = [entry.split(":") for text in lists for entry in text.split()]
    return "\n".join(f"{name}: {kind}!\n{name}B2B: {kind}" for name, kind in pairs)


_SDL = f"""
scalar Date
scalar Long
enum DateGranularity {{ DAY WEEK MONTH }}
enum AsinGranularity {{ PARENT CHILD SKU }}
type Amount {{ amount: Float! currencyCode: String! }}
type ByDateSales {{ {_fields(_SALES, _DATE_SALES)} }}
type ByAsinSales {{ {_fields(_SALES)} }}
type ByDateTraffic {{ averageOfferCount: Long! averageParentItems: Long! {_fields(_TRAFFIC, _DATE_TRAFFIC)} }}
type ByAsinTraffic {{ {_fields(_TRAFFIC, _ASIN_TRAFFIC)} }}
type SalesAndTrafficByDate {{
  startDate: Date! endDate: Date! marketplaceId: String! sales: ByDateSales! traffic: ByDateTraffic!
}}
type SalesAndTrafficByAsin {{
  startDate: Date! endDate: Date! marketplaceId: String! parentAsin: String! childAsin: String sku: String
  sales: ByAsinSales! traffic: ByAsinTraffic!
}}
type Analytics {{
  {BY_DATE}(
    aggregateBy: DateGranularity! startDate: Date! endDate: Date! marketplaceIds: [String!]!
  ): [SalesAndTrafficByDate]
  {BY_ASIN}(
    aggregateBy: AsinGranularity! startDate: Date! endDate: Date! marketplaceIds: [String!]!
  ): [SalesAndTrafficByAsin]
}}
type Query {{ {SCHEMA}: Analytics }}
"""
_GRAPHQL: GraphQLSchema = build_schema(_SDL)


class QueryRefused(Exception):
    """The query is not one that Amazon takes. The text tells why, without what the caller wrote."""


@dataclass(frozen=True)
class KioskQuery:
    """A query that Amazon takes.

    Attributes:
        document: parsed and valid.
        view: `salesAndTrafficByDate` or `salesAndTrafficByAsin`.
        aggregate_by: its granularity.
        first, last: days, both included.
        marketplace_ids: in the order given.
    """

    document: DocumentNode
    view: str
    aggregate_by: str
    first: date
    last: date
    marketplace_ids: tuple[str, ...]

    def select(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of whole rows what was asked for, in the order in which it was asked for."""
        answer = execute_sync(_GRAPHQL, self.document, root_value={SCHEMA: {self.view: lambda info, **arguments: rows}})
        if answer.errors:
            raise AssertionError(f"the simulator's rows break its schema: {answer.errors[0].message}")
        assert answer.data is not None
        (top,) = answer.data.values()
        (selected,) = top.values()
        return list(selected)


def read_query(text: str, today: date) -> KioskQuery:
    """Read and check a query.

    Raises:
        QueryRefused: too long, no GraphQL, not of the schema, more than one operation, view or window that makes sense.
    """
    if len("".join(text.split())) > LONGEST_QUERY:
        raise QueryRefused(f"The query is longer than {LONGEST_QUERY} characters.")
    try:
        document = parse(text, no_location=True)
    except GraphQLError:
        raise QueryRefused("The query is not valid GraphQL.") from None
    if validate(_GRAPHQL, document):
        raise QueryRefused("The query does not match the schema: a field or an argument is unknown, missing or wrong.")
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != len(document.definitions) or len(operations) != 1 or operations[0].variable_definitions:
        raise QueryRefused("The query must be one operation without variables and fragments.")
    views = [
        view
        for top in operations[0].selection_set.selections
        if isinstance(top, FieldNode) and top.selection_set is not None
        for view in top.selection_set.selections
        if isinstance(view, FieldNode)
    ]
    if (
        len(operations[0].selection_set.selections) != 1
        or len(views) != 1
        or views[0].name.value
        not in (
            BY_DATE,
            BY_ASIN,
        )
    ):
        raise QueryRefused("The query must ask for exactly one view of one dataset.")
    arguments: dict[str, Any] = {}
    root: Mapping[str, Mapping[str, Callable[..., list[Any]]]] = {
        SCHEMA: {views[0].name.value: lambda info, **given: arguments.update(given) or []}
    }
    execute_sync(_GRAPHQL, document, root_value=root)
    first, last = _day(arguments.get("startDate")), _day(arguments.get("endDate"))
    if first > last:
        raise QueryRefused("startDate must not be later than endDate.")
    if (today - first).days > OLDEST_DAYS:
        raise QueryRefused("startDate must be no more than two years ago.")
    marketplace_ids = tuple(dict.fromkeys(arguments["marketplaceIds"]))
    if not marketplace_ids:
        raise QueryRefused("marketplaceIds must name a marketplace.")
    return KioskQuery(document, views[0].name.value, str(arguments["aggregateBy"]), first, last, marketplace_ids)


def _day(text: object) -> date:
    try:
        if isinstance(text, str) and len(text) == len("2026-01-31"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise QueryRefused("A date is not written as YYYY-MM-DD.")

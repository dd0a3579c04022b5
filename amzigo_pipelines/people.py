"""Linking orders with buyers while their data lives: for services, and for `amzigo orders show`.

Belongs here: the one door through which a buyer's data is read by order. Does not belong here: searching files
(`resources/lake/search.py`), and any mart: none has personal data.

Who may: the roles that may open PII keys. Every reading has a purpose and is written into the audit trail before the
data is handed out. The answer is the data, or the sentence that it is gone and since when, also when a sweep destroys
it in the same moment: there is nothing in between.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.keys.keks import KekPurpose
from amzigo_pipelines.resources.keys.roles import check_may_open
from amzigo_pipelines.resources.lake.files import DESTROYED, LakeFile
from amzigo_pipelines.resources.lake.row_match import ORDER_COLUMN, RowMatch
from amzigo_pipelines.resources.lake.tombstones import erased_orders
from amzigo_pipelines.retention.dates import CLOCK_COLUMNS, expires_on_of

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_LISTED_ORDERS = 20
Rows = list[dict[str, Any]]


class PeopleRefused(AmzigoError):
    """A reading of personal data that says not what for, or asks for an order that there is not."""


class Presence(StrEnum):
    """What became of an order's personal data."""

    ALIVE = "alive"
    GONE = "gone"
    NEVER_TOLD = "never told"
    UNKNOWN_ORDER = "unknown order"


@dataclass(frozen=True)
class OrderPeople:
    """The personal data of one order, or what became of it.

    Attributes:
        order_id: the order.
        presence: whether the data is there.
        sentence: the same for a person.
        dies_on: the day on which the last of it dies; None unless it is alive.
        gone_since: the day since which it is gone; None unless it is.
        data: rows by dataset, the newest version of each, without empty columns; empty unless it is alive.
    """

    order_id: str
    presence: Presence
    sentence: str
    dies_on: date | None = None
    gone_since: date | None = None
    data: dict[str, Rows] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class OrderFacts:
    """What an order is without its people: business columns, newest version, without empty columns.

    Attributes:
        order: of the dataset `orders`.
        items: of the dataset `order_items`.
        dies_on: the date of death of its personal data, as the retention clock has it.
    """

    order: dict[str, Any]
    items: Rows
    dies_on: date


def buyers_of(
    platform: Platform, seller_id: str, order_ids: Collection[str], *, purpose: str, actor: str
) -> dict[str, OrderPeople]:
    """The personal data of orders of a seller, by order.

    Args:
        platform: the installation.
        seller_id: whose orders.
        order_ids: which; as many as fit into memory with their data.
        purpose: what for, for the audit trail.
        actor: who, for the audit trail; `roles.acting_user()` for a person.

    Returns:
        An answer for every order asked for, in that order.

    Raises:
        PeopleRefused: no purpose, no actor, or no order was given.
        RoleRefused: the role may not open PII.
        UnknownSeller: there is no such seller.
        SellerFrozen: an incident has frozen the seller's keys.
        LakeDamaged: a file of the lake isn't what was written.
    """
    check_may_open(KekPurpose.PII)
    wanted = list(dict.fromkeys(order_ids))
    if not purpose.strip() or not actor.strip():
        raise PeopleRefused("reading personal data needs a purpose and somebody who reads: both are kept in the audit")
    if not wanted:
        raise PeopleRefused("say which orders: none was given")
    platform.sellers.get(seller_id)
    match = RowMatch(order_ids=frozenset(wanted))
    living = platform.lake.search.read(seller_id, match, (RetentionClass.PII,))
    found = _by_order(living)
    answers: dict[str, OrderPeople] = {}
    for order_id in (one for one in wanted if one in found):
        rows, dies_on = found[order_id]
        sentence = f"the personal data of order {order_id} lives until {dies_on}: from that day on it is gone"
        answers[order_id] = OrderPeople(order_id, Presence.ALIVE, sentence, dies_on, None, rows)
    # Asked after the data: what dies between both looks is told as gone.
    missing = [order_id for order_id in wanted if order_id not in found]
    answers |= _absent(platform, seller_id, missing)
    count = sum(len(rows) for answer in answers.values() for rows in answer.data.values())
    platform.audit.record(actor, "read_pii", seller_id, _named(wanted), purpose.strip(), count)
    return {order_id: answers[order_id] for order_id in wanted}


def order_facts(platform: Platform, seller_id: str, order_id: str) -> OrderFacts:
    """An order without personal data, from its newest version.

    Raises:
        PeopleRefused: the lake knows no such order.
        UnknownSeller: there is no such seller.
        LakeDamaged: a file of the lake isn't what was written.
    """
    platform.sellers.get(seller_id)
    match = RowMatch(order_ids=frozenset([order_id]))
    names = [ORDERS.name, ORDER_ITEMS.name]
    read = platform.lake.search.read(seller_id, match, (RetentionClass.BUSINESS,), names)
    newest = _newest(read).get(order_id, {})
    if not newest.get(ORDERS.name):
        raise PeopleRefused(f"there is no order {order_id} of seller {seller_id} in the lake: extract its day first")
    versions = _deaths(platform, [(file, table) for file, table in read if file.dataset == ORDERS.name])
    return OrderFacts(newest[ORDERS.name][0], newest.get(ORDER_ITEMS.name, []), versions[order_id][0])


def _by_order(read: Collection[tuple[LakeFile, pa.Table]]) -> dict[str, tuple[dict[str, Rows], date]]:
    """Rows by order and dataset, with the last date of death of what is there."""
    deaths: dict[str, date] = {}
    for file, table in read:
        for order_id in table.column(ORDER_COLUMN).unique().to_pylist():
            deaths[order_id] = max(file.expires_on, deaths.get(order_id, date.min))
    newest = _newest(read)
    return {order_id: (newest[order_id], deaths[order_id]) for order_id in deaths}


def _newest(read: Collection[tuple[LakeFile, pa.Table]]) -> dict[str, dict[str, Rows]]:
    """The newest version of each row, by order and dataset, without empty columns."""
    rows: dict[str, dict[str, dict[tuple[Any, ...], dict[str, Any]]]] = {}
    for file, table in sorted(read, key=lambda pair: (pair[0].dataset, pair[0].day, pair[0].version)):
        grain = STORED[file.dataset].grain
        for row in table.to_pylist():
            own = rows.setdefault(row[ORDER_COLUMN], {}).setdefault(file.dataset, {})
            own[tuple(row[name] for name in grain)] = {name: v for name, v in row.items() if v is not None}
    return {
        order_id: {dataset: list(versions.values()) for dataset, versions in by_dataset.items()}
        for order_id, by_dataset in rows.items()
    }


def _absent(platform: Platform, seller_id: str, order_ids: Collection[str]) -> dict[str, OrderPeople]:
    """What became of the personal data of orders that have none now."""
    if not order_ids:
        return {}
    match = RowMatch(order_ids=frozenset(order_ids))
    read = platform.lake.search.read(seller_id, match, (RetentionClass.BUSINESS,), [ORDERS.name])
    deaths = _deaths(platform, read)
    with platform.control.read() as connection:
        erased = erased_orders(connection, platform.keys, seller_id, order_ids)
    now_on = today(platform.clock)
    answers = {}
    for order_id in order_ids:
        what = f"the personal data of order {order_id}"
        if order_id in erased:
            day, request = erased[order_id]
            answers[order_id] = _gone(order_id, f"{what} is gone since {day}: it was erased (request {request})", day)
            continue
        if order_id not in deaths:
            sentence = f"there is no order {order_id} of seller {seller_id} in the lake"
            answers[order_id] = OrderPeople(order_id, Presence.UNKNOWN_ORDER, sentence)
            continue
        dies_on, days = deaths[order_id]
        if dies_on > now_on:
            # Its clock says that it could live: then either it died of a shorter period, or there never was any.
            files = platform.lake.files(ORDERS, seller_id, days, [RetentionClass.PII], DESTROYED)
            dies_on = max((file.expires_on for file in files), default=dies_on)
        if dies_on <= now_on:
            answers[order_id] = _gone(order_id, f"{what} is gone since {dies_on}: its date of death had come", dies_on)
        else:
            sentence = f"Amazon has told no personal data of order {order_id}"
            answers[order_id] = OrderPeople(order_id, Presence.NEVER_TOLD, sentence)
    return answers


def _gone(order_id: str, sentence: str, since: date) -> OrderPeople:
    return OrderPeople(order_id, Presence.GONE, sentence, gone_since=since)


def _deaths(platform: Platform, read: Collection[tuple[LakeFile, pa.Table]]) -> dict[str, tuple[date, set[date]]]:
    """For each order the last date of death over its versions, and the days of the partitions that they are in."""
    found: dict[str, tuple[date, set[date]]] = {}
    for file, table in read:
        dates = expires_on_of(
            table.select(list(CLOCK_COLUMNS)), platform.clock.now(), platform.home.retention.pii_days
        ).to_pylist()
        for order_id, dies_on in zip(table.column(ORDER_COLUMN).to_pylist(), dates, strict=True):
            last, days = found.get(order_id, (date.min, set()))
            found[order_id] = (max(last, dies_on), days | {file.day})
    return found


def _named(order_ids: Collection[str]) -> str:
    """Orders as the audit trail names them: an order's id is no personal data."""
    further = len(order_ids) - _LISTED_ORDERS
    return f"orders {', '.join(list(order_ids)[:_LISTED_ORDERS])}" + (f" and {further} more" if further > 0 else "")

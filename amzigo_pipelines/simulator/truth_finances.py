"""What really happened to the seller's money in the synthetic world, for tests to compare with.

Belongs here: transactions and settlements as of an instant, without going through the API. Does not belong here: orders
and stock (`truth.py`). Instants are timezone-aware datetimes, money is Decimal in the marketplace's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from amzigo_pipelines.simulator.finances import books_of
from amzigo_pipelines.simulator.world import World


@dataclass(frozen=True)
class ChargeTruth:
    """One amount of a transaction: the leaf of its breakdown tree, with the SKU it is for, if any."""

    sku: str
    quantity: int
    path: tuple[str, ...]
    amount: Decimal


@dataclass(frozen=True)
class TransactionTruth:
    """One transaction.

    Attributes:
        known_at: from when on the API tells of it.
        status: as of the instant asked about.
        group_id: the financial event group; empty while deferred.
    """

    transaction_id: str
    kind: str
    status: str
    posted_at: datetime
    known_at: datetime
    marketplace_id: str
    currency: str
    order_id: str
    group_id: str
    total: Decimal
    charges: tuple[ChargeTruth, ...]


@dataclass(frozen=True)
class SettlementTruth:
    """One settlement whose report has appeared. `line_amounts` are its report's lines, in order."""

    settlement_id: str
    group_id: str
    marketplace_id: str
    currency: str
    started_at: datetime
    ended_at: datetime
    made_at: datetime
    total: Decimal
    transaction_ids: tuple[str, ...]
    line_amounts: tuple[Decimal, ...]


def transactions(world: World, seller_id: str, now: datetime) -> list[TransactionTruth]:
    """Every transaction posted by an instant, those included that the API tells of only later, by time."""
    epoch = int(now.timestamp())
    books = books_of(world.seller(seller_id, now))
    return [
        TransactionTruth(
            transaction_id=posting.transaction_id,
            kind=posting.kind,
            status=posting.status(epoch),
            posted_at=_instant(posting.posted_at),
            known_at=_instant(posting.known_at),
            marketplace_id=posting.market.marketplace_id,
            currency=posting.market.currency,
            order_id=posting.order.order_id if posting.order else "",
            group_id="" if posting.group is None else books.group_id(posting.market, posting.group),
            total=Decimal(posting.market.amount(posting.total)),
            charges=tuple(
                ChargeTruth(
                    sku=line.listing.sku if line.listing else "",
                    quantity=line.quantity,
                    path=charge.path,
                    amount=Decimal(posting.market.amount(charge.amount)),
                )
                for line in posting.lines
                for charge in line.charges
            ),
        )
        for posting in books.postings
        if posting.posted_at <= epoch
    ]


def settlements(world: World, seller_id: str, now: datetime) -> list[SettlementTruth]:
    """Every settlement whose report has appeared by an instant, by the time it did."""
    epoch = int(now.timestamp())
    books = books_of(world.seller(seller_id, now))
    return [
        SettlementTruth(
            settlement_id=settlement.settlement_id,
            group_id=books.group_id(settlement.market, settlement.number),
            marketplace_id=settlement.market.marketplace_id,
            currency=settlement.market.currency,
            started_at=_instant(settlement.start),
            ended_at=_instant(settlement.end),
            made_at=_instant(settlement.made_at),
            total=Decimal(settlement.market.amount(settlement.total)),
            transaction_ids=tuple(posting.transaction_id for posting in settlement.postings),
            line_amounts=tuple(
                Decimal(settlement.market.amount(charge.amount))
                for posting in settlement.postings
                for line in posting.lines
                for charge in line.charges
            ),
        )
        for settlement in books.settlements.values()
        if settlement.made_at <= epoch
    ]


def _instant(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)

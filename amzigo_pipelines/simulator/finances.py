"""The money of a seller's account: what Amazon posts for what was shipped, returned, stored and lost.

Belongs here: which transactions there are, when, and what each is made of; the two weeks that are settled together.
Does not belong here: how the Finances API (`api_finances.py`) and the settlement report (`report_settlement.py`) write
them.

Everything follows from the orders and the stock without any chance of its own, so the books are always those of the
world. Instants are epoch seconds, amounts minor units of the marketplace's currency, as the seller's account sees them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

from amzigo_pipelines.simulator import stock
from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import Item, Order, Parcel, Return
from amzigo_pipelines.simulator.seller_world import OWN_WAREHOUSE, SellerWorld

SHIPMENT = "Shipment"
REFUND = "Refund"
SERVICE_FEE = "ServiceFee"
ADJUSTMENT = "Adjustment"
TRANSFER = "Transfer"

DAY_S = 86_400
PERIOD_S = 14 * DAY_S
"""How long Amazon gathers before it settles."""
_LATEST_S = 46 * 3_600  # "up to 48 hours", with something in hand
_DEFERRED_S = 7 * DAY_S
_TRANSFER_AFTER_S = 3_600
_REPORTED_AFTER_S = 6 * 3_600
_REIMBURSED_AFTER_S = 5 * DAY_S
_SUBSCRIPTION = 3_999  # US cents
_STORAGE_PER_UNIT = 21
_FULFILMENT_PER_UNIT = 322


class Charge(NamedTuple):
    """One amount of a transaction.

    Attributes:
        path: the types of the Finances API's breakdown tree, from the top.
        amount_type, description: the same in the words of the settlement report.
        amount: positive in the seller's favour.
    """

    path: tuple[str, ...]
    amount_type: str
    description: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """What concerns one item of a transaction. `listing` is None for the whole account's fees."""

    listing: Listing | None
    item_id: str
    quantity: int
    charges: tuple[Charge, ...]


@dataclass(eq=False)
class Posting:
    """One transaction.

    Attributes:
        posted_at: its `postedDate`.
        known_at: from when on the API tells of it, up to two days later.
        lines: what it is made of.
        group: the number of the period that settles it; None while it is deferred.
        released_by: for a deferred one, the transaction that releases it.
        releases: for a release, the deferred one.
        settles: for a transfer, what it pays out.
    """

    transaction_id: str
    kind: str
    description: str
    market: Marketplace
    posted_at: int
    known_at: int
    lines: tuple[Line, ...]
    group: int | None
    order: Order | None = None
    shipment_id: str = ""
    refund_id: str = ""
    released_by: Posting | None = None
    releases: Posting | None = None
    settles: Settlement | None = None

    @property
    def total(self) -> int:
        """All of its charges."""
        return sum(charge.amount for line in self.lines for charge in line.charges)

    def status(self, now: int) -> str:
        """Amazon's status as of an instant."""
        if self.released_by is None:
            return "RELEASED"
        return "DEFERRED_RELEASED" if self.released_by.known_at <= now else "DEFERRED"


@dataclass(frozen=True)
class Settlement:
    """Two weeks of a marketplace that are paid out together.

    Attributes:
        start, end: what was posted from the one to before the other.
        made_at: when its report appears.
        postings: what it settles, by time.
    """

    settlement_id: str
    market: Marketplace
    number: int
    start: int
    end: int
    made_at: int
    postings: tuple[Posting, ...]

    @property
    def total(self) -> int:
        """What is paid out; negative where the seller owes."""
        return sum(posting.total for posting in self.postings)

    @property
    def deposited_at(self) -> int:
        """When the money is at the seller's bank."""
        return self.end + 2 * DAY_S


@dataclass
class Books:
    """All transactions of a seller up to `until`, by the time they were posted."""

    seller_id: str
    starts_at: int
    until: int
    postings: list[Posting] = field(default_factory=list)

    @cached_property
    def times(self) -> list[tuple[int, str]]:
        """When each was posted, with its id."""
        return [(posting.posted_at, posting.transaction_id) for posting in self.postings]

    @cached_property
    def settlements(self) -> dict[str, Settlement]:
        """The settlements by id, by the time their reports appear."""
        found: dict[str, Settlement] = {}
        for posting in self.postings:
            if posting.settles is not None:
                found[posting.settles.settlement_id] = posting.settles
        return dict(sorted(found.items(), key=lambda entry: (entry[1].made_at, entry[0])))

    def first_period_at(self, market: Marketplace) -> int:
        """When period 0 of a marketplace began: within the day before the seller did."""
        return self.starts_at - DAY_S + zlib.crc32(market.marketplace_id.encode()) % DAY_S

    def group_at(self, market: Marketplace, at: int) -> int:
        """The number of the period in which an instant lies."""
        return (at - self.first_period_at(market)) // PERIOD_S

    def group_id(self, market: Marketplace, number: int) -> str:
        """Amazon's financial event group identifier."""
        return f"FEG{zlib.crc32(f'{self.seller_id}/{market.marketplace_id}'.encode()):08x}{number:04d}"

    def settlement_id(self, market: Marketplace, number: int) -> str:
        """Amazon's settlement identifier: eleven digits."""
        return f"{zlib.crc32(f'{self.seller_id}/{market.marketplace_id}'.encode()) % 10**7:07d}{number:04d}"


_BOOKS: WeakKeyDictionary[SellerWorld, Books] = WeakKeyDictionary()


def books_of(seller: SellerWorld) -> Books:
    """The books of a seller as far as its world was made. What is later than now is for the caller to ignore."""
    books = _BOOKS.get(seller)
    if books is None or books.until != seller.made_until:
        books = _BOOKS[seller] = _keep_books(seller)
    return books


def refunded(item: Item, quantity: int) -> int:
    """What a buyer gets back for units of a line: all but the shipping."""
    return (item.total - item.shipping - item.shipping_tax + item.shipping_discount) * quantity // item.quantity


def _keep_books(seller: SellerWorld) -> Books:
    books = Books(seller.profile.seller_id, seller.starts_at, seller.made_until)
    found = [*_of_orders(books, seller), *_reimbursements(books, seller), *_monthly_fees(books, seller)]
    found = [posting for posting in found if posting.posted_at < books.until]
    by_group: dict[tuple[str, int], list[Posting]] = {}
    for posting in sorted(found, key=_order_of_posting):
        if posting.group is not None:
            by_group.setdefault((posting.market.marketplace_id, posting.group), []).append(posting)
    for own in by_group.values():
        market, number = own[0].market, own[0].group
        assert number is not None
        end = books.first_period_at(market) + (number + 1) * PERIOD_S
        if end + _TRANSFER_AFTER_S < books.until:
            found.append(_transfer(books, market, number, end, tuple(own)))
    books.postings = sorted(found, key=_order_of_posting)
    return books


def _order_of_posting(posting: Posting) -> tuple[int, str]:
    return posting.posted_at, posting.transaction_id


def _posting(
    books: Books, kind: str, description: str, market: Marketplace, posted_at: int, key: str, lines: tuple[Line, ...]
) -> Posting:
    mark = zlib.crc32(f"{books.seller_id}/{kind}/{key}".encode())
    # Most are told within the hour; every fifth takes up to two days.
    late_s = mark % _LATEST_S if mark % 5 == 0 else mark % 3_000
    transaction_id = f"{kind.upper()[:3]}-{key}-{mark:08x}"
    group = books.group_at(market, posted_at)
    return Posting(transaction_id, kind, description, market, posted_at, posted_at + late_s, lines, group)


# -- orders ------------------------------------------------------------------------------------------------------------


def _of_orders(books: Books, seller: SellerWorld) -> Iterator[Posting]:
    for order in seller.orders:
        sent = [0] * len(order.items)
        for parcel in order.parcels:
            lines = tuple(_shipped(order, parcel, sent))
            key = f"{order.order_id}-{parcel.number}"
            posting = _posting(books, SHIPMENT, "Order Payment", order.market, parcel.shipped_at + 1_200, key, lines)
            posting.order, posting.shipment_id = order, f"D{order.number:08d}{parcel.number}"
            yield posting
            if order.is_business:
                yield _released(books, posting, key)
        for number, back in enumerate(order.returns, 1):
            key = f"{order.order_id}-{number}"
            posting = _posting(
                books, REFUND, "Refund Order", order.market, back.at + 7_200, key, (_refund(order, back, number),)
            )
            posting.order, posting.refund_id = order, f"R{order.number:08d}{number}"
            yield posting


def _released(books: Books, deferred: Posting, key: str) -> Posting:
    """What is invoiced to businesses is held back for a while; its release is a transaction of its own."""
    posting = _posting(
        books,
        SHIPMENT,
        deferred.description,
        deferred.market,
        deferred.posted_at + _DEFERRED_S,
        f"{key}-RELEASE",
        deferred.lines,
    )
    posting.order, posting.shipment_id, posting.releases = deferred.order, deferred.shipment_id, deferred
    deferred.released_by, deferred.group = posting, None
    return posting


def _shipped(order: Order, parcel: Parcel, sent: list[int]) -> Iterator[Line]:
    """The lines of a parcel; shares of an item add up to the item, as in `fulfilment.shipped_items`."""
    for position, quantity in parcel.contents:
        item, before = order.items[position], sent[position]
        sent[position] = after = before + quantity

        def share(amount: int, before: int = before, after: int = after, ordered: int = item.quantity) -> int:
            return amount * after // ordered - amount * before // ordered

        tax, shipping_tax, discount = share(item.tax), share(item.shipping_tax), share(item.discount)
        goods, shipping = item.unit_price * quantity, share(item.shipping)
        charges = [
            Charge(("ProductCharges", "OurPricePrincipal"), "ItemPrice", "Principal", goods),
            Charge(("Tax", "OurPriceTax"), "ItemPrice", "Tax", tax),
            Charge(("Shipping", "ShippingPrincipal"), "ItemPrice", "Shipping", shipping),
            Charge(("Shipping", "ShippingTax"), "ItemPrice", "ShippingTax", shipping_tax),
            Charge(("GiftWrap", "GiftWrapPrincipal"), "ItemPrice", "GiftWrap", share(item.gift_wrap)),
            Charge(("PromotionRebates", "PromotionPrincipal"), "Promotion", "Principal", -discount),
            Charge(("PromotionRebates", "PromotionShipping"), "Promotion", "Shipping", -share(item.shipping_discount)),
            Charge(
                ("MarketplaceWithheldTax", "MarketplaceFacilitatorTaxPrincipal"),
                "ItemWithheldTax",
                "MarketplaceFacilitatorTax-Principal",
                -tax,
            ),
            Charge(
                ("MarketplaceWithheldTax", "MarketplaceFacilitatorTaxShipping"),
                "ItemWithheldTax",
                "MarketplaceFacilitatorTax-Shipping",
                -shipping_tax,
            ),
            Charge(("AmazonFees", "Commission", "Base"), "ItemFees", "Commission", -_commission(goods - discount)),
        ]
        if order.channel == AMAZON:
            fee = _converted(_FULFILMENT_PER_UNIT, order.market) * quantity
            charges.append(
                Charge(("AmazonFees", "FBAPerUnitFulfillmentFee", "Base"), "ItemFees", "FBAPerUnitFulfillmentFee", -fee)
            )
        yield Line(item.listing, item.item_id, quantity, tuple(c for c in charges if c.amount))


def _refund(order: Order, back: Return, number: int) -> Line:
    item, quantity = order.items[back.item], back.quantity
    total = refunded(item, quantity)
    tax, gift_wrap = item.tax * quantity // item.quantity, item.gift_wrap * quantity // item.quantity
    discount = item.discount * quantity // item.quantity
    commission = _commission(total - tax)
    charges = (
        # What is left after the others, so that rounding never costs a cent.
        Charge(
            ("ProductCharges", "OurPricePrincipal"), "ItemPrice", "Principal", -(total - tax - gift_wrap + discount)
        ),
        Charge(("Tax", "OurPriceTax"), "ItemPrice", "Tax", -tax),
        Charge(("GiftWrap", "GiftWrapPrincipal"), "ItemPrice", "GiftWrap", -gift_wrap),
        Charge(("PromotionRebates", "PromotionPrincipal"), "Promotion", "Principal", discount),
        Charge(
            ("MarketplaceWithheldTax", "MarketplaceFacilitatorTaxPrincipal"),
            "ItemWithheldTax",
            "MarketplaceFacilitatorTax-Principal",
            tax,
        ),
        Charge(("AmazonFees", "Commission", "Base"), "ItemFees", "Commission", commission),
        Charge(("AmazonFees", "RefundCommission", "Base"), "ItemFees", "RefundCommission", -(commission // 5)),
    )
    return Line(item.listing, f"{item.item_id}-{number}", quantity, tuple(c for c in charges if c.amount))


def _commission(price: int) -> int:
    return price * 15 // 100


def _converted(us_cents: int, market: Marketplace) -> int:
    """A fee that Amazon has in every country, in minor units of its currency."""
    return round(us_cents * market.price_factor / (1 if market.decimals else 100))


# -- the account -------------------------------------------------------------------------------------------------------


def _reimbursements(books: Books, seller: SellerWorld) -> Iterator[Posting]:
    """For units that Amazon lost."""
    markets = {market.marketplace_id: market for market in seller.markets}
    for (sku, market_id), pool in seller.pools.items():
        if market_id == OWN_WAREHOUSE:
            continue
        for movement in pool.movements:
            if movement.kind == stock.LOST:
                listing = seller.catalogue.listings[sku, market_id]
                charge = Charge(
                    ("Adjustment", "FBAInventoryReimbursement"),
                    "FBA Inventory Reimbursement",
                    "WAREHOUSE_LOST",
                    listing.price * movement.quantity * 60 // 100,
                )
                yield _posting(
                    books,
                    ADJUSTMENT,
                    "FBA Inventory Reimbursement",
                    markets[market_id],
                    movement.at + _REIMBURSED_AFTER_S,
                    f"{sku}-{movement.at}",
                    (Line(listing, "", movement.quantity, (charge,)),),
                )


def _monthly_fees(books: Books, seller: SellerWorld) -> Iterator[Posting]:
    month = datetime.fromtimestamp(books.starts_at, UTC).replace(day=1)
    while True:
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
        first = int(month.timestamp())
        if first >= books.until:
            return
        for market in seller.markets:
            fee = Charge(
                ("ServiceFees", "Subscription"), "other-transaction", "Subscription Fee",
                -_converted(_SUBSCRIPTION, market),
            )  # fmt: skip
            key = f"{month:%Y%m}-{market.country}"
            yield _posting(
                books, SERVICE_FEE, "Subscription Fee", market, first + 9 * 3_600, key, (Line(None, "", 0, (fee,)),)
            )
            units = sum(
                pool.levels(first).on_hand
                for (_, market_id), pool in seller.pools.items()
                if market_id == market.marketplace_id
            )
            if units:
                storage = -_converted(_STORAGE_PER_UNIT, market) * units
                fee = Charge(("ServiceFees", "FBAStorageFee"), "other-transaction", "Storage Fee", storage)
                yield _posting(
                    books, SERVICE_FEE, "FBA Storage Fee", market, first + 9 * DAY_S, f"{key}-S",
                    (Line(None, "", 0, (fee,)),),
                )  # fmt: skip


def _transfer(books: Books, market: Marketplace, number: int, end: int, postings: tuple[Posting, ...]) -> Posting:
    settlement = Settlement(
        settlement_id=books.settlement_id(market, number),
        market=market,
        number=number,
        start=end - PERIOD_S,
        end=end,
        made_at=end + _REPORTED_AFTER_S,
        postings=postings,
    )
    charge = Charge(("Transfer", "Disbursement"), "", "", -settlement.total)
    posting = _posting(
        books, TRANSFER, "Payment to bank account", market, end + _TRANSFER_AFTER_S, settlement.settlement_id,
        (Line(None, "", 0, (charge,)),),
    )  # fmt: skip
    # It belongs to the period that it pays out, and is none of its lines.
    posting.group, posting.settles = number, settlement
    return posting

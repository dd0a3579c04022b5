"""Whom an erasure or a hold is about: told once in the clear, kept as keyed hashes, found again by them.

Belongs here: from an order's id or an address to hashes, and from hashes to the rows of the lake. Does not belong here:
the requests (`erasures.py`) and holds (`holds.py`) that keep a subject.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.lake.row_match import (
    BUYER_KEY_COLUMN,
    EMAIL_COLUMNS,
    RowMatch,
    buyer_key_of,
    plain_email,
)
from amzigo_pipelines.resources.lake.search import EVERYTHING, PERSONAL
from amzigo_pipelines.resources.lake.tombstones import Scope, ensure_hash_key, hasher

if TYPE_CHECKING:
    from amzigo_pipelines.resources.lake.search import LakeSearch
    from amzigo_pipelines.resources.platform import Platform

_ORDER_ID = re.compile(r"[A-Za-z0-9-]{3,64}")


class SubjectError(AmzigoError):
    """That is nobody who could be meant. The sentence doesn't repeat what was given."""


@dataclass(frozen=True)
class Subject:
    """Whose data is meant, without saying who it is.

    Attributes:
        seller_id: in whose data.
        scope: an order, a buyer, or the seller as a whole.
        subject: keyed hash of the order's id, the buyer's address (or pseudonym, where the address is gone), or the
            seller's id.
        buyer_key: for a buyer the pseudonym, by which orders are found whose address is gone already.
    """

    seller_id: str
    scope: Scope
    subject: str
    buyer_key: str | None = field(default=None, repr=False)


def order_subject(platform: Platform, seller_id: str, order_id: str) -> Subject:
    """An order.

    Raises:
        SubjectError: that can't be an order's id.
    """
    _ensure(platform)
    return Subject(seller_id, Scope.ORDER, hasher(platform.keys, seller_id).order(check_order_id(order_id)))


def buyer_subject(
    platform: Platform, seller_id: str, *, email: str | None = None, order_id: str | None = None, actor: str
) -> Subject:
    """A buyer, by the address or by one of the orders.

    Raises:
        SubjectError: not exactly one of both was given, that can't be one, or the lake knows no buyer of that order.
    """
    if (email is None) == (order_id is None):
        raise SubjectError("say which buyer: by the e-mail address, or by one of the orders")
    _ensure(platform)
    hashes = hasher(platform.keys, seller_id)
    if email is None:
        email, buyer_key = _buyer_of(platform, seller_id, check_order_id(order_id or ""), actor)
        if email is None:
            if buyer_key is None:
                raise SubjectError(
                    "the lake knows no buyer of that order (Amazon named none, or pseudonym and address are gone): "
                    "erase the order itself, with 'amzigo erase order'"
                )
            return Subject(seller_id, Scope.BUYER, hashes.buyer_key(buyer_key), buyer_key)
    check_email(email)
    return Subject(
        seller_id, Scope.BUYER, hashes.buyer(email), buyer_key_of(email, platform.keys.pseudonymiser(seller_id))
    )


def seller_subject(platform: Platform, seller_id: str) -> Subject:
    """A seller as a whole."""
    _ensure(platform)
    return Subject(seller_id, Scope.SELLER, hasher(platform.keys, seller_id).seller())


def check_order_id(order_id: str) -> str:
    """The id itself.

    Raises:
        SubjectError: it can't be one.
    """
    if not _ORDER_ID.fullmatch(order_id.strip()):
        raise SubjectError("that is no order id: Amazon's look like 902-3159896-1390916")
    return order_id.strip()


def check_email(email: str) -> str:
    """The address in its plain form.

    Raises:
        SubjectError: it can't be one.
    """
    plain = plain_email(email)
    name, _, host = plain.rpartition("@")
    if not (name and host) or any(character.isspace() for character in plain):
        raise SubjectError("that is no e-mail address: give the buyer's as Amazon's orders have it")
    return plain


def buyer_hashes(platform: Platform, subject: Subject) -> set[str]:
    """All hashes by which a buyer is recognised later: of the address, where it is known, and of the pseudonym."""
    hashes = {subject.subject}
    if subject.buyer_key is not None:
        hashes.add(hasher(platform.keys, subject.seller_id).buyer_key(subject.buyer_key))
    return hashes


def found(
    platform: Platform, subject: Subject, order_hashes: Collection[str] = (), search: LakeSearch | None = None
) -> RowMatch:
    """The rows of a subject: for a buyer all rows of all orders that the lake knows to be the buyer's.

    Args:
        platform: the installation.
        subject: whose rows.
        order_hashes: hashes of orders that are known to be the subject's from before.
        search: a legal hold's, which goes on during an incident and reaches what is due; the lake's own when None.

    Raises:
        LakeDamaged: a file can't be read.
    """
    if subject.scope is Scope.SELLER:
        return RowMatch(is_all=True)
    hashes = hasher(platform.keys, subject.seller_id)
    pseudonymiser = platform.keys.pseudonymiser(subject.seller_id, even_frozen=search is not None)
    orders = {*order_hashes, *([subject.subject] if subject.scope is Scope.ORDER else ())}

    def is_order(order_id: str) -> bool:
        return hashes.order(order_id) in orders

    def is_buyer(email: str) -> bool:
        # The pseudonym is the address under a key: where it is known, comparing it says it all.
        if subject.buyer_key is not None:
            return buyer_key_of(email, pseudonymiser) == subject.buyer_key
        return hashes.buyer(email) == subject.subject

    first = RowMatch(
        is_order=is_order if orders else None,
        is_buyer=is_buyer if subject.scope is Scope.BUYER else None,
        buyer_key=subject.buyer_key,
    )
    # A hold keeps business rows, too: those of an order that has nothing personal left are found by nothing else.
    families = PERSONAL if search is None else EVERYTHING
    hits = (search or platform.lake.search).hits(subject.seller_id, first, families)
    order_ids = frozenset(order_id for hit in hits for order_id in hit.order_ids)
    emails = frozenset(email for hit in hits for email in hit.emails) if subject.scope is Scope.BUYER else frozenset()
    # From here on by values and not by hashes: far faster, and by the order it reaches rows that name no buyer. The
    # tombstones stand already, so no other value of the subject's can come.
    return RowMatch(order_ids=order_ids, emails=emails, buyer_key=subject.buyer_key)


def _buyer_of(platform: Platform, seller_id: str, order_id: str, actor: str) -> tuple[str | None, str | None]:
    """Address and pseudonym of an order's buyer, as far as the lake knows them."""
    match = RowMatch(order_ids=frozenset([order_id]))
    wanted = (EMAIL_COLUMNS[ORDERS.name], BUYER_KEY_COLUMN)
    platform.audit.record(actor, "read_pii", seller_id, f"order {order_id}", "who is to be erased or held", 1)
    known: dict[str, str] = {}
    for _, table in platform.lake.search.read(seller_id, match, PERSONAL, [ORDERS.name]):
        for row in table.to_pylist():
            known |= {name: row[name] for name in wanted if row.get(name)}
    return known.get(wanted[0]), known.get(wanted[1])


def _ensure(platform: Platform) -> None:
    ensure_hash_key(platform.control, platform.keys, platform.home.lock_dir)

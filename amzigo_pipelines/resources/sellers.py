"""The sellers that authorised us, with their marketplaces and refresh tokens.

Belongs here: the registry and the rule for seller ids. Does not belong here: destroying a leaving seller's data
(`retention/`) and using the token (`spapi/calls.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import sellers
from amzigo_pipelines.resources.control.statements import put_row
from amzigo_pipelines.resources.keys.store import KeyStore, SecretMissing
from amzigo_pipelines.resources.spapi.auth import ANY_REGION, REGIONS

# Amazon's merchant tokens; safe as a part of a path, a lock's name and a partition key.
_SELLER_ID = re.compile(r"[A-Z0-9]{3,32}")


class SellerError(AmzigoError):
    """A seller can't be added or used as asked."""


class UnknownSeller(SellerError):
    """There is no such seller."""


@dataclass(frozen=True)
class Seller:
    """One authorised selling account.

    Attributes:
        seller_id: Amazon's merchant token.
        name: what we call the seller.
        marketplace_ids: the marketplaces it authorised.
        added_at: when it was (last) added.
        removed_at: when it was removed; None while it is here.
    """

    seller_id: str
    name: str
    marketplace_ids: tuple[str, ...]
    added_at: datetime
    removed_at: datetime | None = None


def check_seller_id(seller_id: str) -> str:
    """The id itself.

    Raises:
        SellerError: it isn't 3 to 32 capital letters and digits.
    """
    if not _SELLER_ID.fullmatch(seller_id):
        raise SellerError(
            f"{seller_id!r} is no seller id: use Amazon's merchant token, 3 to 32 capital letters and digits"
        )
    return seller_id


def check_token(seller_id: str, refresh_token: str) -> str:
    """The refresh token itself, without white space around it.

    Raises:
        SellerError: it is empty, or has white space within.
    """
    token = refresh_token.strip()
    if not token or any(character.isspace() for character in token):
        raise SellerError(
            f"seller {seller_id} has no usable refresh token: authorise Amzigo in Seller Central and give its token"
        )
    return token


class SellerRegistry:
    """The sellers in the control database; threads may share it.

    Args:
        control: the control database.
        keys: wraps the refresh tokens.
        clock: dates the changes.
        audit: where changes are written down, with the change or not at all; nowhere when None.
    """

    def __init__(self, control: ControlDatabase, keys: KeyStore, clock: Clock, audit: AuditTrail | None = None) -> None:
        self._control = control
        self._keys = keys
        self._clock = clock
        self._audit = audit

    def add(
        self,
        seller_id: str,
        name: str,
        marketplace_ids: Sequence[str],
        refresh_token: str,
        region: str = ANY_REGION,
    ) -> Seller:
        """Add a seller, or one that was removed before.

        Args:
            seller_id: Amazon's merchant token.
            name: for people.
            marketplace_ids: where it sells.
            refresh_token: a first one; further regions' by `replace_token`.
            region: which region the token is for.

        Raises:
            SellerError: the id is malformed or taken, or there is no marketplace or token.
        """
        self.check_new(seller_id)
        if not marketplace_ids:
            raise SellerError(f"seller {seller_id} has no marketplace: name at least one")
        token = check_token(seller_id, refresh_token).encode()
        seller = Seller(seller_id, name, tuple(dict.fromkeys(marketplace_ids)), self._clock.now())
        values: dict[str, Any] = {
            "name": name,
            "marketplace_ids": json.dumps(seller.marketplace_ids),
            "added_at": seller.added_at,
            "removed_at": None,
        }
        # The token first: a seller without a token would fail every night, a token without a seller does nothing.
        self._keys.put_secret(_token_name(seller_id, region), token)
        with self._control.transaction() as connection:
            put_row(connection, sellers, {"seller_id": seller_id}, values)
            self._note(connection, "add_seller", seller_id, f"token for region {region}")
        return seller

    def check_new(self, seller_id: str) -> None:
        """Whether a seller of that id could be added.

        Raises:
            SellerError: the id is malformed or taken.
        """
        seller = self._load(check_seller_id(seller_id))
        if seller is not None and seller.removed_at is None:
            raise SellerError(
                f"seller {seller_id} is there already: 'amzigo seller token {seller_id}' replaces its token, "
                f"'amzigo seller marketplaces {seller_id}' changes where it sells"
            )

    def get(self, seller_id: str) -> Seller:
        """The seller of that id.

        Raises:
            UnknownSeller: there is none, or it was removed; the message lists those there are.
        """
        seller = self._load(seller_id)
        if seller is None or seller.removed_at is not None:
            there = ", ".join(s.seller_id for s in self.list()) or "none yet: add one with 'amzigo seller add'"
            gone = f" any more (removed on {seller.removed_at:%Y-%m-%d})" if seller and seller.removed_at else ""
            raise UnknownSeller(f"there is no seller {seller_id!r}{gone}; there are: {there}")
        return seller

    def list(self, include_removed: bool = False) -> list[Seller]:
        """All sellers by id; removed ones only when asked for."""
        query = sa.select(sellers).order_by(sellers.c.seller_id)
        if not include_removed:
            query = query.where(sellers.c.removed_at.is_(None))
        with self._control.read() as connection:
            return [_seller(row) for row in connection.execute(query)]

    def set_marketplaces(self, seller_id: str, marketplace_ids: Sequence[str]) -> Seller:
        """Change where a seller sells; its data and its tokens stay.

        Raises:
            UnknownSeller: there is no such seller.
            SellerError: no marketplace was given.
        """
        if not marketplace_ids:
            raise SellerError(f"seller {seller_id} would have no marketplace left: name at least one")
        self.get(seller_id)
        ids = json.dumps(tuple(dict.fromkeys(marketplace_ids)))
        with self._control.transaction() as connection:
            connection.execute(sellers.update().where(sellers.c.seller_id == seller_id).values(marketplace_ids=ids))
            self._note(connection, "change_seller", seller_id, f"marketplaces {ids}")
        return self.get(seller_id)

    def replace_token(self, seller_id: str, refresh_token: str, region: str = ANY_REGION) -> None:
        """Put a new refresh token in place of a seller's old one of that region; everything else stays.

        Raises:
            UnknownSeller: there is no such seller.
            SellerError: the token is empty.
        """
        self.get(seller_id)
        token = check_token(seller_id, refresh_token).encode()
        with self._control.transaction() as connection:
            self._keys.put_secret_in(connection, _token_name(seller_id, region), token)
            self._note(connection, "change_credentials", seller_id, f"refresh token for region {region}")

    def remove(self, seller_id: str) -> None:
        """Forget a seller's tokens, overwritten in the database, and mark the seller as removed.

        The data stays until retention destroys all the seller's keys.

        Raises:
            UnknownSeller: there is no such seller.
        """
        self.get(seller_id)
        for region in (ANY_REGION, *REGIONS):
            self._keys.destroy_secret(_token_name(seller_id, region))
        with self._control.transaction() as connection:
            connection.execute(
                sellers.update().where(sellers.c.seller_id == seller_id).values(removed_at=self._clock.now())
            )
            self._note(connection, "remove_seller", seller_id, "refresh tokens destroyed")

    def refresh_tokens(self, seller_id: str) -> dict[str, str]:
        """The seller's refresh tokens by region, in the clear: hand them to the client only.

        Returns:
            Those there are; the one under `ANY_REGION` serves every region that has none of its own.

        Raises:
            UnknownSeller: there is no such seller.
            SellerError: there is no token at all.
            SellerFrozen: the seller is frozen by an incident.
            KeyTampered: a stored token doesn't match its wrapping.
        """
        self.get(seller_id)
        tokens: dict[str, str] = {}
        for region in (ANY_REGION, *REGIONS):
            with suppress(SecretMissing):
                tokens[region] = self._keys.secret(_token_name(seller_id, region), seller_id).decode()
        if not tokens:
            raise SellerError(
                f"seller {seller_id} has no refresh token: give it one with 'amzigo seller token {seller_id}'"
            )
        return tokens

    def _note(self, connection: Connection, action: str, seller_id: str, subject: str) -> None:
        if self._audit is not None:
            acting = self._audit.acting
            self._audit.record_in(connection, acting.label, action, seller_id, subject, acting.reason)

    def _load(self, seller_id: str) -> Seller | None:
        with self._control.read() as connection:
            row = connection.execute(sa.select(sellers).where(sellers.c.seller_id == seller_id)).first()
        return None if row is None else _seller(row)


def _seller(row: sa.Row[Any]) -> Seller:
    return Seller(row.seller_id, row.name, tuple(json.loads(row.marketplace_ids)), row.added_at, row.removed_at)


def _token_name(seller_id: str, region: str) -> str:
    return f"refresh-token/{seller_id}" if region == ANY_REGION else f"refresh-token/{seller_id}/{region}"

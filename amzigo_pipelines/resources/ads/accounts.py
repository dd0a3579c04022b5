"""The sellers' advertising accounts: which profile is which marketplace, and the token that opens them.

Belongs here: the registry. Does not belong here: asking Amazon for profiles (`client.py`), the sellers themselves
(`sellers.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import ads_profiles
from amzigo_pipelines.resources.keys.store import KeyStore

_PROFILE_ID = re.compile(r"[0-9]{1,20}")


class AdsAccountError(AmzigoError):
    """An advertising account can't be connected or used as asked."""


@dataclass(frozen=True)
class AdsAccount:
    """A seller's advertising account.

    Attributes:
        seller_id: whose.
        profiles: by marketplace id Amazon's id of the advertising profile, digits.
    """

    seller_id: str
    profiles: Mapping[str, str]


class AdsAccounts:
    """The advertising accounts in the control database.

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

    def connect(self, seller_id: str, profiles: Mapping[str, str], refresh_token: str) -> AdsAccount:
        """Connect a seller's account, in place of what was connected before.

        Raises:
            AdsAccountError: there is no profile or token, or one that can't be one.
        """
        token = refresh_token.strip()
        if not token or any(character.isspace() for character in token):
            raise AdsAccountError(f"seller {seller_id} has no usable refresh token for advertising: give the one token")
        if not profiles or not all(_PROFILE_ID.fullmatch(profile_id) for profile_id in profiles.values()):
            raise AdsAccountError(f"seller {seller_id} needs at least one advertising profile, and its id is a number")
        # The token first: profiles without a token would fail every night, a token without profiles does nothing.
        self._keys.put_secret(_token_name(seller_id), token.encode())
        now = self._clock.now()
        with self._control.transaction() as connection:
            connection.execute(ads_profiles.delete().where(ads_profiles.c.seller_id == seller_id))
            connection.execute(
                ads_profiles.insert(),
                [
                    {"seller_id": seller_id, "marketplace_id": m, "profile_id": profile_id, "connected_at": now}
                    for m, profile_id in profiles.items()
                ],
            )
            self._note(connection, "connect_ads", seller_id, f"profiles {', '.join(profiles.values())}")
        return AdsAccount(seller_id, dict(profiles))

    def get(self, seller_id: str) -> AdsAccount | None:
        """The seller's account; None if none is connected."""
        query = sa.select(ads_profiles).where(ads_profiles.c.seller_id == seller_id)
        with self._control.read() as connection:
            rows = connection.execute(query.order_by(ads_profiles.c.marketplace_id)).all()
        return AdsAccount(seller_id, {row.marketplace_id: row.profile_id for row in rows}) if rows else None

    def refresh_token(self, seller_id: str) -> str:
        """The account's refresh token, in the clear: hand it to the client only.

        Raises:
            SecretMissing, KeyTampered: it is not there, or doesn't match its wrapping.
        """
        return self._keys.secret(_token_name(seller_id), seller_id).decode()

    def disconnect(self, seller_id: str) -> bool:
        """Forget an account, its token overwritten. False when there was none."""
        had_token = self._keys.destroy_secret(_token_name(seller_id))
        with self._control.transaction() as connection:
            removed = connection.execute(ads_profiles.delete().where(ads_profiles.c.seller_id == seller_id)).rowcount
            if had_token or removed:
                self._note(connection, "disconnect_ads", seller_id, "refresh token destroyed")
        return had_token or removed > 0

    def _note(self, connection: Connection, action: str, seller_id: str, subject: str) -> None:
        if self._audit is not None:
            acting = self._audit.acting
            self._audit.record_in(connection, acting.label, action, seller_id, subject, acting.reason)


def _token_name(seller_id: str) -> str:
    return f"ads-refresh-token/{seller_id}"

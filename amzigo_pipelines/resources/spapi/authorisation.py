"""A seller's consent: the way to Amazon's page for it, and what the seller brings back.

Belongs here: the consent page's address, the state that goes along, reading the redirect. Does not belong here:
exchanging the code (`lwa_grants.py`) and what the token then opens (`onboarding.py`).

The state is random, kept as a hash, good once and for 30 minutes: a redirect that we sent no seller for is refused
(OAuth 2.0, RFC 6749, section 10.12).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import sqlalchemy as sa

from amzigo_pipelines.catalog.marketplaces import Marketplace
from amzigo_pipelines.catalog.seller_central import SELLER_CENTRAL
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import authorisation_states
from amzigo_pipelines.resources.home import Home, Kind

STATE_LIVES = timedelta(minutes=30)
_SIMULATED_APPLICATION = "amzn1.sp.solution.synthetic0simulator"


class AuthorisationRefused(AmzigoError):
    """What a seller brought back from Amazon's consent page does not fit."""


@dataclass(frozen=True)
class Redirect:
    """What Amazon appends to the redirect's address.

    Attributes:
        code: the authorisation code: a secret, good once.
        seller_id: who consented; empty if only the code was given.
        state: what we sent along; empty if only the code was given.
    """

    code: str = field(repr=False)
    seller_id: str = ""
    state: str = field(default="", repr=False)


def read_redirect(text: str) -> Redirect:
    """An authorisation code, or the whole address to which Amazon redirected the seller.

    Raises:
        AuthorisationRefused: it is neither, or Amazon says that the seller did not consent.
    """
    text = text.strip()
    if "://" not in text and "spapi_oauth_code=" not in text:
        if not text or any(character.isspace() for character in text):
            raise AuthorisationRefused("this is no authorisation code: give the code, or the redirect's whole address")
        return Redirect(text)
    try:
        given = parse_qs(urlsplit(text).query if "?" in text else text)
    except ValueError:
        given = {}
    if "error" in given:
        raise AuthorisationRefused("the seller did not consent, says Amazon: ask the seller to authorise again")
    values = [given.get(name, []) for name in ("spapi_oauth_code", "selling_partner_id", "state")]
    if any(len(value) != 1 for value in values):
        raise AuthorisationRefused(
            "the redirect's address lacks spapi_oauth_code, selling_partner_id or state: paste it whole, in quotes"
        )
    (code,), (seller_id,), (state,) = values
    return Redirect(code, seller_id, state)


class Authorisations:
    """Consents that are under way, in the control database.

    Args:
        home: which application, and whether Amazon or the simulator.
        control: the control database.
        clock: ends the states.
    """

    def __init__(self, home: Home, control: ControlDatabase, clock: Clock) -> None:
        self._home = home
        self._control = control
        self._clock = clock

    def begin(self, marketplace: Marketplace, *, is_draft: bool = False) -> str:
        """The address of the page on which sellers of a marketplace consent, with a new state in it.

        Args:
            marketplace: whose Seller Central; the consent is for all of its region.
            is_draft: the application is not published yet.

        Raises:
            AuthorisationRefused: application_id is not set.
        """
        application_id = self._home.application_id
        if self._home.kind is Kind.TEST:
            application_id = application_id or _SIMULATED_APPLICATION
        if not application_id:
            raise AuthorisationRefused(
                f"application_id is not set in {self._home.settings_file}: write the application's id from the "
                'developer console there, such as application_id = "amzn1.sp.solution.x"'
            )
        state = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._control.transaction() as connection:
            connection.execute(authorisation_states.delete().where(authorisation_states.c.expires_at <= now))
            connection.execute(
                authorisation_states.insert().values(
                    state_hash=_hash(state), region=marketplace.region, expires_at=now + STATE_LIVES
                )
            )
        parameters = {"application_id": application_id, "state": state}
        if self._home.redirect_uri:
            parameters["redirect_uri"] = self._home.redirect_uri
        if is_draft:
            parameters["version"] = "beta"
        if self._home.kind is Kind.TEST:
            parameters["country"] = marketplace.country
            return f"{self._home.endpoint.rstrip('/')}/apps/authorize/consent?{urlencode(parameters)}"
        return f"https://{SELLER_CENTRAL[marketplace.country]}/apps/authorize/consent?{urlencode(parameters)}"

    def finish(self, redirect: Redirect, seller_id: str) -> str:
        """Accept a redirect with a state, once.

        Returns:
            The region that the seller consented for.

        Raises:
            AuthorisationRefused: another seller consented, or the state is none that we sent along lately.
        """
        if redirect.seller_id != seller_id:
            raise AuthorisationRefused(
                f"another seller than {seller_id} consented: check the id, and who is logged in to Seller Central"
            )
        these = sa.and_(
            authorisation_states.c.state_hash == _hash(redirect.state),
            authorisation_states.c.expires_at > self._clock.now(),
        )
        with self._control.transaction() as connection:
            region = connection.execute(sa.select(authorisation_states.c.region).where(these)).scalar()
            connection.execute(authorisation_states.delete().where(these))
        if region is None:
            raise AuthorisationRefused(
                "the state in the redirect's address is none that was given out in the last 30 minutes, or was used "
                "before: begin anew with 'amzigo seller authorize'"
            )
        return str(region)


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()

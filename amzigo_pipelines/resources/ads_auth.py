"""Whom we talk to about advertising, and who we are there: another API and another application than the SP-API's.

Belongs here: addresses and the application's credentials. Does not belong here: a seller's advertising account
(`ads_accounts.py`), HTTP (`ads_library.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.spapi_auth import (
    AMAZON_LOGIN,
    CredentialsMissing,
    Endpoint,
    LwaCredentials,
    endpoint_for,
)

ADS_API = {
    "NA": "https://advertising-api.amazon.com",
    "EU": "https://advertising-api-eu.amazon.com",
    "FE": "https://advertising-api-fe.amazon.com",
}
ADS_CLIENT_ID_VARIABLE = "AMZIGO_ADS_CLIENT_ID"
ADS_CLIENT_SECRET_VARIABLE = "AMZIGO_ADS_CLIENT_SECRET"  # noqa: S105 - a name, not a secret

# What the simulator accepts. Synthetic: they open nothing else, and a test home sends no others.
_SIMULATOR_CREDENTIALS = LwaCredentials(
    "amzn1.application-oa2-client.synthetic0advertising",
    "amzn1.oa2-cs.v1.synthetic0advertising",
)


def ads_endpoint_for(home: Home) -> Endpoint:
    """The Ads API that a home talks to: Amazon's, or for a `test` home its simulator.

    Raises:
        EndpointRefused: the home's setting is missing or not allowed.
    """
    endpoint = endpoint_for(home)
    return endpoint if home.kind is Kind.TEST else Endpoint(home.kind, ADS_API, AMAZON_LOGIN)


def ads_credentials_for(home: Home, environment: Mapping[str, str] | None = None) -> LwaCredentials:
    """The Ads application's credentials: the simulator's for a `test` home, else from the environment.

    Raises:
        CredentialsMissing: a variable is not set.
    """
    if home.kind is Kind.TEST:
        return _SIMULATOR_CREDENTIALS
    given = os.environ if environment is None else environment
    names = (ADS_CLIENT_ID_VARIABLE, ADS_CLIENT_SECRET_VARIABLE)
    client_id, client_secret = (given.get(name, "").strip() for name in names)
    missing = [name for name, value in zip(names, (client_id, client_secret), strict=True) if not value]
    if missing:
        raise CredentialsMissing(
            f"{' and '.join(missing)} not set: give the Login with Amazon client id and secret of the application that "
            "Amazon let into the Ads API"
        )
    return LwaCredentials(client_id, client_secret)

"""Whom we talk to about advertising, and who we are there: another API and another application than the SP-API's.

Belongs here: addresses and the application's credentials. Does not belong here: where secrets are kept
(`spapi/secret_sources.py`), a seller's advertising account (`accounts.py`), HTTP (`library.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from amzigo_pipelines.resources.home import Home, Kind, SecretProvider
from amzigo_pipelines.resources.spapi.auth import AMAZON_LOGIN, Endpoint, LwaCredentials, endpoint_for
from amzigo_pipelines.resources.spapi.secret_sources import secret_values

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
    """The Ads application's credentials: the simulator's for a `test` home, else from where the home keeps secrets.

    Raises:
        CredentialsMissing: one is not there.
        AwsError: AWS refuses, or can't be reached.
    """
    if home.kind is Kind.TEST and home.secrets.provider is SecretProvider.ENVIRONMENT:
        return _SIMULATOR_CREDENTIALS
    names = (ADS_CLIENT_ID_VARIABLE, ADS_CLIENT_SECRET_VARIABLE)
    client_id, client_secret = secret_values(home, names, environment)
    return LwaCredentials(client_id, client_secret)

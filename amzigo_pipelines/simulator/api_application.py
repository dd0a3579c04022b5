"""What concerns the application and no seller's data: a seller's consent, and the rotation of the client secret.

Belongs here: Seller Central's consent page as far as an application sees it, and rotateApplicationClientSecret of the
Application Management API 2023-11-30. Does not belong here: what codes and secrets are worth (`lwa.py`).
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from amzigo_pipelines.simulator.answers import Answer, Refusal, errors, instant, invalid
from amzigo_pipelines.simulator.calls import Simulator
from amzigo_pipelines.simulator.lwa import ROTATION_SCOPE
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import CLIENT_ID

REDIRECT_URI = "https://localhost/amzigo"
"""Where a seller is sent who consents, unless the consent page was asked for with another `redirect_uri`."""

_SECRET_LIVES = timedelta(days=180)
_OLD_SECRET_LIVES = timedelta(days=7)


def consent(simulator: Simulator, query: QueryParams) -> Answer:
    """`GET /apps/authorize/consent`: a seller consents at once, and is redirected with an authorisation code.

    Real sellers are known to Seller Central by their login and the page's host; here `selling_partner_id` and `country`
    say it.
    """
    try:
        profile = simulator.world.profile(query.get("selling_partner_id", ""))
    except KeyError:
        sellers = ", ".join(simulator.world.seller_ids)
        return errors(400, "InvalidInput", f"Add &selling_partner_id= and one of {sellers} to the address.")
    if not query.get("application_id") or not query.get("state"):
        return errors(400, "InvalidInput", "application_id and state must be given.")
    market = BY_COUNTRY.get(query.get("country", ""))
    code = simulator.login.new_code(profile, None if market is None else market.region)
    parameters = {"state": query["state"], "selling_partner_id": profile.seller_id, "spapi_oauth_code": code}
    target = f"{query.get('redirect_uri') or REDIRECT_URI}?{urlencode(parameters)}"
    return Answer(302, b"", "text/plain", {"location": target})


def rotate_client_secret(simulator: Simulator, token: str | None) -> Answer:
    """`POST /applications/2023-11-30/clientSecret`: a new secret, sent to the queue; the old one stays good as well.

    Raises:
        Refusal: the token is not one for rotation, no queue is registered, or it is too soon.
    """
    simulator.login.check_grantless(token, ROTATION_SCOPE)
    if not simulator.buckets.take("", "rotateApplicationClientSecret"):
        raise Refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    deliver = simulator.settings.deliver_notification
    if deliver is None:
        raise invalid("Application is not enrolled for rotation notification.")
    now = simulator.clock.now()
    deliver(
        {
            "notificationVersion": "1.0",
            "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
            "payloadVersion": "2023-11-30",
            "eventTime": instant(now.timestamp()),
            "payload": {
                "applicationOAuthClientNewSecret": {
                    "clientId": CLIENT_ID,
                    "newClientSecret": simulator.login.new_client_secret(),
                    "newClientSecretExpiryTime": instant((now + _SECRET_LIVES).timestamp()),
                    "oldClientSecretExpiryTime": instant((now + _OLD_SECRET_LIVES).timestamp()),
                }
            },
            "notificationMetadata": {
                "applicationId": "amzn1.sp.solution.synthetic0simulator",
                "subscriptionId": "synthetic",
                "publishTime": instant(now.timestamp()),
                "notificationId": "synthetic",
            },
        }
    )
    return Answer(204, b"")

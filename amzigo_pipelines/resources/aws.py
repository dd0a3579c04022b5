"""AWS: one way to a client of one of its services, and a sentence for each way in which AWS can refuse.

Belongs here: connections to AWS and what their errors mean. Does not belong here: what is kept there
(`spapi/secret_sources.py`, `spapi/secret_rotation.py`).

boto3 is imported when AWS is asked, not before: it takes half a second. Credentials for AWS itself are found by boto3
where it always looks: the machine's role, the environment, a profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.logs import protect_logs
from amzigo_pipelines.resources.spapi.addresses import is_loopback

_DENIED = (
    "AccessDenied",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "ExpiredToken",
    "IncompleteSignature",
)
_MISSING = (
    "ResourceNotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchKey",
    "404",
)
_BUSY = ("Throttl", "TooManyRequests", "InternalService", "InternalFailure", "ServiceUnavailable", "RequestLimit")


class AwsPlace(Protocol):
    """A section of the settings that says where in AWS something is."""

    @property
    def region(self) -> str:
        """Such as `eu-central-1`."""
        ...

    @property
    def endpoint(self) -> str:
        """Where the services are, if not at AWS's own addresses."""
        ...


class AwsError(AmzigoError):
    """AWS refused, or can't be used as it is set up.

    Attributes:
        code: AWS's own name for the refusal; empty if there was no answer.
    """

    code: str = ""


class AwsMissing(AwsError):
    """What was asked for isn't there."""


class AwsDenied(AwsError):
    """There are no AWS credentials, or they don't allow it."""


class AwsUnavailable(AwsError):
    """AWS can't be reached, or is busy."""

    is_retryable = True


def aws_client(home: Home, service: str, place: AwsPlace | None = None) -> Any:
    """A boto3 client in the region and at the endpoint of a section of the settings; its logs stay silent.

    Args:
        home: whose settings apply.
        service: AWS's name for it, such as `secretsmanager`.
        place: the section; the home's `[secrets]` when None.

    Raises:
        AwsError: a `test` home would talk to the real AWS.
    """
    settings = place or home.secrets
    host = urlsplit(settings.endpoint).hostname or ""
    if home.kind is Kind.TEST and not is_loopback(host):
        raise AwsError(
            "a test home talks to a local AWS only: set endpoint in that section of amzigo.toml to one on this machine"
        )
    # Before the first log line, which may hold a secret.
    protect_logs()
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        # Secrets go where amzigo.toml says, never where a variable of the environment does.
        ignore_configured_endpoint_urls=True,
        proxies={} if is_loopback(host) else None,
    )
    with aws_errors(f"a client for {service}"):
        client = boto3.session.Session().client(
            service, region_name=settings.region, endpoint_url=settings.endpoint or None, config=config
        )
    return client


@contextmanager
def aws_errors(what: str, section: str = "[secrets]") -> Iterator[None]:
    """Turn boto3's exceptions, whose text may quote what was sent, into ours.

    Args:
        what: what AWS is asked for, for the sentence; no secret.
        section: the section of the settings that says so.

    Raises:
        AwsError: one of its kinds, for any error of boto3's.
    """
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.response.get("Error", {}).get("Code", ""))
        refusal = _refusal(what, code, status, section)
        refusal.code = code
        raise refusal from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError):
        raise AwsDenied(
            f"AWS was not asked for {what}, for there are no AWS credentials: give this machine a role, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from None
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise AwsUnavailable(
            f"AWS gave no answer about {what} ({type(error).__name__}): check the network and the region, or try later"
        ) from None
    except boto.BotoCoreError as error:
        raise AwsError(
            f"AWS can't be asked for {what} ({type(error).__name__}): check {section} in amzigo.toml and AWS's profile"
        ) from None


def _refusal(what: str, code: str, status: int, section: str) -> AwsError:
    if code.startswith(_MISSING):
        return AwsMissing(f"AWS does not find {what} in this region and account: make it, or mend {section}")
    if code.startswith(_DENIED) or status in (401, 403):
        return AwsDenied(f"AWS denies access to {what} ({code}): let this machine's role or user have it")
    if code.startswith(_BUSY) or status == 429 or status >= 500:
        return AwsUnavailable(f"AWS is too busy for {what} ({code}): try again later")
    return AwsError(f"AWS refuses {what} ({code}): check {section} in amzigo.toml")

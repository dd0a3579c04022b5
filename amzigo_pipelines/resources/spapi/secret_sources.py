"""Where the applications' secrets come from: environment variables, or AWS Secrets Manager.

Belongs here: reading a secret by its name, and storing one where the store can. Does not belong here: what a secret is
for (`auth.py`, `ads/auth.py`), when it is exchanged (`secret_rotation.py`), and the sellers' refresh tokens:
they live wrapped in the control database.

A secret is called by its environment variable, `AMZIGO_LWA_CLIENT_SECRET`. In Secrets Manager the same secret is the
whole SecretString of `<prefix>lwa-client-secret`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.aws import AwsMissing, aws_client, aws_errors
from amzigo_pipelines.resources.home import Home, SecretProvider

# So long a process goes on with a secret that was exchanged: the old one stays good for days.
CACHED_FOR_S = 300.0

_lock = threading.Lock()
_cache: dict[tuple[str, str, str], tuple[str, float]] = {}  # where and name -> value, monotonic second of its end


class CredentialsMissing(AmzigoError):
    """An application's own credentials are not set."""


class SecretNotStored(AmzigoError):
    """The place where secrets are kept can't take a new one."""


def secret_value(home: Home, name: str, environment: Mapping[str, str] | None = None) -> str:
    """One secret, without white space around it, never empty.

    Args:
        home: whose settings say where secrets are kept.
        name: the name of its environment variable, such as `AMZIGO_LWA_CLIENT_SECRET`.
        environment: the process's own when None.

    Raises:
        CredentialsMissing: it is not there, or empty.
        AwsError: AWS refuses, or can't be reached.
    """
    return secret_values(home, (name,), environment)[0]


def secret_values(home: Home, names: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
    """Several secrets, as `secret_value`; where some are missing, the sentence names all of them."""
    if home.secrets.provider is SecretProvider.AWS:
        return [_from_aws(home, name) for name in names]
    given = os.environ if environment is None else environment
    values = [given.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise CredentialsMissing(
            f"{' and '.join(missing)} not set: give the application's Login with Amazon client id and secret in the "
            "environment, or keep them in AWS Secrets Manager ([secrets] in amzigo.toml)"
        )
    return values


def store_secret(home: Home, name: str, value: str) -> None:
    """Put a new value in place of a secret's old one, which AWS keeps as the previous version.

    Raises:
        SecretNotStored: secrets are kept in the environment, which is not ours to change.
        AwsError: AWS refuses, or can't be reached; the old value stands.
    """
    if home.secrets.provider is not SecretProvider.AWS:
        raise SecretNotStored(f"{name} comes from the environment: change it where the environment is set")
    secret_id = _secret_id(home, name)
    client = aws_client(home, "secretsmanager")
    with aws_errors(f"the secret {secret_id}"):
        client.put_secret_value(SecretId=secret_id, SecretString=value)
    forget_secrets()


def forget_secrets() -> None:
    """Forget what was read, so that the next reader asks the store again."""
    with _lock:
        _cache.clear()


def _from_aws(home: Home, name: str) -> str:
    secret_id = _secret_id(home, name)
    key = (home.secrets.endpoint, home.secrets.region, secret_id)
    with _lock:
        value, ends_at = _cache.get(key, ("", 0.0))
        if ends_at > time.monotonic():
            return value
        client = aws_client(home, "secretsmanager")
        try:
            with aws_errors(f"the secret {secret_id}"):
                value = str(client.get_secret_value(SecretId=secret_id).get("SecretString", "")).strip()
        except AwsMissing:
            raise CredentialsMissing(
                f"AWS Secrets Manager has no secret {secret_id} in {home.secrets.region}: make it with the value of "
                f"{name} as its whole text, or mend prefix and region under [secrets] in amzigo.toml"
            ) from None
        if not value:
            raise CredentialsMissing(
                f"the secret {secret_id} in AWS Secrets Manager is empty: give it the value of {name} as its whole text"
            )
        _cache[key] = (value, time.monotonic() + CACHED_FOR_S)
        return value


def _secret_id(home: Home, name: str) -> str:
    return home.secrets.prefix + name.removeprefix("AMZIGO_").lower().replace("_", "-")

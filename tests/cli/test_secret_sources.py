"""Secrets from AWS Secrets Manager, over HTTP against a local AWS: found, missing, denied, out of reach, never told."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from amzigo_pipelines.resources.aws import AwsDenied, AwsError, AwsUnavailable
from amzigo_pipelines.resources.home import Home, HomeError, Kind, load_home
from amzigo_pipelines.resources.spapi.auth import LwaCredentials, credentials_for
from amzigo_pipelines.resources.spapi.secret_sources import (
    CredentialsMissing,
    SecretNotStored,
    forget_secrets,
    secret_value,
    store_secret,
)
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET

from .aws_kit import Aws, aws, aws_server, free_port, set_up
from .conftest import Amzigo

__all__ = ["aws", "aws_server"]

NAME = "AMZIGO_LWA_CLIENT_SECRET"


@pytest.fixture
def kept(home: Home, aws: Aws) -> Home:
    """A home that keeps its secrets in the local AWS."""
    set_up(home, aws.settings())
    return load_home(home.path)


def test_the_applications_credentials_come_from_secrets_manager(kept: Home, aws: Aws) -> None:
    aws.put(" secret-of-ours\n", "id-of-ours")
    assert credentials_for(kept) == LwaCredentials("id-of-ours", "secret-of-ours")
    assert secret_value(kept, NAME) == "secret-of-ours"


def test_a_secret_is_fetched_once_until_it_is_forgotten(kept: Home, aws: Aws) -> None:
    aws.put("first")
    assert secret_value(kept, NAME) == "first"
    aws.client("secretsmanager").put_secret_value(SecretId="amzigo/lwa-client-secret", SecretString="second")
    assert secret_value(kept, NAME) == "first"
    forget_secrets()
    assert secret_value(kept, NAME) == "second"


def test_storing_a_secret(kept: Home, aws: Aws, home: Home) -> None:
    aws.put("first")
    assert secret_value(kept, NAME) == "first"
    store_secret(kept, NAME, "second")
    assert secret_value(kept, NAME) == "second" == aws.secret()
    previous = aws.client("secretsmanager").get_secret_value(
        SecretId="amzigo/lwa-client-secret", VersionStage="AWSPREVIOUS"
    )
    assert previous["SecretString"] == "first"
    with pytest.raises(SecretNotStored, match="environment"):
        store_secret(home, NAME, "x")


def test_another_prefix(home: Home, aws: Aws) -> None:
    set_up(home, aws.settings(prefix="prod/amzigo-"))
    aws.client("secretsmanager").create_secret(Name="prod/amzigo-ads-client-id", SecretString="ads")
    assert secret_value(load_home(home.path), "AMZIGO_ADS_CLIENT_ID") == "ads"


def test_a_missing_and_an_empty_secret(kept: Home, aws: Aws) -> None:
    with pytest.raises(CredentialsMissing, match="no secret amzigo/lwa-client-id in eu-central-1"):
        credentials_for(kept)
    aws.put(" ")
    with pytest.raises(CredentialsMissing, match="amzigo/lwa-client-secret in AWS Secrets Manager is empty"):
        credentials_for(kept)
    with pytest.raises(AwsError, match="does not find the secret amzigo/lwa-x"):
        store_secret(kept, "AMZIGO_LWA_X", "x")


def test_denied_access(kept: Home, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put()
    iam = aws.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    aws.post("/moto-api/reset-auth", b"0")
    try:
        with pytest.raises(AwsDenied, match="denies access to the secret amzigo/lwa-client-id"):
            credentials_for(kept)  # an access key that AWS does not know
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        with pytest.raises(AwsDenied, match="denies access to the secret amzigo/lwa-client-id"):
            credentials_for(kept)
    finally:
        aws.post("/moto-api/reset-auth", b"inf")


def test_no_credentials_for_aws(kept: Home, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AwsDenied, match="AWS_ACCESS_KEY_ID"):
        credentials_for(kept)


def test_no_network(amzigo: Amzigo, kept: Home, aws: Aws, seller: str) -> None:
    kept.settings_file.write_text(kept.settings_file.read_text().replace(aws.url, f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(AwsUnavailable, match="gave no answer") as caught:
        credentials_for(load_home(kept.path))
    assert caught.value.is_retryable
    assert (
        "check the network"
        in amzigo("extract", "--seller", seller, "--dataset", "orders", "--dataset", "order_items").sentence
    )


def test_variables_do_not_send_secrets_elsewhere(kept: Home, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert credentials_for(kept) == LwaCredentials(CLIENT_ID, CLIENT_SECRET)


def test_no_log_holds_a_secret(kept: Home, aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    aws.put("very-secret")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("botocore").setLevel(logging.DEBUG)
        logging.getLogger("botocore.parsers").setLevel(logging.DEBUG)
        try:
            for _ in range(2):
                forget_secrets()
                assert secret_value(kept, NAME) == "very-secret"
        finally:
            logging.getLogger("botocore").setLevel(logging.NOTSET)
            logging.getLogger("botocore.parsers").setLevel(logging.NOTSET)
    assert "very-secret" not in caplog.text and "[withheld: a ready-made text of botocore" in caplog.text


def test_a_test_home_does_not_ask_the_real_aws(kept: Home) -> None:
    for endpoint in ("", "https://secretsmanager.eu-central-1.amazonaws.com"):
        elsewhere = replace(kept, secrets=replace(kept.secrets, endpoint=endpoint))
        with pytest.raises(AwsError, match="test home"):
            credentials_for(elsewhere)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ('provider = "vault"', "provider must be environment or aws-secrets-manager"),
        ('provider = "aws-secrets-manager"', "needs the AWS region"),
        ('region = "eu central"', "region must be"),
        ('prefix = "a b"', "prefix must be"),
        ('endpoint = "http://192.0.2.7"', "endpoint must be"),
        ('rotation_queue_url = "http://sqs.example.com/1/q"', "rotation_queue_url must be"),
        ('lwa_client_secret = "x"', "lwa_client_secret, which Amzigo does not know"),
    ],
)
def test_settings_that_make_no_sense(home: Home, section: str, says: str) -> None:
    set_up(home, f"\n[secrets]\n{section}\n")
    with pytest.raises(HomeError, match=says):
        load_home(home.path)


def test_a_production_home_with_secrets_in_the_environment(home: Home) -> None:
    production = replace(home, kind=Kind.PRODUCTION)
    assert secret_value(production, NAME, {NAME: " x "}) == "x"
    with pytest.raises(CredentialsMissing, match=NAME):
        secret_value(production, NAME, {NAME: " "})


def test_status_tells_no_secret(amzigo: Amzigo, kept: Home, aws: Aws) -> None:
    aws.put()
    told = json.loads(amzigo("credentials", "status", "--json").out)
    assert told["kept in"] == "aws-secrets-manager" and told["client id"] == CLIENT_ID
    assert CLIENT_SECRET not in json.dumps(told)

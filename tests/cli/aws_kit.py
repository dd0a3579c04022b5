"""A local AWS over real HTTP (moto's server in a process of its own), and homes that keep their secrets in it.

Belongs here: what tests of AWS start from. Does not belong here: expectations.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.spapi.secret_sources import forget_secrets
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET

REGION = "eu-central-1"
QUEUE = "amzigo-rotation"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Aws:
    """A local AWS."""

    url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(proxies={}),
        )

    def post(self, path: str, body: bytes = b"") -> None:
        """Moto's own control, such as forgetting everything."""
        request = urllib.request.Request(self.url + path, data=body, headers={"content-type": "text/plain"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            assert answer.status == 200

    def settings(self, **more: str) -> str:
        """The section of amzigo.toml that points here."""
        lines = {"provider": "aws-secrets-manager", "region": REGION, "endpoint": self.url, **more}
        return "\n[secrets]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())

    def put(self, client_secret: str = CLIENT_SECRET, client_id: str = CLIENT_ID) -> None:
        for name, value in (("lwa-client-id", client_id), ("lwa-client-secret", client_secret)):
            self.client("secretsmanager").create_secret(Name=f"amzigo/{name}", SecretString=value)

    def secret(self) -> str:
        return str(self.client("secretsmanager").get_secret_value(SecretId="amzigo/lwa-client-secret")["SecretString"])

    def queue(self) -> str:
        return str(self.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"])


@contextmanager
def running_aws() -> Iterator[Aws]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Running on" in line:
                break
        else:
            pytest.fail("moto's server did not start")
        yield Aws(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    with running_aws() as server:
        yield server


@pytest.fixture
def aws(aws_server: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An empty AWS, and credentials for it in the environment."""
    aws_server.post("/moto-api/reset")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    forget_secrets()
    yield aws_server
    forget_secrets()


def set_up(home: Home, text: str) -> None:
    """Append to a home's settings."""
    home.settings_file.write_text(home.settings_file.read_text() + text)

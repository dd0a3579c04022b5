"""Fixtures of the alert tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from alert_kit import Mailbox, Webhook

from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.alerts.settings import read_alert_settings
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AMZIGO_")] + ["DAGSTER_HOME"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        yield server


@pytest.fixture
def platform(tmp_path: Path, webhook: Webhook, mailbox: Mailbox) -> Platform:
    """A home whose privacy team reads mail and whose other owners have a webhook."""
    home = Home(tmp_path / "home", Kind.TEST, date(2026, 10, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    settings = read_alert_settings(
        {
            "smtp": f"smtp://127.0.0.1:{mailbox.port}",
            "sender": "amzigo@example.com",
            "ui": "https://dagster.example.com",
            "routes": {"team:privacy": {"email": "dpo@example.com"}, "default": {"webhook": "AMZIGO_ALERT_WEBHOOK"}},
        }
    )
    return Platform(
        replace(home, alerts=settings),
        VirtualClock(datetime.now(UTC)),
        environment={"AMZIGO_ALERT_WEBHOOK": webhook.address},
    )

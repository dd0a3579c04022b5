"""The client secret's age and its exchange: simulator, Secrets Manager and SQS over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.auth import TOKENS, credentials_for
from amzigo_pipelines.resources.spapi.secret_sources import forget_secrets
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

from .aws_kit import Aws, aws, aws_server, set_up
from .conftest import Amzigo

__all__ = ["aws", "aws_server"]


@dataclass
class Rotating:
    """A home whose secret can be exchanged, and all that is around it."""

    home: Home
    aws: Aws
    server: SimulatorServer
    queue: str
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    def send(self, notification: Mapping[str, Any]) -> None:
        self.sent.append(notification)
        self.aws.client("sqs").send_message(QueueUrl=self.queue, MessageBody=json.dumps(notification))

    def left_in_queue(self) -> int:
        attributes = self.aws.client("sqs").get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])
        counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes["Attributes"][name]) for name in counts)

    @property
    def new_secret(self) -> str:
        return str(self.sent[-1]["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"])


@pytest.fixture
def rotating(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    monkeypatch.setenv("AMZIGO_HOME", str(tmp_path / "home"))
    deliver: list[Callable[[Mapping[str, Any]], None]] = []
    settings = SimulatorSettings(rate_scale=1_000, deliver_notification=lambda told: deliver[0](told))
    first_day = datetime.now(UTC).date() - timedelta(days=2)
    with SimulatorServer(World(demo_config(first_day, orders_per_day=2)), SystemClock(), settings) as server:
        home = Home(tmp_path / "home", Kind.TEST, first_day, server.url)
        initialise(home)
        aws.put()
        set_up(home, aws.settings(rotation_queue_url=aws.queue()))
        made = Rotating(load_home(home.path), aws, server, aws.queue())
        deliver.append(made.send)
        TOKENS.clear()
        yield made


def age_by(home: Home, days: int, amzigo: Amzigo) -> None:
    day = datetime.now(UTC).date() - timedelta(days=days)
    assert amzigo("credentials", "rotated", "--on", str(day)).code == 0


def finding(amzigo: Amzigo) -> dict[str, Any]:
    (found,) = [f for f in json.loads(amzigo("doctor", "--json").out) if f["check"] == "client secret"]
    return dict(found)


def connect(rotating: Rotating) -> str:
    profile = rotating.server.world.config.sellers[0]
    Platform(rotating.home).sellers.add(profile.seller_id, "N", profile.marketplace_ids, profile.refresh_token)
    return profile.seller_id


# -- exchanging ------------------------------------------------------------------------------------------------------


def test_rotating_from_end_to_end(amzigo: Amzigo, rotating: Rotating) -> None:
    done = amzigo("credentials", "rotate")
    assert done.code == 0, done.err
    assert rotating.aws.secret() == rotating.new_secret != CLIENT_SECRET
    assert rotating.new_secret not in done.out + done.err and CLIENT_SECRET not in done.out + done.err
    assert rotating.left_in_queue() == 0
    told = json.loads(amzigo("credentials", "status", "--json").out)
    assert (told["days old"], told["since when is"], told["new one asked for"]) == (0, "known", None)
    assert credentials_for(rotating.home).client_secret == rotating.new_secret
    assert rotating.server.requests["rotateApplicationClientSecret"] == 1


def test_a_process_that_runs_takes_the_new_secret_over(amzigo: Amzigo, rotating: Rotating) -> None:
    platform = Platform(rotating.home)
    with platform.selling_partner(connect(rotating)) as partner:
        assert partner.marketplace_participations("NA")
        # Another process exchanges the secret; this one still has the old one, which ends at Amazon a week later.
        rotating.server._simulator.login.new_client_secret()
        new = rotating.server._simulator.login._client_secrets[-1]
        rotating.aws.client("secretsmanager").put_secret_value(SecretId="amzigo/lwa-client-secret", SecretString=new)
        rotating.server._simulator.login.end_old_client_secrets()
        TOKENS.clear()
        assert partner.marketplace_participations("NA")
    assert [status for operation, status in rotating.server.log if operation == "token"] == [200, 401, 200]


def test_a_secret_that_ended_and_was_not_exchanged(amzigo: Amzigo, rotating: Rotating) -> None:
    seller_id = connect(rotating)
    rotating.server._simulator.login.new_client_secret()
    rotating.server._simulator.login.end_old_client_secrets()
    with Platform(rotating.home).selling_partner(seller_id) as partner, pytest.raises(Exception, match="credentials"):
        partner.marketplace_participations("NA")
    assert rotating.server.requests["token"] == 1  # the same secret is not tried twice
    assert "client id or secret" in amzigo("credentials", "rotate").sentence


def test_late_notifications_are_waited_for_without_asking_twice(amzigo: Amzigo, rotating: Rotating) -> None:
    rotating.server._simulator.settings.__dict__["deliver_notification"] = rotating.sent.append
    sentence = amzigo("credentials", "rotate", "--wait", "0").sentence
    assert "goes on waiting without asking twice" in sentence
    assert "went on" not in amzigo("credentials", "rotate", "--wait", "0").sentence
    assert rotating.server.requests["rotateApplicationClientSecret"] == 1
    assert json.loads(amzigo("credentials", "status", "--json").out)["new one asked for"] is not None
    rotating.send(rotating.sent[0])
    done = amzigo("credentials", "rotate", "--wait", "0")
    assert done.code == 0 and "asked for before" in done.out
    assert rotating.aws.secret() == rotating.new_secret
    assert rotating.server.requests["rotateApplicationClientSecret"] == 1


def test_other_messages_stay_in_the_queue(amzigo: Amzigo, rotating: Rotating) -> None:
    rotating.send({"notificationType": "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY", "payload": {}})
    other = {"clientId": "amzn1.application-oa2-client.other", "newClientSecret": "theirs"}
    rotating.send(
        {
            "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
            "payload": {"applicationOAuthClientNewSecret": other},
        }
    )
    rotating.aws.client("sqs").send_message(QueueUrl=rotating.queue, MessageBody="not JSON")
    assert amzigo("credentials", "rotate").code == 0
    assert rotating.aws.secret() == rotating.new_secret
    assert rotating.left_in_queue() == 3


def test_a_secret_that_does_not_work_is_not_stored(amzigo: Amzigo, rotating: Rotating) -> None:
    content = {"clientId": CLIENT_ID, "newClientSecret": "amzn1.oa2-cs.v1.forged"}
    rotating.send(
        {
            "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
            "payload": {"applicationOAuthClientNewSecret": content},
        }
    )
    sentence = amzigo("credentials", "rotate").sentence
    assert "the old one was kept" in sentence and "forged" not in sentence
    assert rotating.aws.secret() == CLIENT_SECRET and rotating.left_in_queue() == 1


def test_a_notification_from_before_the_secret_in_force(amzigo: Amzigo, rotating: Rotating) -> None:
    old = rotating.server._simulator.login.new_client_secret()
    content = {"clientId": CLIENT_ID, "newClientSecret": old}
    rotating.send(
        {
            "notificationType": "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
            "payload": {"applicationOAuthClientNewSecret": content},
        }
    )
    platform = Platform(rotating.home)
    platform.client_secrets.note_rotated(credentials_for(rotating.home), datetime.now(UTC) + timedelta(seconds=1))
    assert amzigo("credentials", "rotate", "--wait", "0").code in (0, 1)
    assert rotating.aws.secret() != old
    assert rotating.server.requests["rotateApplicationClientSecret"] == 1


def test_no_queue_is_registered_at_amazon(amzigo: Amzigo, rotating: Rotating) -> None:
    rotating.server._simulator.settings.__dict__["deliver_notification"] = None
    sentence = amzigo("credentials", "rotate").sentence
    assert "rotateApplicationClientSecret" in sentence and "400" in sentence
    assert json.loads(amzigo("credentials", "status", "--json").out)["new one asked for"] is None


def test_a_queue_that_is_not_there(amzigo: Amzigo, rotating: Rotating) -> None:
    text = rotating.home.settings_file.read_text()
    rotating.home.settings_file.write_text(text.replace("amzigo-rotation", "nonsense"))
    assert "does not find the queue" in amzigo("credentials", "rotate").sentence
    rotating.home.settings_file.write_text("\n".join(t for t in text.splitlines() if "rotation_queue_url" not in t))
    assert "rotation_queue_url is not set" in amzigo("credentials", "rotate").sentence
    assert rotating.server.requests["rotateApplicationClientSecret"] == 0


def test_secrets_in_the_environment_are_not_ours_to_exchange(amzigo: Amzigo, home: Home) -> None:
    sentence = amzigo("credentials", "rotate").sentence
    assert "Secrets Manager" in sentence and "credentials rotated --on" in sentence


# -- age -------------------------------------------------------------------------------------------------------------


def test_an_unknown_secret_counts_from_its_first_sight(amzigo: Amzigo, rotating: Rotating) -> None:
    with Platform(rotating.home).selling_partner(connect(rotating)):
        pass  # a nightly run sees it first
    told = json.loads(amzigo("credentials", "status", "--json").out)
    assert told["days old"] == 0 and "estimate" in told["since when is"]
    assert finding(amzigo)["finding"] == "from aws-secrets-manager, at least 0 days old"
    age_by(rotating.home, 20, amzigo)
    assert finding(amzigo)["finding"] == "from aws-secrets-manager, 20 days old"
    rotating.aws.client("secretsmanager").put_secret_value(SecretId="amzigo/lwa-client-secret", SecretString="other")
    forget_secrets()
    assert json.loads(amzigo("credentials", "status", "--json").out)["days old"] == 0


@pytest.mark.parametrize(
    ("days", "is_ok", "is_warning"), [(149, True, False), (150, True, True), (179, True, True), (180, False, False)]
)
def test_doctor_warns_of_an_old_secret(
    amzigo: Amzigo, rotating: Rotating, days: int, is_ok: bool, is_warning: bool
) -> None:
    age_by(rotating.home, days, amzigo)
    found = finding(amzigo)
    assert (found["ok"], found["warning"]) == (is_ok, is_warning)
    assert f"{days} days old" in found["finding"]
    assert ("credentials rotate" in found["finding"]) == (not is_ok or is_warning)
    if is_warning:
        assert f"in {180 - days}" in found["finding"]


def test_doctor_of_a_test_home_and_of_missing_secrets(amzigo: Amzigo, home: Home, aws: Aws) -> None:
    assert "never ends" in finding(amzigo)["finding"]
    set_up(home, aws.settings())
    found = finding(amzigo)
    assert not found["ok"] and "amzigo/lwa-client-id" in found["finding"]


def test_days_that_make_no_sense(amzigo: Amzigo, rotating: Rotating) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert "has not come yet" in amzigo("credentials", "rotated", "--on", str(tomorrow)).sentence
    assert amzigo("credentials", "rotated", "--on", "20.11.2026").code == 2
    assert amzigo("credentials", "rotate", "--wait", "-1").code == 2

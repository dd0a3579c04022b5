"""Mail: encrypted and logged in where the server can, refused in the clear anywhere but on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from alert_kit import Mailbox

from amzigo_pipelines.resources.alerts.channels import NotDelivered
from amzigo_pipelines.resources.alerts.settings import AlertSettings, read_alert_settings
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform


def telling(platform: Platform, port: int, password: str = "right") -> Platform:
    settings = read_alert_settings(
        {
            "smtp": f"smtp://localhost:{port}",
            "sender": "amzigo@example.com",
            "routes": {"default": {"email": ["ops@example.com", "dpo@example.com"]}},
        }
    )
    secrets = {"AMZIGO_SMTP_USER": "amzigo", "AMZIGO_SMTP_PASSWORD": password}
    return Platform(replace(platform.home, alerts=settings), platform.clock, environment=secrets)


def test_starttls_and_a_login(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Mailbox(authority, password="right") as server:
        telling(platform, server.port).alert_delivery.try_out("default", "email")
        assert server.was_encrypted == [True]
        assert server.letters[0]["To"] == "ops@example.com, dpo@example.com"
        assert "this is a test: nothing is wrong" in server.letters[0].get_content()
        with pytest.raises(NotDelivered, match="answered 535: check AMZIGO_SMTP_USER and AMZIGO_SMTP_PASSWORD"):
            telling(platform, server.port, "wrong").alert_delivery.try_out("default", "email")
        server.refuses.add("ops@example.com")
        with pytest.raises(NotDelivered, match="refused 1 of 2 addresses"):
            telling(platform, server.port).alert_delivery.try_out("default", "email")


def test_a_certificate_of_nobodys_authority_is_refused(platform: Platform) -> None:
    with Mailbox(trustme.CA()) as server, pytest.raises(NotDelivered, match="SSLCertVerificationError"):
        telling(platform, server.port).alert_delivery.try_out("default", "email")
    assert server.letters == []


def test_a_server_that_is_not_there(platform: Platform) -> None:
    with pytest.raises(NotDelivered, match="the mail server can't be reached"):
        telling(platform, 9).alert_delivery.try_out("default", "email")


def test_a_mail_server_elsewhere_is_not_for_a_test_home(platform: Platform) -> None:
    settings = read_alert_settings(
        {
            "smtp": "smtps://mail.example.com",
            "sender": "a@example.com",
            "routes": {"default": {"email": "b@example.com"}},
        }
    )
    elsewhere = Platform(replace(platform.home, alerts=settings), platform.clock, environment={})
    with pytest.raises(NotDelivered, match="a test home tells nobody but servers on this machine"):
        elsewhere.alert_delivery.try_out("default", "email")


def test_no_section_tells_nobody() -> None:
    assert read_alert_settings({}) == AlertSettings()
    assert Home(Path("/x"), Kind.TEST, first_day=None).alerts.routes == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ([], "write \\[alerts\\] on a line of its own"),
        ({"rout": {}}, "\\[alerts\\] has rout, which Amzigo does not know"),
        ({"routes": {"default": {}}}, 'the route "default" needs email or webhook'),
        ({"routes": {"default": {"email": ["nobody"]}}}, "must be a list such as"),
        ({"routes": {"default": {"email": "a@b.c"}}}, "needs smtp to send mail"),
        ({"smtp": "smtp://x", "routes": {"default": {"email": "a@b.c"}}}, "needs the sender of its mails"),
        ({"smtp": "mail.example.com"}, "smtp of \\[alerts\\] must be an address"),
        ({"routes": {"default": {"webhook": "https://chat.example.com/s3cr3t"}}}, "must be the name of the secret"),
        ({"remind_hours": 0}, "remind_hours of \\[alerts\\] must be a whole number from 1 to 720, it is 0"),
        ({"ui": "http://dagster.example.com"}, "ui of \\[alerts\\] must be an address that begins with https://"),
    ],
)
def test_bad_settings_get_one_sentence(section: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_alert_settings(section)
    assert "s3cr3t" not in str(caught.value)

"""The book of alerts: told once, once more when it is over, daily while an error stands; nothing is lost on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alert_kit import Mailbox, Webhook

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.alerts.book import Condition
from amzigo_pipelines.resources.alerts.messages import ERROR, WARN, Change
from amzigo_pipelines.resources.platform import Platform

LATE = Condition("check|a|late", ERROR, "team:privacy", "check late of a", "2 keys are late: sweep", "/assets/a")
OLD = Condition("check|b|old", WARN, "team:data-engineering", "check old of b", "a key is old: rotate it")


def later(platform: Platform, **time: int) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(platform.clock.now() + timedelta(**time))


def test_each_owner_is_told_once_by_its_own_way_and_again_when_it_is_over(
    platform: Platform, webhook: Webhook, mailbox: Mailbox
) -> None:
    for _ in range(3):
        platform.alerts.update([LATE, OLD])
        platform.alert_delivery.run()
    (letter,), (posted,) = mailbox.letters, webhook.taken
    assert letter["Subject"] == "[Amzigo] 1 opened (team:privacy)" and letter["To"] == "dpo@example.com"
    assert "2 keys are late: sweep" in letter.get_content()
    assert "https://dagster.example.com/assets/a" in letter.get_content()
    assert posted["owner"] == "team:data-engineering" and "a key is old: rotate it" in posted["text"]
    assert [(one["change"], one["severity"]) for one in posted["alerts"]] == [("opened", "WARN")]
    assert platform.alerts.update([OLD]) == {Change.RESOLVED: 1}
    assert platform.alert_delivery.run() == (1, [])
    assert "1 resolved" in mailbox.letters[1]["Subject"] and len(webhook.taken) == 1
    assert [alert.condition for alert in platform.alerts.list()] == [OLD]
    assert len(platform.alerts.list(with_resolved=True)) == 2


def test_an_error_that_stands_is_told_daily_a_warning_is_not(platform: Platform) -> None:
    assert platform.alerts.update([LATE, OLD]) == {Change.OPENED: 2}
    later(platform, hours=23)
    assert platform.alerts.update([LATE, OLD]) == {}
    later(platform, hours=1)
    assert platform.alerts.update([LATE, OLD]) == {Change.REMINDER: 1}
    assert platform.alerts.update([LATE, OLD]) == {}


def test_a_warning_that_becomes_an_error_is_told_at_once(platform: Platform) -> None:
    platform.alerts.update([OLD])
    worse = Condition(OLD.key, ERROR, OLD.owner, OLD.title, "the key is too old: rotate it")
    assert platform.alerts.update([worse]) == {Change.WORSE: 1}
    assert platform.alerts.list()[0].condition == worse


def test_a_server_that_is_down_delays_a_message_and_loses_none(platform: Platform, webhook: Webhook) -> None:
    webhook.status = 503
    platform.alerts.update([OLD])
    taken, reasons = platform.alert_delivery.run()
    assert taken == 0 and reasons == ["the webhook of AMZIGO_ALERT_WEBHOOK answered 503: check its address"]
    # Not at once again.
    assert platform.alert_delivery.run() == (0, [])
    later(platform, minutes=1)
    assert platform.alert_delivery.run()[0] == 0
    (waiting,) = platform.alert_delivery.undelivered()
    assert (waiting.attempts, waiting.channel) == (2, "webhook") and "503" in waiting.reason
    webhook.status = 200
    later(platform, minutes=2)
    assert platform.alert_delivery.run() == (1, [])
    assert len(webhook.taken) == 1 and len(set(webhook.keys)) == 1 and len(webhook.keys) == 3
    assert platform.alert_delivery.undelivered() == []


def test_a_refused_address_is_not_taken_for_delivered(platform: Platform, mailbox: Mailbox) -> None:
    mailbox.refuses.add("dpo@example.com")
    platform.alerts.update([LATE])
    taken, (reason,) = platform.alert_delivery.run()
    assert taken == 0 and "dpo@example.com" not in reason
    assert mailbox.letters == []


def test_what_is_told_of_many_is_short(platform: Platform, webhook: Webhook) -> None:
    many = [Condition(f"run|x|{n}", ERROR, "team:x", f"run of x, seller {n}", "no answer: wait") for n in range(1000)]
    assert platform.alerts.update(many) == {Change.OPENED: 1000}
    platform.alert_delivery.run()
    (posted,) = webhook.taken
    assert "1000 opened" in posted["text"] and "and 980 more: amzigo alerts list" in posted["text"]


def test_without_a_route_the_book_is_kept_and_nobody_told(platform: Platform) -> None:
    platform.home.alerts.__dict__["routes"] = {}
    assert platform.alerts.update([LATE]) == {Change.OPENED: 1}
    assert platform.alert_delivery.run() == (0, []) and len(platform.alerts.list()) == 1


def test_what_nothing_is_known_of_stays(platform: Platform) -> None:
    platform.alerts.update([LATE, OLD])
    assert platform.alerts.update([], is_over=lambda key: key != LATE.key) == {Change.RESOLVED: 1}
    assert [alert.condition for alert in platform.alerts.list()] == [LATE]


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ({}, "AMZIGO_ALERT_WEBHOOK is not set in the environment"),
        ({"AMZIGO_ALERT_WEBHOOK": "http://chat.example.com/s3cr3t"}, "holds no address that begins with https://"),
        ({"AMZIGO_ALERT_WEBHOOK": "https://chat.example.com/s3cr3t"}, "a test home tells nobody but servers on this"),
        ({"AMZIGO_ALERT_WEBHOOK": "http://127.0.0.1:9/s3cr3t"}, "can't be reached (ConnectError)"),
    ],
)
def test_an_address_is_a_secret_and_is_in_no_sentence(
    platform: Platform, secret: dict[str, str], sentence: str
) -> None:
    told = Platform(platform.home, platform.clock, environment=secret)
    told.alerts.update([OLD])
    taken, (reason,) = told.alert_delivery.run()
    assert taken == 0 and sentence in reason and "s3cr3t" not in reason

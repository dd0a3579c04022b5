"""From Dagster's records to a message: a failed run, a failed check, a daily check that was silent."""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from alert_kit import Mailbox, Webhook

from amzigo_pipelines.automation.alert_conditions import SILENT_AFTER, ended_runs
from amzigo_pipelines.automation.alerts import DAILY_CHECKS, tell_alerts
from amzigo_pipelines.automation.retention import CHECKS_JOB
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import SELLER_TAG
from amzigo_pipelines.resources.platform import Platform

EMAIL = "buyer.of.everything@example.com"


class Refused(AmzigoError):
    """For the test."""


@dg.op(config_schema={"how": str})
def step(context: dg.OpExecutionContext) -> None:
    how = context.op_config["how"]
    with explained():
        if how == "refused":
            raise Refused("the token is revoked: connect the seller again")
        if how == "foreign":
            raise ValueError(f"could not parse {EMAIL}")


@dg.job
def nightly() -> None:
    step()


def run(instance: dg.DagsterInstance, how: str, **tags: str) -> None:
    config = {"ops": {"step": {"config": {"how": how}}}}
    nightly.execute_in_process(run_config=config, instance=instance, tags=tags, raise_on_error=False)


def look(platform: Platform, instance: dg.DagsterInstance, cursor: str | None) -> tuple[str, str]:
    """One turn of the sensor: what it says, and its next cursor."""
    definitions = build_definitions(platform)
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
    )
    result = tell_alerts(context)
    assert isinstance(result, dg.SkipReason)
    return str(result.skip_message), str(context.cursor)


def test_failed_runs_by_seller_until_one_succeeds() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(instance, "refused", **{SELLER_TAG: "A1"})
        run(instance, "foreign", **{SELLER_TAG: "A2"})
        run(instance, "fine", **{SELLER_TAG: "A3"})
        found = ended_runs(instance, 0.0)
        assert set(found.failed) == {"run|nightly|A1", "run|nightly|A2"} and found.mended == {"run|nightly|A3"}
        assert found.failed["run|nightly|A1"].sentence == "step: the token is revoked: connect the seller again"
        assert EMAIL not in found.failed["run|nightly|A2"].sentence
        assert "an unexpected ValueError stopped this step" in found.failed["run|nightly|A2"].sentence
        run(instance, "fine", **{SELLER_TAG: "A1"})
        after = ended_runs(instance, found.until)
        assert not after.failed and after.mended == {"run|nightly|A1"}
        # Retried by Dagster: no trouble yet.
        run(instance, "refused", **{SELLER_TAG: "A1", "dagster/will_retry": "true"})
        assert not ended_runs(instance, after.until).failed


def test_the_sensor_tells_what_checks_and_runs_say_and_when_they_are_mended(
    platform: Platform, webhook: Webhook, mailbox: Mailbox
) -> None:
    checks = build_definitions(platform).resolve_job_def(CHECKS_JOB)
    kek = next(platform.home.kek_dir.glob("business*"))
    kek.rename(platform.home.path / "away")
    with dg.DagsterInstance.ephemeral() as instance:
        assert checks.execute_in_process(instance=instance).success
        run(instance, "refused", **{SELLER_TAG: "A1"})
        said, cursor = look(platform, instance, None)
        assert "2 opened; 2 messages delivered" in said
        assert "ERROR check key_ages of pii_retention" in mailbox.letters[0].get_content()
        (alert,) = webhook.taken[0]["alerts"]
        assert alert["title"] == "run of nightly, seller A1" and "the token is revoked" in alert["sentence"]
        assert alert["link"].startswith("https://dagster.example.com/runs/")
        said, cursor = look(platform, instance, cursor)
        assert "nothing new; 0 messages delivered" in said
        run(instance, "fine", **{SELLER_TAG: "A1"})
        (platform.home.path / "away").rename(kek)
        assert checks.execute_in_process(instance=instance).success
        look(platform, instance, cursor)
        assert "1 resolved" in mailbox.letters[1]["Subject"]
        assert [one["change"] for one in webhook.taken[1]["alerts"]] == ["resolved"]
        assert platform.alerts.list() == []


def test_a_daily_check_that_is_silent_is_a_trouble(platform: Platform, mailbox: Mailbox) -> None:
    assert isinstance(platform.clock, VirtualClock)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "nothing new" in look(platform, instance, None)[0]
        platform.clock.set(datetime.now(UTC) + SILENT_AFTER + timedelta(minutes=5))
        said, _ = look(platform, instance, None)
    assert f"{len(DAILY_CHECKS)} opened" in said
    assert "has not looked for 36 hours: see whether the Dagster daemon runs" in mailbox.letters[0].get_content()


def test_the_daily_checks_are_those_of_the_code_location(platform: Platform) -> None:
    graph = build_definitions(platform).get_repository_def().asset_graph
    assert set(DAILY_CHECKS) <= set(graph.asset_check_keys)


def test_an_error_keeps_the_cursor(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    (platform.home.path / "control.db").rename(platform.home.path / "away")
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = build_definitions(platform)
        context = dg.build_sensor_context(
            instance=instance,
            cursor="7.0",
            repository_def=definitions.get_repository_def(),
            resources={"platform": platform},
        )
        with pytest.raises(dg.Failure, match="is missing: restore it from a backup"):
            tell_alerts(context)
        assert context.cursor == "7.0"

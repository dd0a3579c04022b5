"""Which troubles there are just now: failed runs, failed asset checks, and daily checks that did not look.

Retention past its date, overdue erasures, ages of keys and secrets, quality: each is an asset check already, so what is
told is what the checks say. Belongs here: reading Dagster's records. Does not belong here: the book of alerts
(`resources/alerts/book.py`), and finding troubles that no check knows: write a check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from amzigo_pipelines.resources.alerts.book import Condition
from amzigo_pipelines.resources.alerts.messages import ERROR, WARN
from amzigo_pipelines.resources.labels import DATA_TEAM, SELLER_TAG

# Daily checks that were silent for longer than this: the scheduler stands still, or their runs die.
SILENT_AFTER = timedelta(hours=36)
# Runs a turn: a morning after a bad night has thousands, and the next turn goes on where this one ended.
_RUNS_AT_ONCE = 500


@dataclass
class Runs:
    """What runs that ended say.

    Attributes:
        failed: the troubles.
        mended: keys of troubles that a later run of the same job and seller ended.
        until: when the last of them ended: where to go on, as a POSIX timestamp.
    """

    failed: dict[str, Condition] = field(default_factory=dict)
    mended: set[str] = field(default_factory=set)
    until: float = 0.0


def ended_runs(instance: dg.DagsterInstance, since: float) -> Runs:
    """The runs that ended since a moment, oldest first: of each job and seller the last one counts.

    Args:
        instance: Dagster's records.
        since: POSIX timestamp, exclusive.
    """
    found = Runs(until=since)
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=datetime.fromtimestamp(since, UTC),
        ),
        limit=_RUNS_AT_ONCE,
        order_by="update_timestamp",
        ascending=True,
    )
    for record in records:
        run = record.dagster_run
        seller_id = run.tags.get(SELLER_TAG, "")
        key = f"run|{run.job_name}|{seller_id}"
        found.until = max(found.until, record.update_timestamp.timestamp())
        if run.status == dg.DagsterRunStatus.SUCCESS:
            found.failed.pop(key, None)
            found.mended.add(key)
        elif run.tags.get("dagster/will_retry") != "true":
            found.mended.discard(key)
            found.failed[key] = Condition(
                key,
                ERROR,
                DATA_TEAM,
                f"run of {run.job_name}" + (f", seller {seller_id}" if seller_id else ""),
                _sentence_of(instance, run.run_id),
                f"/runs/{run.run_id}",
            )
    return found


def _sentence_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the first failed step says of itself: steps speak through `explained()`, so never a value."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    for record in records:
        event = record.event_log_entry.dagster_event
        data = event.step_failure_data.user_failure_data if event is not None else None
        if event is not None and data is not None and data.description:
            more = f" ({len(records)} steps failed)" if len(records) > 1 else ""
            return f"{event.step_key}: {data.description}{more}"
    # A foreign exception's text could quote a row.
    return "it ended without a sentence of its own, as a killed process does: open the run"


@dataclass
class Checks:
    """What the asset checks say.

    Attributes:
        failed: the troubles.
        undecided: keys of checks that are looking just now.
    """

    failed: list[Condition] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)


def check_states(
    instance: dg.DagsterInstance,
    keys: Collection[dg.AssetCheckKey],
    owners: dict[dg.AssetKey, str],
    daily: Collection[dg.AssetCheckKey],
    installed_at: datetime,
    now: datetime,
) -> Checks:
    """The latest word of every check.

    Args:
        instance: Dagster's records.
        keys: all checks of the code location.
        owners: who is told, by asset.
        daily: those that must have looked within `SILENT_AFTER`.
        installed_at: since when they could have.
        now: the moment.
    """
    found = Checks()
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    for key in sorted(keys, key=str):
        owner = owners.get(key.asset_key, DATA_TEAM)
        path, name = "/".join(key.asset_key.path), key.name
        alert_key, title = f"check|{path}|{name}", f"check {name} of {path}"
        link = f"/assets/{quote(path)}?view=checks&checkDetail={quote(name)}"
        record = latest.get(key)
        if record is not None and record.status == Status.PLANNED:
            found.undecided.add(alert_key)
        evaluation = record.evaluation if record is not None else None
        if evaluation is not None and not evaluation.passed:
            severity = ERROR if evaluation.severity == dg.AssetCheckSeverity.ERROR else WARN
            sentence = evaluation.description or "it did not pass: open it"
            found.failed.append(Condition(alert_key, severity, owner, title, sentence, link))
        if key in daily:
            looked_at = installed_at if record is None else datetime.fromtimestamp(record.create_timestamp, UTC)
            if now - looked_at > SILENT_AFTER:
                hours = int((now - looked_at).total_seconds() // 3600)
                told = f"it is due every day and has not looked for {hours} hours: see whether the Dagster daemon runs"
                found.failed.append(Condition(f"silent|{path}|{name}", ERROR, owner, title, told, link))
    return found


def owners_of(assets: Iterable[tuple[dg.AssetKey, Collection[str]]]) -> dict[dg.AssetKey, str]:
    """Of each asset its first owner."""
    return {key: next(iter(owners)) for key, owners in assets if owners}

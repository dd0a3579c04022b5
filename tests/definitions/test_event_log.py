"""The pooled event log is Dagster's own in every way that can be seen from outside."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from amzigo_pipelines.cli.initialise import dagster_settings
from amzigo_pipelines.resources.event_log import _OPEN_SHARDS, PooledSqliteEventLogStorage

# More runs than connections are kept for, so that some are closed and opened again.
RUNS = _OPEN_SHARDS + 3


@dg.asset
def something(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.info("working")
    return dg.MaterializeResult(metadata={"rows": 3})


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance as our dagster.yaml makes it."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(dagster_settings())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_what_it_stores_dagsters_own_class_reads(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
    runs = [dg.materialize([something], instance=instance).run_id for _ in range(RUNS)]
    stock = SqliteEventLogStorage(str(tmp_path / "history" / "runs"))
    for run_id in runs:
        ours = [entry.message for entry in instance.all_logs(run_id)]
        assert len(ours) > 5 and any("working" in message for message in ours)
        assert [entry.message for entry in stock.get_logs_for_run(run_id)] == ours
    assert stock.get_materialized_partitions(something.key) == set()
    assert len(instance.fetch_materializations(something.key, limit=100).records) == RUNS
    assert stock.alembic_version() == instance.event_log_storage.alembic_version()
    stock.dispose()


def test_a_deleted_run_is_gone_and_a_wipe_forgets_all(instance: dg.DagsterInstance) -> None:
    first, second = (dg.materialize([something], instance=instance).run_id for _ in range(2))
    instance.delete_run(first)
    assert instance.all_logs(first) == [] and instance.all_logs(second) != []
    instance.event_log_storage.wipe()
    assert instance.all_logs(second) == []
    assert dg.materialize([something], instance=instance).success

"""Everything on a real PostgreSQL: the control database's work, and Dagster's storage with its pool."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from postgres_kit import PostgresServer
from storage_kit import NOW, open_store
from storage_kit import make_store as make

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.database import ControlError
from amzigo_pipelines.resources.control.schema import data_keys
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.postgres_storage import PooledPostgresStorage
from amzigo_pipelines.retention.certificates import ensure_signing_key, verify_chain
from amzigo_pipelines.retention.sweep import sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture
def address(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    found = server.database()
    monkeypatch.setenv("AMZIGO_DATABASE_URL", found)
    monkeypatch.setenv("AMZIGO_DAGSTER_DATABASE_URL", found)
    return found


def test_write_read_sweep_and_certify(address: str, tmp_path: Path) -> None:
    store = make(tmp_path / "home")
    store.write("first")
    store.write("second")
    assert store.tags() == ({"second"}, {"second"})
    assert len(store.pii_names()) == 4
    platform = Platform(load_home(store.home.path), store.clock)
    ensure_signing_key(platform)
    store.clock.set(NOW + timedelta(days=40))
    sweep(platform, as_of=store.clock.now().date(), retention_class=RetentionClass.PII)
    assert verify_chain(platform)
    assert not [path for path in store.on_disk() if "/pii-" in path]
    assert store.tags() == ({"second"}, {"second"})
    with platform.control.read() as connection:
        dead = connection.execute(sa.select(data_keys.c.key_id).where(data_keys.c.destroyed_at.is_not(None))).scalar()
    with pytest.raises(KeyDead):
        platform.keys.open(str(dead))
    assert platform.audit.verify() > 0
    # Opened anew, as another process would: everything is in the server, nothing in the home.
    assert open_store(tmp_path / "home").current() == store.current()
    assert not (tmp_path / "home" / "control.db").exists()


@dg.asset
def looked_at() -> None:
    """For the test."""


def test_dagster_keeps_its_history_there_over_few_connections(
    server: PostgresServer, address: str, tmp_path: Path
) -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "dagster.postgres.yaml").read_text("utf-8"))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        engines = [one._engine for one in (instance.event_log_storage, instance.run_storage, instance.schedule_storage)]
        assert len({id(engine) for engine in engines}) == 1
        made = 0

        def count(*_: object) -> None:
            nonlocal made
            made += 1

        sa.event.listen(engines[0], "connect", count)
        for _ in range(3):
            assert dg.materialize([looked_at], instance=instance).success
        events = instance.get_records_for_run(instance.get_runs()[0].run_id).records
        assert len(events) > 10 and made <= 2
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert len(instance.get_runs()) == 3
    # The control database's tables may be beside Dagster's: neither takes the other's revision for its own.
    store = make(tmp_path / "home")
    store.write("beside")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert dg.materialize([looked_at], instance=instance).success


def test_settings_with_postgres_differ_in_the_storage_alone() -> None:
    embedded = yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8"))
    postgres = yaml.safe_load((ROOT / "deploy" / "dagster.postgres.yaml").read_text("utf-8"))
    assert embedded.pop("event_log_storage") and postgres.pop("storage")
    assert embedded == postgres


def test_dagsters_history_does_not_cross_a_network_in_the_clear() -> None:
    with pytest.raises(ControlError, match="asks for no TLS"):
        PooledPostgresStorage("postgresql://dagster@db.example.com/dagster")


def test_a_server_that_is_gone_is_one_sentence(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZIGO_DATABASE_URL", f"postgresql://postgres:s3cr3t@/nowhere?host={tmp_path}")
    with pytest.raises(ControlError, match="check that it can be reached") as caught:
        open_store(tmp_path / "home").lake.files()
    assert "s3cr3t" not in str(caught.value)

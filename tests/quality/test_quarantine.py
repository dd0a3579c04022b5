"""Quarantine: what does not fit is kept apart, told in counts, played back once the mapping is mended, and dies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from amzigo_pipelines.assets.extraction.extract import extract_partition, extract_partitions, replay
from amzigo_pipelines.assets.extraction.quarantining import Quarantined
from amzigo_pipelines.assets.partitions import partition_key
from amzigo_pipelines.catalog import report_headers
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.cli.main import app
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.quality.completeness import DayState, completeness
from amzigo_pipelines.resources import platform as platform_module
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.labels import EXTRACTION_JOB, lake_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.quarantine.store import DATASET, LIVES_DAYS, QuarantineError
from amzigo_pipelines.resources.quarantine.structure import collecting
from amzigo_pipelines.resources.reports.values import parse_values
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.retention import erasing, erasures
from amzigo_pipelines.retention.sweep import sweep
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .quarantine_child import NAME, NOW, SELLER

FIRST_DAY, DAY = date(2026, 9, 1), date(2026, 9, 20)
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
US = BY_COUNTRY["US"].marketplace_id


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    profile = SellerProfile(
        seller_id=SELLER,
        refresh_token=f"Atzr|synthetic-{SELLER}",
        marketplace_ids=(US,),
        orders_per_day=5,
        sku_count=30,
    )
    world = World(WorldConfig(seed=7, first_day=DAY - timedelta(days=3), sellers=(profile,)))
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=100_000)) as server:
        yield server


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, server: SimulatorServer) -> Path:
    path = tmp_path_factory.mktemp("quarantine") / "template"
    home = Home(path=path, kind=Kind.TEST, first_day=FIRST_DAY, endpoint=server.url, rate_scale=100_000.0)
    initialise(home)
    Platform(home, VirtualClock(NOW)).sellers.add(SELLER, "Test", (US,), f"Atzr|synthetic-{SELLER}")
    return path


@pytest.fixture
def platform(
    template: Path, tmp_path: Path, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    TOKENS.clear()
    server.faults.clear()
    shutil.copytree(template, tmp_path / "home")
    platform = Platform(load_home(tmp_path / "home"), VirtualClock(NOW))
    monkeypatch.setattr(platform_module, "open_platform", lambda clock=None: platform)
    yield platform
    server.faults.clear()


def rename_a_column(server: SimulatorServer) -> None:
    """Amazon calls a column otherwise that identifies rows."""
    renamed = {"renamed": {"seller-sku": "number-of-the-seller"}}
    server.faults.add(f"createReport/{LISTINGS}", "columns", times=None, columns=renamed)


def send_misfits(server: SimulatorServer, times: int | None = None) -> None:
    """Amazon sends two orders, with a buyer, whose amounts, times and items are not what they should be."""
    at = "2026-09-20T10:00:00Z"
    orders = [
        {
            "orderId": number,
            "createdTime": created,
            "lastUpdatedTime": at,
            "fulfillment": {"fulfillmentStatus": "UNSHIPPED"},
            "salesChannel": {"marketplaceId": US},
            "buyer": {"buyerName": NAME},
            "orderItems": [{"orderItemId": f"i{number}", "quantityOrdered": 1}],
        }
        for number, created in (("1", "yesterday"), ("2", at))
    ]
    body = json.dumps({"orders": orders, "lastUpdatedBefore": "2026-09-21T00:20:00Z"})
    server.faults.add("searchOrders", "status", times=times, status=200, body=body)


def rows(platform: Platform, dataset: str, day: date = DAY) -> int:
    return sum(record.rows for record in platform.lake.partitions(SELLER, dataset) if record.day == day)


def state(platform: Platform, dataset: str) -> DayState:
    return next(one for one in completeness(platform, SELLER) if one.dataset == dataset).days[DAY]


def quarantined(platform: Platform, datasets: list[str]) -> str:
    with pytest.raises(Quarantined) as caught:
        extract_partition(platform, SELLER, DAY, datasets)
    return str(caught.value)


def move(platform: Platform, to: datetime) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(to)


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["quality", "quarantine", *arguments])


def plaintext(platform: Platform, *words: str) -> list[Path]:
    files = [path for path in platform.home.path.rglob("*") if path.is_file()]
    assert len(files) > 3
    return [path for path in files if any(word.encode() in path.read_bytes() for word in words)]


def test_a_batch_that_does_not_fit_is_kept_apart_and_becomes_the_partition_once_the_mapping_is_mended(
    platform: Platform, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename_a_column(server)
    sentence = quarantined(platform, ["listings"])
    assert f"listings of seller {SELLER}, {DAY}, is quarantined as Q1 until 2026-09-28" in sentence
    assert "seller-sku" in sentence and "amzigo quality quarantine replay Q1" in sentence
    # Nothing of it is in the lake, and the day says what it is.
    assert not platform.lake.partitions(SELLER, "listings") and state(platform, "listings") is DayState.QUARANTINED
    (file,) = platform.lake.files(seller_id=SELLER)
    assert (file.dataset, file.family, file.expires_on) == (
        DATASET,
        RetentionClass.PII,
        NOW.date() + timedelta(LIVES_DAYS),
    )
    assert not plaintext(platform, "number-of-the-seller\t")
    # The mapping is not mended yet: the batch stays.
    (batch,) = platform.quarantine.list(only_open=True)
    with pytest.raises(AmzigoError, match="seller-sku"):
        replay(platform, batch)
    assert platform.quarantine.list(only_open=True) == [batch]
    spellings = report_headers.SPELLINGS[LISTINGS]
    monkeypatch.setitem(spellings, "seller-sku", ("number-of-the-seller",))  # type: ignore[arg-type]
    # Days later, when Amazon tells only another present, and without asking it for anything.
    move(platform, NOW + timedelta(days=3))
    before = server.requests.copy()
    result = command("replay", "Q1")
    assert result.exit_code == 0, result.output
    assert server.requests == before
    assert rows(platform, "listings") > 10 and f"{rows(platform, 'listings')} rows out of Q1" in result.output
    assert state(platform, "listings") is DayState.THERE
    assert [one.dataset for one in platform.lake.files()] == ["listings"]
    stored = platform.lake.scan(DATASETS["listings"], SELLER, [DAY])
    assert stored is not None and {row["taken_at"] for row in stored.to_table().to_pylist()} == {NOW}
    again = command("replay", "Q1")
    assert again.exit_code == 1 and "was replayed" in str(again.exception)
    assert "Nothing is in quarantine." in command("list").output
    assert json.loads(command("list", "--all", "--json").output)[0]["state"] == "replayed"


def test_the_run_fails_with_the_batch_in_its_sentence(platform: Platform, server: SimulatorServer) -> None:
    rename_a_column(server)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("seller", [SELLER])
        run: Callable[..., Any] = build_definitions(platform).resolve_job_def(EXTRACTION_JOB).execute_in_process
        result = run(
            instance=instance,
            partition_key=partition_key(DAY, SELLER),
            asset_selection=[lake_key("listings")],
            raise_on_error=False,
        )
        assert not result.success and not result.get_asset_materialization_events()
        (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert f"{DAY}, is quarantined as Q1" in failed.step_failure_data.user_failure_data.description


def test_reasons_are_counts_by_column_and_never_values(platform: Platform, server: SimulatorServer) -> None:
    send_misfits(server)
    sentence = quarantined(platform, ["orders", "order_items"])
    assert "orders.created_at" in sentence and "(1 rows)" in sentence
    (batch,) = platform.quarantine.list()
    faults = {(fault.column, fault.rows) for fault in batch.faults}
    assert ("created_at", 1) in faults
    shown = command("show", "Q1").output + command("show", "Q1", "--json").output + command("list").output
    assert "created_at" in shown
    audited = "".join(str(entry) for entry in platform.audit.read())
    assert "quarantine" in audited
    for told in (shown, sentence, audited):
        assert NAME not in told and "yesterday" not in told
    assert plaintext(platform, NAME, "yesterday") == []
    # It is kept, all the same: whoever has the key reads what Amazon sent.
    kept = platform.quarantine.play(batch).answer(f"searchOrders {BY_COUNTRY['US'].region} ")
    assert kept["payload"]["orders"][0]["buyer"]["buyerName"] == NAME


def test_a_second_reading_that_fits_is_stored_and_nothing_is_kept(platform: Platform, server: SimulatorServer) -> None:
    send_misfits(server, times=1)
    extract_partition(platform, SELLER, DAY, ["orders", "order_items"])
    assert rows(platform, "orders") > 2
    assert platform.quarantine.list() == [] and DATASET not in {one.dataset for one in platform.lake.files()}
    assert not [path for path in platform.home.lake_dir.glob(f"{DATASET}/**/*") if path.is_file()]


def test_other_days_go_on_and_a_newer_batch_replaces_the_older(platform: Platform, server: SimulatorServer) -> None:
    days = [DAY - timedelta(days=1), DAY]
    good = extract_partition(platform, SELLER, days[0], ["orders", "order_items"])
    send_misfits(server)
    for name in ("Q1", "Q2"):
        with pytest.raises(Quarantined) as caught:
            list(extract_partitions(platform, SELLER, [DAY], ["orders", "order_items"]))
        assert [batch.name for batch in caught.value.batches] == [name]
    assert [batch.name for batch in platform.quarantine.list(only_open=True)] == ["Q2"]
    assert platform.quarantine.get("Q1").state == "replaced"
    assert rows(platform, "orders", days[0]) == good[0].rows > 0
    # Extracted again and whole, the day is mended, whatever still lies in quarantine.
    server.faults.clear()
    move(platform, NOW + timedelta(minutes=5))
    extract_partition(platform, SELLER, DAY, ["orders", "order_items"])
    assert state(platform, "orders") is DayState.THERE
    assert command("drop", "Q2").exit_code == 0
    assert DATASET not in {one.dataset for one in platform.lake.files()}
    assert command("drop", "Q9").exit_code == 1


def test_it_dies_on_its_date_like_all_personal_data(platform: Platform, server: SimulatorServer) -> None:
    send_misfits(server)
    quarantined(platform, ["orders", "order_items"])
    (batch,) = platform.quarantine.list()
    path = platform.home.lake_dir / batch.path
    key_id = platform.lake.files(dataset=DATASET)[0].key_id
    assert path.is_file()
    # A copy of it under its name is found and removed, too.
    stray = path.with_name(path.name.replace("-000001", "-000007"))
    shutil.copy(path, stray)
    move(platform, datetime.combine(batch.expires_on, NOW.time(), UTC))
    with pytest.raises(QuarantineError, match=f"Q1 died on {batch.expires_on}"):
        platform.quarantine.play(batch)
    report = sweep(platform, as_of=batch.expires_on, retention_class=RetentionClass.PII, confirmed=[SELLER])
    assert report.files_removed == 1 and report.certificate is not None
    assert not path.exists() and not stray.exists()
    with pytest.raises(KeyDead):
        platform.keys.open(key_id)
    assert platform.quarantine.list(only_open=True) == []


def test_an_erasure_of_anybody_takes_all_of_the_sellers_batches(platform: Platform, server: SimulatorServer) -> None:
    extract_partition(platform, SELLER, DAY - timedelta(days=1), ["orders", "order_items"])
    send_misfits(server)
    quarantined(platform, ["orders", "order_items"])
    stored = platform.lake.scan(DATASETS["orders"], SELLER)
    assert stored is not None
    order_id = stored.to_table(columns=["order_id"])["order_id"][0].as_py()
    request = erasures.receive_order(platform, SELLER, order_id, actor="test").request
    erasures.approve(platform, request.request_id, "test")
    erasing.erase(platform, request.request_id, publish=lambda _: None, actor="test")
    assert platform.quarantine.list(only_open=True) == []
    assert DATASET not in {one.dataset for one in platform.lake.files()}


def test_kill_9_and_a_full_disk_leave_all_or_nothing(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "template")
    child = Path(__file__).with_name("quarantine_child.py")
    done = subprocess.run([sys.executable, str(child), str(tmp_path)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    outcomes = []
    for home in sorted(tmp_path.glob("crash-*")):
        platform = Platform(load_home(home), VirtualClock(NOW))
        platform.lake.sweep()
        batches = platform.quarantine.list(only_open=True)
        on_disk = sorted(path.relative_to(platform.home.lake_dir).as_posix() for path in home.rglob("*.parquet"))
        assert on_disk == [batch.path for batch in batches]
        assert not plaintext(platform, NAME)
        if batches:
            assert platform.quarantine.play(batches[0]).answer("searchOrders EU ")["payload"] == {"name": NAME}
        outcomes.append(len(batches))
    assert outcomes == [0, 0, 0, 1, 1]
    platform = Platform(load_home(tmp_path / "full"), VirtualClock(NOW))
    assert done.stdout.startswith("LakeWriteError") and "free space" in done.stdout
    assert platform.quarantine.list() == [] and not list(platform.home.lake_dir.rglob("*.parquet"))


def test_faults_of_a_column_are_all_counted_and_what_fits_is_read() -> None:
    import pyarrow as pa

    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

    texts = pa.array(["1", "x", "3", "", "y", "5"])
    with collecting() as faults:
        read = parse_values("d", "c", texts, pa.int64(), MARKETPLACES[US])
    assert read.to_pylist() == [1, None, 3, None, None, 5]
    assert [(fault.dataset, fault.column, fault.rows) for fault in faults.list()] == [("d", "c", 2)]
    with pytest.raises(AmzigoError):
        parse_values("d", "c", texts, pa.int64(), MARKETPLACES[US])

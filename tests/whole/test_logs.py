"""Logs: what is secret or somebody's goes into none, whichever library logs it and however loudly."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.logs import CUT, log_to, protect_logs, scrubbed
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.profiles import CLIENT_SECRET
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config
from tests.whole.byte_scan import ByteScan

# All at its loudest: every logger that exists by the end of the imports, and the root, whose children come later.
LOUD = """
import logging, sys
logging.basicConfig(stream=sys.stderr, level=1, format="%(name)s %(levelname)s %(message)s", force=True)
import dagster, httpx, sqlalchemy, sp_api.api
from amzigo_pipelines.cli.main import main
for name in logging.root.manager.loggerDict:
    logging.getLogger(name).setLevel(1)
logging.getLogger("sqlalchemy.engine").setLevel(1)
sys.argv = ["amzigo", *sys.argv[1:]]
main()
"""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root, level = logging.getLogger(), logging.getLogger().level
    before = list(root.handlers)
    log_to(stream, logging.DEBUG)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def records(log: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    "secret",
    [
        "Atza|IwEBIJ9zXyL-abc",
        "Atzr|IwEBIG4",
        "amzn1.oa2-cs.v1.0123456789abcdef",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x",
        "AKIAIOSFODNN7EXAMPLE",
        "X-Amz-Signature=deadbeef&X-Amz-Credential=abc",
        "erika.mustermann@marketplace.amazon.de",
        "swordfish",
    ],
)
def test_secrets_are_cut_out_of_any_text(secret: str) -> None:
    texts = [f'{{"client_secret": "{secret}"}}', f"password={secret} end"]
    # A word alone is a secret by what stands before it; the others by themselves.
    texts += [] if secret == "swordfish" else [f"https://reports.example/doc?{secret}", f"got {secret}, went on"]
    for text in texts:
        assert CUT in scrubbed(text) and secret not in scrubbed(text)
    assert scrubbed("seller A1B2C3: 12 rows, 2026-11-25T00:30:00+00:00") == (
        "seller A1B2C3: 12 rows, 2026-11-25T00:30:00+00:00"
    )


def test_of_a_foreign_record_the_constant_text_stays(log: io.StringIO) -> None:
    logging.getLogger("httpx").info('HTTP Request: %s %s "%d %s"', "GET", "https://x/y?Signature=abc", 200, "OK")
    logging.getLogger("sp_api.base").debug(f"answer: {'Erika Mustermann'}")
    logging.getLogger("shipping").warning("sent to %(name)s, phone %(phone)d", {"name": "Erika", "phone": 4930123456})
    logging.getLogger("sp_api").debug("Request Params: %s", {"buyerEmail": "erika"})
    logging.getLogger("odd").warning("does not fit %d", "Erika")
    assert [record["message"] for record in records(log)] == [
        'HTTP Request: <str> <str> "200 <str>"',
        "[withheld: a ready-made text of sp_api.base, which may quote what it carries]",
        "[withheld: a text of shipping]",
        "Request Params: <dict>",
        "[withheld: a text of odd]",
    ]


def test_exceptions_are_told_without_their_text(log: io.StringIO) -> None:
    logger = logging.getLogger("amzigo_pipelines.test")
    try:
        raise ValueError("Erika Mustermann lives at Heidestrasse 17")
    except ValueError:
        logger.exception("it failed")
    try:
        raise AmzigoError("the file is gone: extract again")
    except AmzigoError:
        logger.exception("it failed")
    foreign, ours = (record["error"] for record in records(log))
    assert foreign.startswith("ValueError (its text is withheld); at ") and "Erika" not in log.getvalue()
    assert ours.startswith("AmzigoError: the file is gone: extract again; at ")


def test_protecting_twice_is_protecting_once(log: io.StringIO) -> None:
    factory = logging.getLogRecordFactory()
    protect_logs()
    assert logging.getLogRecordFactory() is factory


@pytest.fixture
def world_and_home(tmp_path: Path) -> Iterator[tuple[World, Home]]:
    world = World(demo_config(datetime.now(UTC).date() - timedelta(days=2), orders_per_day=20))
    with SimulatorServer(world, SystemClock(), SimulatorSettings(rate_scale=10_000)) as server:
        home = Home(
            path=tmp_path / "home",
            kind=Kind.TEST,
            first_day=world.config.first_day,
            endpoint=server.url,
            rate_scale=10_000,
        )
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("DAGSTER_HOME", raising=False)
            platform = initialise(home)
        for seller_id in world.seller_ids:
            profile = world.profile(seller_id)
            platform.sellers.add(seller_id, "Test", profile.marketplace_ids, profile.refresh_token)
        yield world, home


def test_a_whole_run_at_its_loudest_tells_nothing(
    world_and_home: tuple[World, Home], steady_day: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, home = world_and_home
    monkeypatch.setenv("AMZIGO_HOME", str(home.path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    seller = world.profile(world.seller_ids[0])
    printed = b""
    for arguments in (["extract", "-s", seller.seller_id], ["publish", "-s", seller.seller_id], ["retention", "run"]):
        done = subprocess.run([sys.executable, "-c", LOUD, *arguments], capture_output=True, timeout=240)
        assert done.returncode == 0, done.stdout[-500:]
        printed += done.stdout + done.stderr
    assert printed.count(b"httpcore") > 20 and printed.count(b"sqlalchemy") > 20, "the libraries were not loud"
    secrets = {seller.refresh_token, "X-Amz-Signature", "Atza|synthetic", CLIENT_SECRET}
    assert not [secret for secret in secrets if secret.encode() in printed]
    people = truth.people(world, seller.seller_id, datetime.now(UTC))
    assert len(people) > 50
    assert ByteScan(people).data(printed) == set()

"""PII is usable while it lives: by order, for a purpose, audited; and the day after, the sentence that it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from erasure_kit import ANNA, DAY, ITEMS, ORDERS, SELLER, make_platform, move, no_publish, table

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.people import OrderPeople, PeopleRefused, Presence, buyers_of, order_facts
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.lake import search as lake_search
from amzigo_pipelines.resources.lake.files import LakeDamaged
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention import sweep as sweeping
from amzigo_pipelines.retention.dates import expires_on_of
from amzigo_pipelines.retention.erasing import erase

YESTERDAY = DAY - timedelta(days=1)
DEATH = YESTERDAY + timedelta(days=30)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """One day of orders that the retention clock dated itself: one with a buyer, one without."""
    platform = make_platform(tmp_path / "home")
    shipped = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, 10, tzinfo=UTC)
    times = dict.fromkeys(("created_at", "last_updated_at", "first_shipped_at", "last_shipped_at"), shipped)
    nobody = {c.name: None for c in (*ORDERS, *ITEMS) if c.retention != "business"}
    values: list[dict[str, Any]] = [
        {"mark": "anna", "order_id": "111-A", "buyer_email": ANNA, "status": "SHIPPED", **times},
        {"mark": "nobody", "order_id": "111-N", "status": "SHIPPED", **times, **nobody},
    ]
    orders = table(ORDERS, values)
    deaths = expires_on_of(orders, platform.clock.now())
    with platform.lake.writer(SELLER, YESTERDAY, [ORDERS, ITEMS], {"operation": "test"}) as writer:
        writer.append(ORDERS, orders, deaths)
        writer.append(ITEMS, table(ITEMS, [{**row, "order_item_id": "1"} for row in values]), deaths)
    return platform


def ask(platform: Platform, *order_ids: str) -> dict[str, OrderPeople]:
    return buyers_of(platform, SELLER, order_ids, purpose="case 7", actor="tester")


def test_the_data_while_it_lives(platform: Platform) -> None:
    answers = ask(platform, "111-A", "111-N", "999-X")
    assert [answer.presence for answer in answers.values()] == [
        Presence.ALIVE,
        Presence.NEVER_TOLD,
        Presence.UNKNOWN_ORDER,
    ]
    anna = answers["111-A"]
    (order,), (item,) = anna.data["orders"], anna.data["order_items"]
    assert (order["buyer_email"], item["gift_message"], anna.dies_on) == (ANNA, "gift_message anna", DEATH)
    assert ANNA not in repr(answers)
    (entry,) = platform.audit.read(action="read_pii")
    assert (entry.actor, entry.seller_id, entry.purpose, entry.rows) == ("tester", SELLER, "case 7", 2)
    assert entry.subject == "orders 111-A, 111-N, 999-X"


def test_the_day_after_it_is_gone_and_since_when(platform: Platform) -> None:
    move(platform, DEATH - timedelta(days=1))
    assert ask(platform, "111-A")["111-A"].presence is Presence.ALIVE
    for day in (DEATH, DEATH + timedelta(days=1)):
        move(platform, day)
        for swept in (False, True):
            if swept:
                sweeping.sweep(platform, as_of=day)
            answer = ask(platform, "111-A")["111-A"]
            assert (answer.presence, answer.gone_since, answer.data) == (Presence.GONE, DEATH, {})
            assert f"gone since {DEATH}" in answer.sentence
    assert platform.audit.read(action="read_pii")[-1].rows == 0
    assert order_facts(platform, SELLER, "111-A").order["status"] == "SHIPPED"


def test_the_erased_are_gone_since_their_erasure(platform: Platform) -> None:
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=no_publish, actor="tester")
    answer = ask(platform, "111-A")["111-A"]
    assert (answer.presence, answer.gone_since) == (Presence.GONE, DAY)
    assert answer.sentence == f"the personal data of order 111-A is gone since {DAY}: it was erased (request E000001)"


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("place", ["living_files", "arrow_dataset"])
def test_a_sweep_in_the_same_moment_gives_the_data_or_the_sentence(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, place: str, is_before: bool
) -> None:
    """The day turns and the sweep destroys between two lines of the reading: after the books, keys, checks of files."""
    whole, swept = getattr(lake_search, place), list[int]()

    def sweep() -> None:
        if not swept:
            swept.append(1)
            move(platform, DEATH)
            sweeping.sweep(platform, as_of=DEATH)

    def meanwhile(*arguments: Any) -> Any:
        if is_before:
            sweep()
        found = whole(*arguments)
        sweep()
        return found

    monkeypatch.setattr(lake_search, place, meanwhile)
    answer = ask(platform, "111-A")["111-A"]
    assert swept
    assert (answer.presence, answer.gone_since, answer.data) == (Presence.GONE, DEATH, {})


def test_damage_is_no_answer(platform: Platform) -> None:
    (file,) = platform.lake.files(ORDERS, SELLER, families=[RetentionClass.PII])
    (platform.home.lake_dir / file.path).unlink()
    with pytest.raises(LakeDamaged, match="is missing"):
        ask(platform, "111-A")


def test_only_who_may_and_says_why(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(error: type[Exception], match: str, ids: Sequence[str] = ("111-A",), **given: str) -> None:
        with pytest.raises(error, match=match):
            buyers_of(platform, SELLER, ids, **{"purpose": "case 7", "actor": "tester", **given})  # type: ignore[arg-type]

    refused(PeopleRefused, "needs a purpose", purpose=" ")
    refused(PeopleRefused, "needs a purpose", actor="")
    refused(PeopleRefused, "none was given", ids=())
    for role in ("analyst", "engineer"):
        monkeypatch.setenv("AMZIGO_ROLE", role)
        refused(RoleRefused, "pii keys")
    assert platform.audit.read(action="read_pii") == []
    monkeypatch.setenv("AMZIGO_ROLE", "privacy")
    assert ask(platform, "111-A")["111-A"].presence is Presence.ALIVE
    with pytest.raises(PeopleRefused, match="no order 999-X"):
        order_facts(platform, SELLER, "999-X")

"""The guard: it stops what takes most of a seller at once, and nothing that is ordinary."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from retention_kit import DAY, OTHER, SELLER, days, move, on_disk, pii_count, write_day

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.schema import retention_runs
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.outlook import plan
from amzigo_pipelines.retention.sweep import SweepStopped, sweep

FIRST = DAY + timedelta(days=5)
DEATHS = days(FIRST, 20)


def test_a_clock_far_ahead_destroys_nothing_until_somebody_confirms(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, DEATHS)
    write_day(platform, OTHER, DAY, DEATHS[:2])
    far = DEATHS[-1] + timedelta(days=300)
    move(platform, far)
    (line,) = [one for one in plan(platform, as_of=far) if one.seller_id == SELLER]
    assert line.needs_confirmation
    with pytest.raises(
        SweepStopped, match=f"20 of 22 of seller {SELLER} keys .* is the clock right.* --confirm {SELLER}"
    ):
        sweep(platform, as_of=far)
    # The other seller's are few: they went, and are certified.
    assert (len(on_disk(platform, SELLER)), len(on_disk(platform, OTHER))) == (40, 0)
    assert [one["seller"] for one in verify_chain(platform)[0].body["sellers"]] == [OTHER]
    # Nothing of it can be read meanwhile, and asking again changes nothing.
    assert pii_count(platform, SELLER) == 0
    with pytest.raises(KeyDead):
        platform.keys.open(platform.keys.due("pii", far)[0].key_id)
    with pytest.raises(SweepStopped):
        sweep(platform, as_of=far)
    assert len(on_disk(platform, SELLER)) == 40

    report = sweep(platform, as_of=far, confirmed=[SELLER], actor="maria")
    assert (report.keys_destroyed, on_disk(platform)) == (20, [])
    with platform.control.read() as connection:
        runs = connection.execute(sa.select(retention_runs.c.state, retention_runs.c.detail)).all()
    assert sorted(state for state, _ in runs) == ["certified", "certified", "stopped", "stopped"]
    assert '{"certificate": 2, "confirmed_by": "maria"}' in [detail for _, detail in runs]
    assert verify_chain(platform)[-1].body["sellers"][0]["confirmed_by"] == "maria"
    (entry,) = platform.audit.read(action="confirm_sweep")
    assert (entry.actor, entry.seller_id, entry.subject) == ("maria", SELLER, f"20 of 22 keys due on or before {far}")


def test_a_clock_far_ahead_stops_the_other_classes_too(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, DEATHS)
    far = DAY + timedelta(days=700)
    move(platform, far)
    for retention_class in (RetentionClass.PSEUDONYM, RetentionClass.BUSINESS):
        with pytest.raises(SweepStopped):
            sweep(platform, as_of=far, retention_class=retention_class)
    assert len(on_disk(platform, family="business")) == 2


def test_a_small_or_a_quiet_seller_is_never_stopped_day_by_day(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, DEATHS)
    for death in DEATHS:
        move(platform, death)
        assert sweep(platform, as_of=death).keys_destroyed == 1
    assert on_disk(platform) == []


def test_a_week_that_was_missed_is_made_up_for_without_asking(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, DEATHS[:7])
    move(platform, DEATHS[6])
    assert sweep(platform, as_of=DEATHS[6]).keys_destroyed == 7


def test_what_an_interrupted_sweep_wrote_down_is_finished_without_asking(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, DEATHS)
    move(platform, DEATHS[-1])

    def die(step: str) -> None:
        if step == "recorded":
            raise RuntimeError(step)

    with pytest.raises(RuntimeError):
        sweep(platform, as_of=DEATHS[-1], confirmed=[SELLER], on_step=die)
    assert sweep(platform, as_of=DEATHS[-1]).keys_destroyed == 20

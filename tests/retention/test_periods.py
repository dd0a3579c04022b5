"""How long data lives is a setting: PII downwards only, and a change counts for what is written from then on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from retention_kit import DAY, SELLER, noon, rows

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import HomeError, load_home
from amzigo_pipelines.resources.lake.files import LakeInputError
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.retention_settings import RetentionSettings
from amzigo_pipelines.retention.dates import earliest_pii_day, expires_on_of


def settings_of(platform: Platform, text: str) -> RetentionSettings:
    file = platform.home.settings_file
    file.write_text(file.read_text() + "\n" + text)
    return load_home(platform.home.path).retention


def test_without_a_word_the_policys_periods_hold(platform: Platform) -> None:
    assert load_home(platform.home.path).retention == RetentionSettings(30, 365, 548)


def test_all_may_be_shortened(platform: Platform) -> None:
    found = settings_of(platform, "[retention]\npii_days = 14\npseudonym_days = 90\nbusiness_days = 400\n")
    assert [found.period_days(one) for one in RetentionClass] == [14, 90, 400]
    assert found.guard_keys == 7


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("pii_days = 31", "pii_days must be a whole number from 1 to 30, it is 31: Amazon allows buyers' data for 30"),
        ("pii_days = 0", "pii_days must be a whole number from 1 to 30"),
        ('pii_days = "30"', "pii_days must be a whole number from 1 to 30, it is '30'"),
        ("pii_days = true", "pii_days must be a whole number"),
        ("business_days = 549", "from 1 to 548, it is 549: Amazon allows its data for 18 months"),
        ("pseudonym_days = 600", "from 1 to 548, it is 600"),
        ("business_days = 100", r"pseudonym_days \(365\) must not be above business_days \(100\)"),
        ("guard_share = 1.5", "guard_share must be a number from 0 to 1"),
        ("guard_keys = -1", "guard_keys must be a whole number from 0"),
        ("days = 3", "has days, which Amzigo does not know"),
    ],
)
def test_a_period_that_may_not_be_is_refused(platform: Platform, line: str, sentence: str) -> None:
    with pytest.raises(HomeError, match=sentence):
        settings_of(platform, f"[retention]\n{line}\n")


def test_no_section(platform: Platform) -> None:
    file = platform.home.settings_file
    file.write_text("retention = 3\n" + file.read_text())
    with pytest.raises(HomeError, match="must be a section"):
        load_home(platform.home.path)


def test_a_change_counts_for_what_is_written_from_then_on(platform: Platform, tmp_path: Path) -> None:
    def write(into: Platform, day_offset: int, pii_days: int) -> None:
        day = DAY - timedelta(days=day_offset)
        table = rows(ORDERS, 2)
        expires_on = expires_on_of(table, noon(DAY), pii_days)
        with into.lake.writer(SELLER, day, [ORDERS], {"operation": "test"}) as writer:
            writer.append(ORDERS, table, expires_on)

    write(platform, 0, 30)
    shorter = RetentionSettings(pii_days=7, pseudonym_days=60, business_days=90)
    changed = Platform(replace(platform.home, retention=shorter), VirtualClock(noon(DAY)))
    write(changed, 1, 7)
    with pytest.raises(LakeInputError, match="7 days from today is the most"):
        write(changed, 2, 30)
    dates = {(file.day, str(file.family)): file.expires_on for file in changed.lake.files(seller_id=SELLER)}
    yesterday, month = DAY - timedelta(days=1), (DAY - timedelta(days=1)).replace(day=1)
    assert dates == {
        (DAY, "pii"): DAY + timedelta(days=30),
        (DAY, "pseudonym"): DAY + timedelta(days=365),
        (DAY, "business"): DAY + timedelta(days=548),
        (yesterday, "pii"): DAY + timedelta(days=7),
        (yesterday, "pseudonym"): month + timedelta(days=60),
        (yesterday, "business"): month + timedelta(days=90),
    }


def test_shorter_periods_ask_amazon_for_fewer_buyers() -> None:
    assert earliest_pii_day(DAY, 7) == DAY - timedelta(days=6)

"""`amzigo seller ads`: finds the seller's own profiles, refuses others, and the account goes with the seller."""

from __future__ import annotations

import io

import pytest

from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.simulator.ads_login import ads_refresh_token, profile_id_of
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import Amzigo

VARIABLE = "AMZIGO_ADS_REFRESH_TOKEN"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch, simulator: SimulatorServer) -> None:
    TOKENS.clear()
    monkeypatch.setenv(VARIABLE, ads_refresh_token(simulator.world.seller_ids[0]))


def expected(simulator: SimulatorServer, seller: str) -> dict[str, str]:
    return {m: str(profile_id_of(seller, m)) for m in simulator.world.profile(seller).marketplace_ids}


def test_profiles_are_found_by_themselves(amzigo: Amzigo, home: Home, seller: str, simulator: SimulatorServer) -> None:
    outcome = amzigo("seller", "ads", seller)
    assert outcome.code == 0 and "US" in outcome.out and "CA" in outcome.out
    account = Platform(home).ads_accounts.get(seller)
    assert account is not None and account.profiles == expected(simulator, seller)
    assert Platform(home).ads_accounts.refresh_token(seller) == ads_refresh_token(seller)
    assert ads_refresh_token(seller) not in outcome.out + outcome.err


def test_a_chosen_profile_is_the_only_one(amzigo: Amzigo, home: Home, seller: str, simulator: SimulatorServer) -> None:
    (us, profile_id), *_ = expected(simulator, seller).items()
    outcome = amzigo("seller", "ads", seller, "--profile", f"US={profile_id}")
    assert outcome.code == 0 and "no advertising profile for CA" in outcome.out
    account = Platform(home).ads_accounts.get(seller)
    assert account is not None and account.profiles == {us: profile_id}


def test_the_token_may_come_from_stdin(
    amzigo: Amzigo, home: Home, seller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("sys.stdin", io.StringIO(ads_refresh_token(seller) + "\n"))
    assert amzigo("seller", "ads", seller).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert f"set {VARIABLE}" in amzigo("seller", "ads", seller).sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--profile", "US"), "write it as US=1234567890"),
        (("--profile", "US=1x"), "write it as US=1234567890"),
        (("--profile", "XX=1"), "there is no marketplace 'XX'"),
        (("--profile", "DE=1"), "does not sell in DE"),
        (("--profile", "US=1"), "profile 1 is not an advertising profile of seller"),
    ],
)
def test_wrong_profiles_are_refused(
    amzigo: Amzigo, home: Home, seller: str, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in amzigo("seller", "ads", seller, *arguments).sentence
    assert Platform(home).ads_accounts.get(seller) is None


def test_another_sellers_token_connects_nothing(
    amzigo: Amzigo, home: Home, seller: str, simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, ads_refresh_token(simulator.world.seller_ids[1]))
    assert "opens no advertising profile of seller" in amzigo("seller", "ads", seller).sentence
    assert Platform(home).ads_accounts.get(seller) is None


def test_a_wrong_token_is_told(amzigo: Amzigo, home: Home, seller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "Atzr|nonsense")
    sentence = amzigo("seller", "ads", seller).sentence
    assert "refresh token for advertising is wrong" in sentence and "nonsense" not in sentence
    assert "there is no seller 'ANOBODY01'" in amzigo("seller", "ads", "ANOBODY01").sentence


def test_disconnecting_forgets_the_token(amzigo: Amzigo, home: Home, seller: str) -> None:
    assert "was not connected" in amzigo("seller", "ads", seller, "--disconnect").out
    amzigo("seller", "ads", seller)
    assert "its token is deleted" in amzigo("seller", "ads", seller, "--disconnect").out
    assert Platform(home).ads_accounts.get(seller) is None


def test_a_removed_sellers_account_goes_with_it(amzigo: Amzigo, home: Home, seller: str) -> None:
    amzigo("seller", "ads", seller)
    assert amzigo("seller", "remove", seller, "--yes").code == 0
    assert Platform(home).ads_accounts.get(seller) is None
    with Platform(home).control.read() as connection:
        from amzigo_pipelines.resources.control.schema import secrets

        left = connection.execute(secrets.select().where(secrets.c.name == f"ads-refresh-token/{seller}")).one()
    assert left.wrapped is None

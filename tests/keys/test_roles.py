"""Each role with its own credentials alone opens what it may, and nothing else, though it has all files."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from keys_kit import DIES, SELLER, TODAY, key_ids, make_platform, open_platform, order_ids, write_orders

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.cli import checks
from amzigo_pipelines.resources.keys.keks import KekError, KekPurpose
from amzigo_pipelines.resources.keys.roles import MAY_OPEN, Role, RoleRefused, acting_user, role_of
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import signing_key

Wrapping = Mapping[KekPurpose, str]


@pytest.fixture(scope="module")
def wrapping() -> Wrapping:
    """A wrapping key for each purpose, as a secret manager would hold them."""
    return {purpose: base64.b64encode(os.urandom(32)).decode() for purpose in KekPurpose}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, wrapping: Wrapping) -> Path:
    """An installation with orders, made by the service with all wrapping keys."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AMZIGO_")]:
            environment.delenv(name)
        give(environment, wrapping, KekPurpose)
        platform = make_platform(tmp_path_factory.mktemp("shared") / "home")
        write_orders(platform, TODAY, [DIES])
        key_ids(platform)
    return platform.home.path


def give(environment: pytest.MonkeyPatch, wrapping: Wrapping, purposes: object) -> None:
    """The wrapping keys of some purposes, and of no other."""
    for purpose in KekPurpose:
        name = f"AMZIGO_KEK_{purpose.upper()}"
        if purpose in purposes:  # type: ignore[operator]
            environment.setenv(name, wrapping[purpose])
        else:
            environment.delenv(name, raising=False)


def as_role(role: Role, shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """All files of the installation in the hands of somebody who has the credentials of a role only."""
    shutil.copytree(shared, tmp_path / "home")
    give(monkeypatch, wrapping, MAY_OPEN[role])
    monkeypatch.setenv("AMZIGO_ROLE", role)
    return open_platform(tmp_path / "home")


def opened(platform: Platform) -> set[str]:
    """The classes of which a key opens."""
    found = set()
    for record in platform.keys.alive():
        try:
            found.add(str(platform.keys.open(record.key_id).key_class))
        except (KekError, RoleRefused):
            continue
    return found


OPENS = {
    Role.ANALYST: {"business", "mart"},
    Role.ENGINEER: {"business", "mart", "pseudonym"},
    Role.PRIVACY: {"business", "mart", "pseudonym", "pii"},
}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_its_own_classes_and_no_other(
    role: Role, shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = as_role(role, shared, wrapping, tmp_path, monkeypatch)
    assert opened(platform) == OPENS[role]
    # The credentials decide, not the word: without a role, or claiming the highest, nothing more opens.
    for claimed in ("", "privacy"):
        monkeypatch.setenv("AMZIGO_ROLE", claimed)
        assert opened(open_platform(platform.home.path)) == OPENS[role]


def test_an_analyst_with_all_files_reads_orders_and_no_buyer(
    shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = as_role(Role.ANALYST, shared, wrapping, tmp_path, monkeypatch)
    assert order_ids(platform) == [f"order_id--{n}" for n in range(3)]
    read = lambda p: p.lake.read_pii(ORDERS, SELLER, purpose="curiosity", actor="analyst")  # noqa: E731
    with pytest.raises(RoleRefused, match="the role analyst may not open what is protected by pii keys: ask"):
        read(platform)
    with pytest.raises(RoleRefused, match="pseudonym keys: ask somebody in the role engineer or privacy"):
        platform.lake.scan(ORDERS, SELLER, families=(RetentionClass.PSEUDONYM,))
    with pytest.raises(RoleRefused):
        platform.keys.pseudonymiser(SELLER)
    with pytest.raises(RoleRefused):
        platform.sellers.refresh_tokens(SELLER)
    with pytest.raises(RoleRefused):
        signing_key(platform)
    for purpose in ("pii", "secret", "hold"):
        with pytest.raises(RoleRefused):
            platform.keys.rotate(purpose)
    monkeypatch.delenv("AMZIGO_ROLE")
    with pytest.raises(KekError, match=r"pii-000001\.key is wrapped: set AMZIGO_KEK .* you may not open"):
        read(open_platform(platform.home.path))
    with pytest.raises(KekError, match="is wrapped"):
        open_platform(platform.home.path).keys.pseudonymiser(SELLER)
    # Nor does another purpose's wrapping key help.
    monkeypatch.setenv("AMZIGO_KEK_PII", wrapping[KekPurpose.MART])
    with pytest.raises(KekError, match="AMZIGO_KEK_PII does not open"):
        read(open_platform(platform.home.path))


def test_an_engineer_has_tokens_and_pseudonyms_and_no_buyer(
    shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = as_role(Role.ENGINEER, shared, wrapping, tmp_path, monkeypatch)
    assert platform.sellers.refresh_tokens(SELLER) == {"*": f"Atzr|token-of-{SELLER}"}
    assert platform.lake.scan(ORDERS, SELLER, families=(RetentionClass.PSEUDONYM,)) is not None
    with pytest.raises(RoleRefused, match="role engineer may not open what is protected by pii keys"):
        platform.lake.read_pii(ORDERS, SELLER, purpose="repair", actor="engineer")


def test_privacy_reads_buyers(
    shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = as_role(Role.PRIVACY, shared, wrapping, tmp_path, monkeypatch)
    assert platform.lake.read_pii(ORDERS, SELLER, purpose="request", actor="privacy").num_rows == 3


def test_every_purpose_has_a_role_that_opens_it_and_no_unknown_role_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frozenset().union(*MAY_OPEN.values()) == frozenset(KekPurpose)
    assert role_of({}) is None
    assert role_of({"AMZIGO_ROLE": " analyst "}) is Role.ANALYST
    with pytest.raises(RoleRefused, match="AMZIGO_ROLE is 'root': set it to one of analyst, engineer, privacy"):
        role_of({"AMZIGO_ROLE": "root"})
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    assert acting_user().endswith(" (analyst)")


def test_a_role_says_no_even_where_the_credentials_would_not(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain files in one's own home: the role is what keeps a slip from becoming a read."""
    ids = key_ids(platform)
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    assert isinstance(platform.keys, KeyStore)
    platform.keys.open(ids["mart"])
    with pytest.raises(RoleRefused):
        platform.keys.open(ids["pii"])


def test_doctor_leaves_out_what_a_role_may_not_look_at(
    shared: Path, wrapping: Wrapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = as_role(Role.ANALYST, shared, wrapping, tmp_path, monkeypatch)
    found = checks._looked("certificates", lambda: checks._certificates(platform))
    assert found.is_ok and found.finding.startswith("not looked at: the role analyst may not open")
    assert "those of the role analyst" in checks._keys(platform)

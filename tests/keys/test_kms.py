"""KEKs under AWS KMS, over HTTP against a KMS that refuses what AWS's refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from keys_kit import (
    CLASSES,
    DIES,
    NOW,
    SELLER,
    TODAY,
    key_ids,
    make_platform,
    open_platform,
    order_ids,
    use_credentials,
    write_orders,
)
from kms_server import KmsServer

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.aws import AwsUnavailable
from amzigo_pipelines.resources.backup_places import FolderPlace
from amzigo_pipelines.resources.home import HomeError, load_home
from amzigo_pipelines.resources.keys.keks import KekError, KekMissing, KekPurpose
from amzigo_pipelines.resources.keys.roles import MAY_OPEN, Role, RoleRefused
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backups import make_backup
from amzigo_pipelines.retention.drill import run_drill
from amzigo_pipelines.retention.restore import restore
from amzigo_pipelines.review.access import access_report

ONE_A_PURPOSE = "alias/amzigo-{purpose}"


@pytest.fixture
def protected(kms: KmsServer, tmp_path: Path) -> Platform:
    """An installation whose KEKs are protected by a KMS key a purpose."""
    return make_platform(tmp_path / "home", kms.settings(ONE_A_PURPOSE))


def master(kms: KmsServer, purpose: str) -> str:
    return next(key.key_id for key in kms.keys.values() if key.alias == f"alias/amzigo-{purpose}")


def test_keks_are_encrypted_by_kms_and_open_by_it_alone(protected: Platform, kms: KmsServer) -> None:
    ids = key_ids(protected)
    files = sorted(protected.home.kek_dir.glob("*.key"))
    assert len(files) == 6 and all(file.read_text().startswith("kms:") for file in files)
    again = open_platform(protected.home.path)
    assert {name: again.keys.open(key_id).key_class for name, key_id in ids.items()} == {n: n for n in CLASSES}
    before = kms.calls["Decrypt"]
    again.keys.open(ids["pii"])
    assert kms.calls["Decrypt"] == before + 1  # nothing is cached: what KMS refuses from now on is refused


def test_a_disabled_or_dying_kms_key_opens_nothing(protected: Platform, kms: KmsServer) -> None:
    ids = key_ids(protected)
    client = protected.keks._files._kms._kms()  # the client that the platform itself uses
    client.disable_key(KeyId=master(kms, "pii"))
    with pytest.raises(KekError, match="alias/amzigo-pii is disabled or to be deleted, so nothing protected by pii"):
        protected.keys.open(ids["pii"])
    protected.keys.open(ids["business"])
    client.enable_key(KeyId=master(kms, "pii"))
    protected.keys.open(ids["pii"])
    client.schedule_key_deletion(KeyId=master(kms, "pii"), PendingWindowInDays=7)
    with pytest.raises(KekError, match="is disabled or to be deleted"):
        protected.keys.open(ids["pii"])
    with pytest.raises(KekError, match="is disabled or to be deleted"):
        protected.keys.rotate("pii")


def test_a_wrong_encryption_context_is_refused(protected: Platform, kms: KmsServer, tmp_path: Path) -> None:
    """A file can't pass for another version's, another purpose's or another installation's."""
    ids = key_ids(protected)
    folder = protected.home.kek_dir
    shutil.copy(folder / "pii-000001.key", folder / "pii-000002.key")
    with pytest.raises(KekError, match="another version's or another installation's"):
        protected.keks.get("pii", 2)
    (folder / "pii-000002.key").unlink()

    other = make_platform(tmp_path / "other", kms.settings(ONE_A_PURPOSE))
    shutil.copy(folder / "pii-000001.key", other.home.kek_dir / "pii-000001.key")
    with pytest.raises(KekError, match="another version's or another installation's"):
        other.keks.get("pii", 1)

    shutil.copy(folder / "business-000001.key", folder / "pii-000001.key")
    with pytest.raises(KekError, match="was made by another KMS key"):
        protected.keys.open(ids["pii"])


def test_with_one_kms_key_for_all_the_context_still_tells_purposes_apart(kms: KmsServer, tmp_path: Path) -> None:
    kms.make("alias/one")
    platform = make_platform(tmp_path / "home", kms.settings("alias/one"))
    ids = key_ids(platform)
    shutil.copy(platform.home.kek_dir / "business-000001.key", platform.home.kek_dir / "pii-000001.key")
    with pytest.raises(KekError, match="does not open"):
        platform.keys.open(ids["pii"])


@pytest.mark.parametrize("text", ["kms:", "kms:AAAA", "kms:not base64!"])
def test_a_damaged_file_is_one_sentence(protected: Platform, text: str) -> None:
    ids = key_ids(protected)
    (protected.home.kek_dir / "pii-000001.key").write_text(text)
    with pytest.raises(KekError, match=r"damaged|does not open"):
        protected.keys.open(ids["pii"])


def test_a_rotation_destroys_a_version_at_once_whatever_kms_keeps(protected: Platform, kms: KmsServer) -> None:
    ids = key_ids(protected)
    copy = (protected.home.kek_dir / "pii-000001.key").read_text()
    report = protected.keys.rotate("pii")
    assert (report.version, report.rewrapped, report.destroyed_versions) == (2, 1, (1,))
    protected.keys.open(ids["pii"])
    with pytest.raises(KekMissing):
        protected.keks.get("pii", 1)
    # The limit that docs/keys.md states: a kept copy of the file opens as long as KMS opens it.
    kept = protected.home.kek_dir / "pii-000001.key"
    kept.write_text(copy)
    kept.chmod(0o600)
    assert len(protected.keks.get("pii", 1)) == 32


@pytest.mark.parametrize("role", list(Role))
def test_credentials_without_a_kms_key_are_refused_whatever_the_role_says(
    protected: Platform, kms: KmsServer, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """Each role with its own AWS credentials alone, and all files: KMS's policy decides, not the word."""
    ids = key_ids(protected)
    kms.allowed["anna"] = {f"alias/amzigo-{purpose}" for purpose in MAY_OPEN[role]}
    use_credentials(monkeypatch, "anna")
    for claimed in (role, "", "privacy"):  # a role that is merely claimed opens nothing more
        monkeypatch.setenv("AMZIGO_ROLE", claimed)
        platform = open_platform(protected.home.path)
        for purpose in ("pii", "pseudonym", "business", "mart"):
            if purpose in MAY_OPEN[role]:
                assert platform.keys.open(ids[purpose]).key_class == purpose
                continue
            with pytest.raises((KekError, RoleRefused), match=rf"may not open what is protected by {purpose} keys"):
                platform.keys.open(ids[purpose])
        if KekPurpose.SECRET in MAY_OPEN[role]:
            assert platform.sellers.refresh_tokens(SELLER)
        else:
            with pytest.raises((KekError, RoleRefused), match=r"AWS denies|the role analyst"):
                platform.sellers.refresh_tokens(SELLER)


def test_kms_out_of_reach_is_worth_trying_again(protected: Platform, kms: KmsServer, tmp_path: Path) -> None:
    ids = key_ids(protected)
    text = protected.home.settings_file.read_text()
    protected.home.settings_file.write_text(text.replace(kms.url, "http://127.0.0.1:9"))
    with pytest.raises(AwsUnavailable) as refusal:
        open_platform(protected.home.path).keys.open(ids["pii"])
    assert refusal.value.is_retryable


def test_a_home_moves_to_kms_by_rotating(kms: KmsServer, platform: Platform) -> None:
    ids = key_ids(platform)
    with platform.home.settings_file.open("a") as file:
        file.write(kms.settings(ONE_A_PURPOSE))
    moved = open_platform(platform.home.path)
    moved.keys.open(ids["pii"])  # the plain files stay good
    for purpose in ("pii", "pseudonym", "business", "mart", "secret", "hold"):
        moved.keys.rotate(purpose)
    assert all(file.read_text().startswith("kms:") for file in moved.home.kek_dir.glob("*.key"))
    assert [moved.keys.open(key_id).key_id for key_id in ids.values()] == list(ids.values())
    text = moved.home.settings_file.read_text()
    moved.home.settings_file.write_text(text.partition("[keys]")[0])
    with pytest.raises(KekError, match=r"is protected by AWS KMS: set kms_key and region under \[keys\]"):
        open_platform(platform.home.path).keys.open(ids["pii"])


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ('provider = "aws-kms"', "needs kms_key"),
        ('provider = "aws-kms"\nkms_key = "alias/x"', "and region"),
        ('provider = "vault"', "provider must be local or aws-kms"),
        ('kms_key = "alias/x y"', "kms_key must be"),
        ('colour = "red"', "colour, which Amzigo does not know"),
    ],
)
def test_wrong_settings_are_one_sentence(platform: Platform, section: str, sentence: str) -> None:
    with platform.home.settings_file.open("a") as file:
        file.write(f"\n[keys]\n{section}\n")
    with pytest.raises(HomeError, match=sentence):
        load_home(platform.home.path)


def test_a_test_home_asks_no_real_kms(platform: Platform) -> None:
    with platform.home.settings_file.open("a") as file:
        file.write('\n[keys]\nprovider = "aws-kms"\nkms_key = "alias/x"\nregion = "eu-central-1"\n')
    with pytest.raises(Exception, match="a test home talks to a local AWS only"):
        open_platform(platform.home.path).keys.rotate("pii")
    assert open_platform(platform.home.path).keys.key_for(SELLER, "pii", DIES)


def test_backup_keys_are_protected_by_kms_too(protected: Platform, kms: KmsServer, tmp_path: Path) -> None:
    """Also in a restore, which knows of KMS from the backup's header alone; denied there, nothing is left."""
    write_orders(protected, TODAY, [DIES])
    (tmp_path / "backups").mkdir()
    made = make_backup(protected, FolderPlace(tmp_path / "backups"), keep_days=5, actor="tester")
    new = tmp_path / "new"
    (new / "kek").mkdir(parents=True)
    for file in protected.home.kek_dir.glob("backup-*.key"):
        assert file.read_text().startswith("kms:")
        shutil.copy(file, new / "kek")
    backup_key = next(key for key in kms.keys.values() if key.alias == "alias/amzigo-backup")
    backup_key.state = "Disabled"
    with pytest.raises(KekError, match="alias/amzigo-backup is disabled"):
        restore(Path(made.place), new, VirtualClock(NOW))
    assert sorted(path.name for path in new.iterdir()) == ["kek"]
    backup_key.state = "Enabled"
    report = restore(Path(made.place), new, VirtualClock(NOW))
    assert report.total == made.total and made.total.files
    restored = open_platform(new)
    assert order_ids(restored) == order_ids(protected) != []
    assert all(file.read_text().startswith("kms:") for file in restored.home.kek_dir.glob("*.key"))
    assert run_drill(protected, "tester").amount == made.total


def test_the_access_report_tells_whom_grants_and_policies_let_use_a_key(protected: Platform, kms: KmsServer) -> None:
    client = protected.keks._files._kms._kms()
    operator = "arn:aws:iam::111122223333:role/privacy"
    client.create_grant(KeyId=master(kms, "pii"), GranteePrincipal=operator, Operations=["Decrypt"])
    kms.allowed["SOMEBODY"] = {"alias/amzigo-mart"}
    report = access_report(protected)
    by_key = {one["key"]: one for one in report["kms"]}
    assert set(by_key) == {f"alias/amzigo-{purpose}" for purpose in KekPurpose}
    assert by_key["alias/amzigo-pii"]["grants"] == [f"{operator}: Decrypt"]
    assert "SOMEBODY" in by_key["alias/amzigo-mart"]["policy"] and not by_key["alias/amzigo-mart"]["grants"]
    assert not any(one["trouble"] for one in report["kms"])
    protections = {path["protected_by"] for path in report["paths"] if path["path"].endswith(".key")}
    assert protections == {"AWS KMS"}
    kms.allowed["service"] = {f"alias/amzigo-{purpose}" for purpose in KekPurpose if purpose != "pii"}
    troubles = {one["key"]: one["trouble"] for one in access_report(protected)["kms"]}
    assert [key for key, trouble in troubles.items() if trouble] == ["alias/amzigo-pii"]

"""Backups under a prefix of S3, over real HTTP against a local S3: what a folder promises, and what versions add."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from backup_kit import MARK, NOW, OTHER, SELLER, content, everything_in, open_platform, take_keys

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources import s3
from amzigo_pipelines.resources.archive import ArchiveDamaged
from amzigo_pipelines.resources.aws import AwsDenied, AwsError, AwsMissing, AwsUnavailable
from amzigo_pipelines.resources.backup_places import backup_place
from amzigo_pipelines.resources.backup_settings import BackupSettings, read_backup_settings
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.s3 import S3Error, S3Prefix
from amzigo_pipelines.resources.steps import no_step
from amzigo_pipelines.retention.backups import BackupReport, make_backup, newest_backup
from amzigo_pipelines.retention.drill import run_drill
from amzigo_pipelines.retention.restore import restore

from ..cli.aws_kit import REGION, Aws, aws, aws_server, free_port

__all__ = ["aws", "aws_server"]

BUCKET, PREFIX = "amzigo-backups", "berlin/daily"
PLACE = f"s3://{BUCKET}/{PREFIX}"


@pytest.fixture
def bucket(aws: Aws) -> Any:
    """A client, and a bucket that keeps versions, as one for backups should."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def settings(aws: Aws) -> BackupSettings:
    return BackupSettings(folder=PLACE, region=REGION, endpoint=aws.url)


@pytest.fixture
def s3_platform(platform: Platform, settings: BackupSettings) -> Platform:
    """The installation, whose settings say where its backups go."""
    with platform.home.settings_file.open("a") as file:
        file.write(f'\n[backup]\nfolder = "{PLACE}"\nregion = "{settings.region}"\nendpoint = "{settings.endpoint}"\n')
    return open_platform(platform.home.path)


def back_up(platform: Platform, keep_days: int = 35) -> BackupReport:
    place = backup_place(platform.home, platform.home.backup.folder)
    return make_backup(platform, place, keep_days=keep_days, actor="tester")


def versions(client: Any) -> list[str]:
    """Every version and delete mark in the bucket."""
    found = client.list_object_versions(Bucket=BUCKET)
    return [entry["Key"] for entry in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]]


def test_a_backup_goes_to_s3_is_restored_from_there_and_tried_out(
    s3_platform: Platform, settings: BackupSettings, bucket: Any, tmp_path: Path
) -> None:
    made = back_up(s3_platform)
    assert made.place.startswith(f"{PLACE}/amzigo-2026-11-23T120000Z-") and versions(bucket) == [made.place[20:]]
    raw = bucket.get_object(Bucket=BUCKET, Key=made.place[20:])["Body"].read()
    assert len(raw) == made.bytes and MARK.encode() not in raw
    take_keys(s3_platform, tmp_path / "new" / "kek")
    report = restore(made.place, tmp_path / "new", VirtualClock(NOW), settings=settings)
    assert report.total == made.total
    restored = open_platform(tmp_path / "new")
    for seller in (SELLER, OTHER):
        assert content(restored, seller) == content(s3_platform, seller)
    assert run_drill(s3_platform, "tester").amount == made.total
    newest = newest_backup(s3_platform)
    assert newest is not None and newest.path == made.place


def test_what_is_large_goes_in_parts_and_comes_back_as_it_was(
    s3_platform: Platform, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)
    place, raw = backup_place(s3_platform.home, PLACE), os.urandom((11 << 20) + 7)
    with place.write("large", no_step) as file:
        for start in range(0, len(raw), 1_000_003):
            file.write(raw[start : start + 1_000_003])
        assert file.tell() == len(raw)
    stored = bucket.head_object(Bucket=BUCKET, Key=f"{PREFIX}/large")
    assert stored["ETag"].strip('"').endswith("-3")
    with place.open("large") as file:
        assert b"".join(iter(lambda: file.read(777_777), b"")) == raw
    assert bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert place.names() == ["large"]


def test_the_death_of_a_backup_is_that_of_all_its_versions(s3_platform: Platform, bucket: Any) -> None:
    dead, living = back_up(s3_platform, keep_days=1), back_up(s3_platform, keep_days=9)
    # Somebody deleted it, which in such a bucket only hides it, and put it back.
    key = dead.place[20:]
    raw = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bucket.delete_object(Bucket=BUCKET, Key=key)
    bucket.put_object(Bucket=BUCKET, Key=key, Body=raw)
    bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}/letter.txt", Body=b"mine")
    assert versions(bucket).count(key) == 3
    clock = s3_platform.clock
    assert isinstance(clock, VirtualClock)
    clock.set(NOW + timedelta(days=1))
    made = back_up(s3_platform)
    assert made.not_removed == ()
    assert sorted(versions(bucket)) == sorted([living.place[20:], made.place[20:], f"{PREFIX}/letter.txt"])


def test_nothing_is_ever_overwritten(s3_platform: Platform, bucket: Any) -> None:
    place = backup_place(s3_platform.home, PLACE)
    for content_, refused in ((b"first", False), (b"second", True)):
        try:
            with place.write("one", no_step) as file:
                file.write(content_)
        except S3Error as error:
            assert refused and "is there already, and is not overwritten" in str(error)
        else:
            assert not refused
    assert bucket.get_object(Bucket=BUCKET, Key=f"{PREFIX}/one")["Body"].read() == b"first"
    assert bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_backup_that_fails_half_way_leaves_nothing(
    s3_platform: Platform, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: S3Prefix, key: str, upload_id: str, number: int, data: bytes) -> str:
        raise AwsUnavailable("the network is gone")

    monkeypatch.setattr(S3Prefix, "put_part", denied)
    with pytest.raises(AwsUnavailable):
        back_up(s3_platform)
    assert versions(bucket) == [] and bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert s3_platform.backup_keys.alive() == [] and newest_backup(s3_platform) is None


def test_an_upload_that_a_killed_process_left_is_ended_later(
    s3_platform: Platform, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.create_multipart_upload(Bucket=BUCKET, Key=f"{PREFIX}/amzigo-left.backup")
    place = backup_place(s3_platform.home, PLACE)
    # This S3 says of every upload that it began in 2010.
    with monkeypatch.context() as patience:
        patience.setattr(s3, "ABANDONED_AFTER", timedelta(days=100_000))
        place.check(s3_platform.home)
    assert len(bucket.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1
    place.check(s3_platform.home)
    assert bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:-9] + b"123456789"], ids=["cut", "changed"])
def test_a_changed_or_cut_object_is_noticed_and_nothing_is_left(
    s3_platform: Platform, settings: BackupSettings, bucket: Any, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    made = back_up(s3_platform)
    key = made.place[20:]
    bucket.put_object(Bucket=BUCKET, Key=key, Body=damage(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()))
    take_keys(s3_platform, tmp_path / "new" / "kek")
    before = everything_in(tmp_path / "new")
    with pytest.raises(ArchiveDamaged):
        restore(made.place, tmp_path / "new", VirtualClock(NOW), settings=settings)
    assert everything_in(tmp_path / "new") == before


def test_what_s3_refuses_is_one_sentence(
    s3_platform: Platform, settings: BackupSettings, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AwsMissing, match="AWS does not find s3://nowhere/x/"):
        make_backup(s3_platform, backup_place(s3_platform.home, "s3://nowhere/x"), keep_days=1, actor="tester")
    with pytest.raises(AwsMissing, match=r"nothing\.backup"):
        restore(f"{PLACE}/nothing.backup", tmp_path / "new", VirtualClock(NOW), settings=settings)
    with pytest.raises(S3Error, match="names no bucket"):
        backup_place(s3_platform.home, "s3://")
    with pytest.raises(S3Error, match="needs the AWS region"):
        restore(f"{PLACE}/x.backup", tmp_path / "new", VirtualClock(NOW))
    gone = BackupSettings(folder=PLACE, region=REGION, endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(AwsUnavailable):
        backup_place(s3_platform.home, PLACE, gone).names()
    # A test home never talks to the real S3.
    with pytest.raises(AwsError, match="a test home talks to a local AWS only"):
        backup_place(s3_platform.home, PLACE, BackupSettings(folder=PLACE, region=REGION))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsDenied, match="there are no AWS credentials"):
        backup_place(s3_platform.home, PLACE).names()


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"folder": "s3://b/p"}, "needs the AWS region"),
        ({"folder": "backups"}, "absolute path or s3://bucket/prefix"),
        ({"folder": "s3://b/p", "region": "x", "endpoint": "http://s3.example.com"}, "plain http to s3.example.com is"),
        ({"folder": "s3://b/p", "region": 3}, "region of .backup. must be a text"),
        ({"region": "x", "endpoint": "nonsense"}, "endpoint of .backup.: the endpoint is no web address"),
    ],
)
def test_wrong_settings_are_one_sentence(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_backup_settings(section)

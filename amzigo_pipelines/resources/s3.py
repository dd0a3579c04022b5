"""A prefix of an S3 bucket as a place for backups.

Belongs here: objects, their versions, and uploads in parts. Does not belong here: connections to AWS (`aws.py`), what
the objects are (`retention/backups.py`).

An object appears when its upload is completed, and only if there is none of its name (a conditional write): no backup
is ever overwritten. What is uploaded is encrypted already; the connection is TLS, but for an endpoint on this machine.
Removing an object removes every version of it: in a bucket that keeps versions, deleting alone would only hide it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.aws import AwsError, aws_client, aws_errors
from amzigo_pipelines.resources.backup_places import ABANDONED_AFTER
from amzigo_pipelines.resources.backup_settings import S3_SCHEME, BackupSettings
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.steps import OnStep

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# S3 takes 10,000 parts of an upload: parts grow, so that 800 GB fit, and a small backup needs little memory.
_PART_BYTES, _PARTS_OF_A_SIZE = 16 << 20, 1_000
_READ_BYTES = 1 << 20
_SECTION = "[backup]"


class S3Error(AmzigoError):
    """An address of S3 is none, or an object is there already."""


def split_address(text: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`.

    Raises:
        S3Error: it names no bucket.
    """
    bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise S3Error(f"{text!r} names no bucket: write it as s3://bucket/prefix")
    return bucket, prefix.strip("/")


class S3Prefix:
    """The objects below a prefix.

    Args:
        home: a test home talks to a local S3 only.
        bucket: the bucket, which must be there.
        prefix: what the objects' names begin with; may be empty.
        settings: region and endpoint.
    """

    def __init__(self, home: Home, bucket: str, prefix: str, settings: BackupSettings) -> None:
        if not settings.region:
            raise S3Error('S3 needs the AWS region: give region = "eu-central-1" under [backup], or --region')
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._client = aws_client(home, "s3", settings)

    def check(self, home: Home) -> None:
        """See `BackupPlace`. Ends uploads that killed processes left, too."""
        with self._errors():
            self._client.head_bucket(Bucket=self._bucket)
        self._end_abandoned(home)

    def where(self, name: str) -> str:
        """See `BackupPlace`."""
        return f"{S3_SCHEME}{self._bucket}/{self._prefix}{name}"

    def names(self) -> list[str]:
        """See `BackupPlace`."""
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self._prefix) for key in keys if "/" not in key.removeprefix(self._prefix))

    @contextmanager
    def write(self, name: str, step: OnStep) -> Iterator[BinaryIO]:
        """See `BackupPlace`."""
        key = self._prefix + name
        with self._errors():
            upload_id = str(self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"])
        upload = _Upload(self, key, upload_id)
        try:
            yield cast("BinaryIO", upload)
            upload.finish()
            step("written")
            self._complete(key, upload)
            step("renamed")
        except BaseException:
            # What can't be ended now is ended by a later backup.
            with suppress(AmzigoError), self._errors():
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            raise

    def open(self, name: str) -> BinaryIO:
        """See `BackupPlace`."""
        with self._errors(name):
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
        return cast("BinaryIO", io.BufferedReader(_Download(self, name, body), _READ_BYTES))

    def remove(self, name: str) -> None:
        """See `BackupPlace`."""
        key = self._prefix + name
        with self._errors(name):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
            versions = [
                {"Key": key, "VersionId": entry["VersionId"]}
                for page in pages
                for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if entry["Key"] == key
            ]
            for version in versions:
                self._client.delete_object(Bucket=self._bucket, **version)

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> str:
        """Upload one part; gives its ETag."""
        with self._errors():
            answer = self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        return str(answer["ETag"])

    def _complete(self, key: str, upload: _Upload) -> None:
        try:
            with self._errors():
                self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload.upload_id,
                    MultipartUpload={"Parts": upload.parts},
                    IfNoneMatch="*",
                )
        except AwsError as error:
            if error.code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise S3Error(
                    f"{S3_SCHEME}{self._bucket}/{key} is there already, and is not overwritten: run the backup again"
                ) from None
            raise

    def _end_abandoned(self, home: Home) -> None:
        with self._errors():
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix).get("Uploads", [])
            for upload in found:
                begun = upload["Initiated"]
                if begun.now(begun.tzinfo) - begun > ABANDONED_AFTER:
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )

    def _errors(self, name: str = "") -> Any:
        return aws_errors(self.where(name), _SECTION)

    def reading(self, name: str) -> Any:
        """What turns errors of a download into ours."""
        return self._errors(name)


class _Upload(io.RawIOBase):
    """A file that is uploaded in parts while it is written."""

    def __init__(self, place: S3Prefix, key: str, upload_id: str) -> None:
        self._place, self._key, self.upload_id = place, key, upload_id
        self._waiting, self._bytes = bytearray(), 0
        self.parts: list[dict[str, Any]] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._bytes

    def write(self, data: ReadableBuffer) -> int:
        """Keep bytes until they make a part."""
        size = memoryview(data).nbytes
        self._waiting += data
        self._bytes += size
        while len(self._waiting) >= self._part_bytes:
            self._put(bytes(self._waiting[: self._part_bytes]))
        return size

    def finish(self) -> None:
        """Upload what is left; an empty file is one empty part."""
        if self._waiting or not self.parts:
            self._put(bytes(self._waiting))

    @property
    def _part_bytes(self) -> int:
        return _PART_BYTES * (1 + len(self.parts) // _PARTS_OF_A_SIZE)

    def _put(self, data: bytes) -> None:
        number = len(self.parts) + 1
        self.parts.append({"PartNumber": number, "ETag": self._place.put_part(self._key, self.upload_id, number, data)})
        del self._waiting[: len(data)]


class _Download(io.RawIOBase):
    """An object's bytes as they come; one that breaks off is an error and never an end."""

    def __init__(self, place: S3Prefix, name: str, body: Any) -> None:
        self._place, self._name, self._body = place, name, body

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """The next bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        with self._place.reading(self._name):
            data = self._body.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Give the connection back, read to its end or not."""
        self._body.close()
        super().close()

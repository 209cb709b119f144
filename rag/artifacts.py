"""Files of the service's own, in a folder or a bucket: evaluation sets, reports, exports."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.sources.s3 import s3_client
from rag.sources.s3_errors import aws_errors

MAX_NAME_BYTES = 1024  # S3's limit for a key


class Artifacts(Protocol):
    """A store of files by name, such as `reports/2025-06-01.json`.

    Each call raises InvalidInputError for a name that can't be one or for what the service may not do, and
    UnavailableError when the store can't be reached or is full.
    """

    async def write(self, name: str, data: bytes, content_type: str) -> str:
        """Keep the file, in place of one of that name; its URI."""
        ...

    async def read(self, name: str) -> bytes:
        """The file's bytes.

        Raises:
            NotFoundError: There is none of that name.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete the file with all its versions, if it is there."""
        ...

    async def names(self, prefix: str = "") -> list[str]:
        """All names that begin with `prefix`, in alphabetical order."""
        ...


class LocalArtifacts:
    """`Artifacts` in a folder, which is made when it is first needed. The content type is not kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, name: str, data: bytes, content_type: str) -> str:
        path = self._folder / check_name(name)
        await asyncio.to_thread(_replace, path, data)
        return path.absolute().as_uri()

    async def read(self, name: str) -> bytes:
        path = self._folder / check_name(name)
        with _disk_errors(name):
            return await asyncio.to_thread(path.read_bytes)

    async def delete(self, name: str) -> None:
        path = self._folder / check_name(name)
        with _disk_errors(name):
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def names(self, prefix: str = "") -> list[str]:
        return await asyncio.to_thread(self._names, prefix)

    def _names(self, prefix: str) -> list[str]:
        with _disk_errors(prefix):
            found = [path for path in self._folder.rglob("*") if path.is_file()]
        names = (path.relative_to(self._folder).as_posix() for path in found if path.suffix != _PARTIAL)
        return sorted(name for name in names if name.startswith(prefix))


class S3Artifacts:
    """`Artifacts` in a bucket, encrypted.

    Args:
        bucket: Its name.
        kms_key: Id or ARN of the key to encrypt with; None encrypts with S3's own.
    """

    def __init__(self, bucket: str, *, kms_key: str | None = None) -> None:
        self._bucket = bucket
        self._encryption = {"ServerSideEncryption": "AES256"}
        if kms_key:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
        self._made: Any = None

    async def write(self, name: str, data: bytes, content_type: str) -> str:
        where = {"Bucket": self._bucket, "Key": check_name(name)}

        def put() -> None:
            with aws_errors(self._uri(name)):
                self._client().put_object(**where, Body=data, ContentType=content_type, **self._encryption)

        await asyncio.to_thread(put)
        return self._uri(name)

    async def read(self, name: str) -> bytes:
        where = {"Bucket": self._bucket, "Key": check_name(name)}

        def get() -> bytes:
            with aws_errors(self._uri(name)):
                data: bytes = self._client().get_object(**where)["Body"].read()
                return data

        return await asyncio.to_thread(get)

    async def delete(self, name: str) -> None:
        check_name(name)

        def delete() -> None:
            with aws_errors(self._uri(name)):
                pages = self._client().get_paginator("list_object_versions").paginate
                # A prefix: other names may begin with this one.
                for page in pages(Bucket=self._bucket, Prefix=name):
                    for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                        if item["Key"] == name:
                            self._client().delete_object(
                                Bucket=self._bucket, Key=name, VersionId=item["VersionId"]
                            )

        await asyncio.to_thread(delete)

    async def names(self, prefix: str = "") -> list[str]:
        def listed() -> list[str]:
            with aws_errors(self._uri(prefix)):
                pages = self._client().get_paginator("list_objects_v2").paginate
                return [
                    item["Key"]
                    for page in pages(Bucket=self._bucket, Prefix=prefix)
                    for item in page.get("Contents", ())
                ]

        return sorted(await asyncio.to_thread(listed))

    def _uri(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"

    def _client(self) -> Any:
        if self._made is None:
            self._made = s3_client()
        return self._made


_PARTIAL = ".partial"


def check_name(name: str) -> str:
    """The name, if it can be one, in a folder as in a bucket.

    Raises:
        InvalidInputError: It is no relative path with `/` between its parts, or would lead out of the folder.
    """
    parts = name.split("/")
    wrong = any(part in {"", ".", ".."} for part in parts) or name.endswith(_PARTIAL)
    if wrong or "\\" in name or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidInputError(f"{name[:100]!r} is not the name of an artifact")
    return name


def _replace(path: Path, data: bytes) -> None:
    """Write the file so that a reader sees the old one or the new."""
    with _disk_errors(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_PARTIAL, delete=False) as file:
            partial = Path(file.name)
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
        raise NotFoundError(f"there is no artifact {name}") from exc
    except OSError as exc:
        raise UnavailableError(f"the artifact {name} can't be read or written: {exc.strerror}") from exc

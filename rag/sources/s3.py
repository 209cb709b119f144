"""Objects of an S3 bucket, below a prefix.

Region, credentials and endpoint are those of the AWS SDK's own environment variables, and AWS_REGION.
boto3 blocks, so every call runs in a thread; none is repeated, since whoever calls this repeats.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

from rag.aws.clients import aws_client
from rag.errors import InvalidInputError, NotFoundError, UnsupportedTypeError
from rag.sources.files import PIECE, readable_size, receiving, too_large
from rag.sources.object_keys import TENANTS, upload_tenant, why_unsupported
from rag.sources.s3_errors import aws_errors
from rag.sources.threads import iterate_in_thread, run_in_thread, write_in_thread
from rag.sources.types import Entry, Fetched, Skipped, is_hidden, why_unnamable

READ_TIMEOUT_S = 30.0  # between two pieces of an answer, not for all of it
_NO_TYPES = frozenset({"binary/octet-stream", "application/octet-stream"})  # S3's "nobody said"


def s3_client() -> Any:
    """A client as the environment says. Takes a fifth of a second, and may be used by several threads.

    Raises:
        InvalidInputError: The environment names a profile, region or endpoint that can't be.
    """
    return aws_client("s3", needed_by="S3", read_timeout_s=READ_TIMEOUT_S)


class S3Source:
    """All objects whose key begins with `prefix/`, in the order of their keys, of each its latest version.

    Keys that end in `/` (what consoles make as folders), hidden ones and the uploads of tenants are left out.

    Args:
        bucket: Its name.
        prefix: A folder; "" for all of the bucket.
        max_bytes: Larger objects are skipped.
        client: Made by `s3_client`; None makes one when it is first needed.
    """

    def __init__(self, bucket: str, prefix: str, *, max_bytes: int, client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._max_bytes = max_bytes
        self._client = client

    @property
    def name(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    async def entries(self) -> AsyncIterator[Entry | Skipped]:
        client = await self._connected()
        async for found in iterate_in_thread(self._list(client)):
            yield found

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        key = self._prefix + entry.name
        client = await self._connected()
        return await fetch_s3_object(self._bucket, key, into, max_bytes=self._max_bytes, client=client)

    async def _connected(self) -> Any:
        if self._client is None:
            self._client = await run_in_thread(lambda _stop: s3_client())
        return self._client

    def _list(self, client: Any) -> Iterator[Entry | Skipped]:
        found = False
        pages = iter(
            client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        )
        while True:
            with aws_errors(self.name):
                page = next(pages, None)
            if page is None:
                break
            for item in page.get("Contents", ()):
                found = True
                yield from self._listed(item)
        if not found and self._prefix:
            raise NotFoundError(f"there is nothing below {self.name}")

    def _listed(self, item: dict[str, Any]) -> Iterator[Entry | Skipped]:
        key, size = item["Key"], item["Size"]
        name = key[len(self._prefix) :]
        is_tenants = key.startswith(TENANTS) and not self._prefix.startswith(TENANTS)
        if key.endswith("/") or is_hidden(name) or upload_tenant(key) or is_tenants:
            return
        reason = why_unnamable(name) or why_unsupported(name)
        if reason is not None:
            yield Skipped(name, reason)
        elif size > self._max_bytes:
            sizes = f"{readable_size(size)}; at most {readable_size(self._max_bytes)} are taken"
            yield Skipped(name, f"it has {sizes}")
        else:
            yield Entry(name, _fingerprint(item["ETag"], size), size=size, uri=f"s3://{self._bucket}/{key}")


async def fetch_s3_object(
    bucket: str, key: str, into: Path, *, max_bytes: int, client: Any = None
) -> Fetched:
    """Write one object to the file `into`, which doesn't stay behind if that fails.

    One request reads it, so that it is one version that arrives, however often it is overwritten meanwhile;
    its length and, where S3 keeps one, its checksum are held against what arrived.

    Args:
        bucket: Its name.
        key: The object's.
        into: A file, which is overwritten.
        max_bytes: The largest object that is taken.
        client: Made by `s3_client`; None makes one.

    Raises:
        NotFoundError: There is no such bucket or object.
        InvalidInputError: It is too large, of a kind that isn't read, or archived; or may not be read.
        UnavailableError: S3 can't be reached, is busy, or sent something else than it stores; or there is no
            room for the file.
    """
    return await write_in_thread(
        lambda stop: _download(client or s3_client(), bucket, key, into, max_bytes=max_bytes, stop=stop),
        into,
    )


def _download(client: Any, bucket: str, key: str, into: Path, *, max_bytes: int, stop: Event) -> Fetched:
    uri = f"s3://{bucket}/{key}"
    if not key:
        raise InvalidInputError("the key of an S3 object must not be empty")
    with aws_errors(uri):
        answer = client.get_object(Bucket=bucket, Key=key)
        size, mime_type = answer["ContentLength"], _known_type(answer.get("ContentType"))
        with closing(answer["Body"]) as body:
            if size > max_bytes:
                raise too_large(max_bytes)
            if reason := why_unsupported(key, mime_type):
                raise UnsupportedTypeError(reason)
            with receiving(into, max_bytes=max_bytes) as received:
                received.write_all(body.iter_chunks(PIECE), stop)
    return Fetched(
        content_sha256=received.sha256,
        byte_size=received.byte_size,
        fingerprint=_fingerprint(answer["ETag"], size),
        mime_type=mime_type,
        uri=uri,
    )


def _known_type(mime_type: str | None) -> str | None:
    return None if mime_type in _NO_TYPES else mime_type


def _fingerprint(etag: str, size: int) -> str:
    return f"{etag}-{size}".replace('"', "")

import asyncio
import base64
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.errors import (
    GroundworkError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnsupportedTypeError,
)
from rag.sources import Entry, list_source
from rag.sources import s3 as s3_module
from rag.sources.s3 import S3Source, fetch_s3_object, s3_client
from tests.standins.moto import moto_server
from tests.unit.rag.sources.s3 import FailingS3, failing_s3, use_s3
from tests.unit.rag.sources.waiting import appears

BUCKET = "docs"
ODD = ["ü/日本 語.md", "a b+c&d=e%20?#[]@!$'()*,;:.txt", "a//b.txt", "a/../b.txt", "~", "🙂"]


@pytest.fixture(scope="module")
def moto_client() -> Iterator[Any]:
    with moto_server() as url:
        with pytest.MonkeyPatch.context() as monkeypatch:
            use_s3(monkeypatch, url)
            made = s3_client()
        yield made
        made.close()


@pytest.fixture
def client(moto_client: Any) -> Iterator[Any]:
    """A client of an S3 that holds one empty bucket."""
    where = {"LocationConstraint": "eu-central-1"}
    moto_client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    yield moto_client
    versions = moto_client.list_object_versions(Bucket=BUCKET)
    for item in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
        moto_client.delete_object(Bucket=BUCKET, Key=item["Key"], VersionId=item["VersionId"])
    moto_client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingS3]:
    with failing_s3() as server:
        use_s3(monkeypatch, server.url)
        yield server


@pytest.fixture(scope="module")
def shared_failing() -> Iterator[tuple[FailingS3, Any]]:
    with failing_s3() as server, pytest.MonkeyPatch.context() as monkeypatch:
        use_s3(monkeypatch, server.url)
        yield server, s3_client()


def put(client: Any, *keys: str, content: bytes = b"content", **more: str) -> None:
    for key in keys:
        client.put_object(Bucket=BUCKET, Key=key, Body=content, **more)


def source(client: Any, prefix: str = "", *, max_bytes: int = 1000, bucket: str = BUCKET) -> S3Source:
    return S3Source(bucket, prefix, max_bytes=max_bytes, client=client)


async def test_all_objects_below_a_prefix_are_listed(client: Any) -> None:
    put(client, "docs/a.pdf", "docs/b/c.md", "docs-old/d.md", "docs", "e.md")
    listing = await list_source(source(client, "docs/"))
    etag = "9a0364b9e99bb480dd25e1f0284c8555"  # md5sum
    assert listing.entries == (
        Entry("a.pdf", f"{etag}-7", 7, "s3://docs/docs/a.pdf"),
        Entry("b/c.md", f"{etag}-7", 7, "s3://docs/docs/b/c.md"),
    )
    assert (listing.skipped, listing.error) == ((), None)
    assert (source(client, "docs").name, source(client).name) == ("s3://docs/docs/", "s3://docs/")
    assert len((await list_source(source(client))).entries) == 5


async def test_folder_markers_and_hidden_objects_are_left_out_and_large_ones_skipped(client: Any) -> None:
    put(client, "docs/", "docs/sub/", "docs/.DS_Store", "docs/.git/a", "docs/ok", content=b"")
    put(client, "docs/large", content=bytes(1001))
    listing = await list_source(source(client, "docs"))
    assert [entry.name for entry in listing.entries] == ["ok"]
    assert [(item.name, item.reason) for item in listing.skipped] == [
        ("large", "it has 1 KB; at most 1 KB are taken")
    ]


async def test_a_listing_has_as_many_pages_as_it_takes(client: Any) -> None:
    put(client, *"abcdefgh")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
        listing = await list_source(source(client))
    assert [entry.name for entry in listing.entries] == list("abcdefgh")


async def test_keys_may_hold_any_character(client: Any, tmp_path: Path) -> None:
    for key in ODD:
        put(client, f"in/{key}", content=key.encode())
    own = source(client, "in")
    listing = await list_source(own)
    assert sorted(entry.name for entry in listing.entries) == sorted(ODD)
    for entry in listing.entries:
        assert await own.fetch(entry, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes().decode() == entry.name


async def test_an_object_is_fetched_whole_with_its_digest_and_type(client: Any, tmp_path: Path) -> None:
    content = os.urandom(700_000)
    put(client, "a.pdf", content=content, ContentType="application/pdf")
    fetched = await fetch_s3_object(BUCKET, "a.pdf", tmp_path / "copy", max_bytes=700_000, client=client)
    assert (tmp_path / "copy").read_bytes() == content
    assert fetched.content_sha256 == hashlib.sha256(content).digest()
    assert (fetched.byte_size, fetched.mime_type, fetched.uri) == (
        700_000,
        "application/pdf",
        "s3://docs/a.pdf",
    )
    (entry,) = (await list_source(source(client, max_bytes=700_000))).entries
    assert fetched.fingerprint == entry.fingerprint


async def test_a_type_that_nobody_gave_is_none(client: Any, tmp_path: Path) -> None:
    put(client, "a.pdf")
    fetched = await fetch_s3_object(BUCKET, "a.pdf", tmp_path / "copy", max_bytes=100, client=client)
    assert fetched.mime_type is None


async def test_only_the_latest_version_counts(client: Any, tmp_path: Path) -> None:
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    put(client, "a", content=b"old")
    put(client, "a", content=b"new content")
    put(client, "gone")
    client.delete_object(Bucket=BUCKET, Key="gone")
    own = source(client)
    (entry,) = (await list_source(own)).entries
    await own.fetch(entry, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"new content"
    with pytest.raises(NotFoundError):
        await own.fetch(Entry("gone", "1"), tmp_path / "copy2")


async def test_what_was_fetched_has_its_own_fingerprint(client: Any, tmp_path: Path) -> None:
    put(client, "a", content=b"old")
    own = source(client)
    (entry,) = (await list_source(own)).entries
    put(client, "a", content=b"newer")
    fetched = await own.fetch(entry, tmp_path / "copy")
    assert fetched is not None
    assert fetched.fingerprint == "0c10f4a0c12ba89211235026b861263d-5"  # md5sum


async def test_an_object_that_is_too_large_is_not_fetched(client: Any, tmp_path: Path) -> None:
    put(client, "a", content=bytes(1001))
    with pytest.raises(InvalidInputError, match="larger than 1 KB"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=1000, client=client)
    assert not (tmp_path / "copy").exists()


async def test_an_object_that_is_said_to_be_too_large_is_not_even_read(
    failing: FailingS3, tmp_path: Path
) -> None:
    failing.answer = (200, {"Content-Length": "1001", "ETag": '"1"'}, b"")
    failing.hang = True
    with pytest.raises(InvalidInputError, match="larger than 1 KB"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=1000)


async def test_what_is_not_there_is_not_found(client: Any, tmp_path: Path) -> None:
    for missing in (source(client, bucket="none"), source(client, "none")):
        listing = await list_source(missing)
        assert isinstance(listing.error, NotFoundError)
        assert "none" in str(listing.error)
    assert (await list_source(source(client))).error is None  # an empty bucket is one all the same
    for bucket, key in (("none", "a"), (BUCKET, "none")):
        with pytest.raises(NotFoundError, match=r"s3://.*none"):
            await fetch_s3_object(bucket, key, tmp_path / "copy", max_bytes=100, client=client)


@pytest.mark.parametrize(("bucket", "key"), [("no such bucket!", "a"), (BUCKET, "")])
async def test_names_that_can_not_be_are_invalid(client: Any, tmp_path: Path, bucket: str, key: str) -> None:
    with pytest.raises(InvalidInputError):
        await fetch_s3_object(bucket, key, tmp_path / "copy", max_bytes=100, client=client)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((403, "AccessDenied"), InvalidInputError, "may not be read with the service's AWS credentials"),
        ((403, "InvalidObjectState"), InvalidInputError, "archived"),
        ((404, "NoSuchBucket"), NotFoundError, "no bucket"),
        ((404, "NoSuchKey"), NotFoundError, "there is no s3://docs/"),
        ((403, "InvalidAccessKeyId"), UnavailableError, "refuses the credentials"),
        ((400, "ExpiredToken"), UnavailableError, "refuses the credentials"),
        ((503, "SlowDown"), UnavailableError, "too busy"),
        ((500, "InternalError"), UnavailableError, "too busy"),
        ((502, "Whatever"), UnavailableError, "too busy"),
        ((418, "Teapot"), UnavailableError, "S3 answers Teapot"),
    ],
)
async def test_each_failure_is_told_apart_and_tried_once(
    shared_failing: tuple[FailingS3, Any],
    tmp_path: Path,
    answer: tuple[int, str],
    error: type[GroundworkError],
    message: str,
) -> None:
    failing, client = shared_failing
    failing.calls.clear()
    failing.fail(*answer)
    with pytest.raises(error, match=message):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100, client=client)
    assert len(failing.calls) == 1
    listing = await list_source(source(client, "docs"))
    assert isinstance(listing.error, error)
    assert len(failing.calls) == 2
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("hang", [False, True])
async def test_an_object_that_breaks_off_leaves_nothing_behind(
    failing: FailingS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: bool
) -> None:
    monkeypatch.setattr(s3_module, "READ_TIMEOUT_S", 0.3)
    failing.answer = (200, {"Content-Length": "1000000", "ETag": '"1"'}, bytes(300_000))
    failing.hang = hang
    with pytest.raises(UnavailableError, match="can't be reached, or stopped answering"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=10**7)
    assert not (tmp_path / "copy").exists()


async def test_a_server_that_keeps_silent_is_given_up(
    failing: FailingS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "READ_TIMEOUT_S", 0.3)
    with pytest.raises(UnavailableError, match="stopped answering"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)
    assert len(failing.calls) == 1


async def test_a_server_that_is_not_there_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_s3(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="can't be reached"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-3"),
    ],
)
async def test_the_region_is_that_of_the_environment(
    failing: FailingS3,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    region: str,
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_ENDPOINT_URL", failing.url.replace("127.0.0.1", "localhost"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    failing.fail(404, "NoSuchKey")
    with pytest.raises(NotFoundError):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)
    assert failing.regions == [region]
    assert failing.calls == [("GET", "/docs/a")]  # the bucket in the path, as emulators need it


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_PROFILE", "nobody", "nobody"),
        ("AWS_ENDPOINT_URL", "nonsense", "nonsense"),
        ("AWS_REGION", "no such", "no such"),
    ],
)
async def test_settings_that_can_not_be_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, message: str
) -> None:
    use_s3(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match=message):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)


async def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_s3(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UnavailableError, match="no AWS credentials"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)


async def test_a_fetch_that_is_cancelled_ends_and_leaves_nothing_behind(
    failing: FailingS3, tmp_path: Path
) -> None:
    failing.answer = (200, {"Content-Length": str(10**12), "ETag": '"1"'}, bytes(300_000))
    failing.endless = True
    fetching = asyncio.create_task(fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=10**13))
    await appears(tmp_path / "copy")
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(fetching, 60)
    assert not (tmp_path / "copy").exists()


async def test_what_no_parser_reads_is_skipped_and_the_uploads_of_tenants_are_left_out(client: Any) -> None:
    tenant = "00000000-0000-0000-0000-00000000000a"
    put(client, "a.md", "film.mp4", f"uploads/{tenant}/{tenant}/b.md", "uploads/c.md")
    listing = await list_source(source(client))
    assert [entry.name for entry in listing.entries] == ["a.md", "uploads/c.md"]
    assert [item.name for item in listing.skipped] == ["film.mp4"]
    assert listing.skipped[0].reason.startswith(".mp4 files are not supported")


@pytest.mark.parametrize(("key", "mime_type"), [("a.mp4", "text/plain"), ("a", "video/mp4")])
async def test_an_object_of_a_kind_that_no_parser_reads_is_not_even_read(
    failing: FailingS3, tmp_path: Path, key: str, mime_type: str
) -> None:
    failing.answer = (200, {"Content-Length": "99", "Content-Type": mime_type, "ETag": '"1"'}, b"")
    failing.hang = True
    with pytest.raises(UnsupportedTypeError, match="mp4"):
        await fetch_s3_object(BUCKET, key, tmp_path / "copy", max_bytes=1000)
    assert not (tmp_path / "copy").exists()


async def test_what_is_not_the_object_that_s3_stores_is_not_kept(failing: FailingS3, tmp_path: Path) -> None:
    mixed = b"old half, new half"
    stored = base64.b64encode(zlib.crc32(b"old half, old half").to_bytes(4)).decode()
    headers = {"Content-Length": str(len(mixed)), "ETag": '"1"', "x-amz-checksum-crc32": stored}
    failing.answer = (200, headers, mixed)
    with pytest.raises(UnavailableError, match="changed while it was read"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=1000)
    assert not (tmp_path / "copy").exists()


REDIRECT = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
WRONG_REGION = (
    b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message>"
    b"<Region>us-west-2</Region></Error>"
)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [(301, {"x-amz-bucket-region": "us-west-2"}, REDIRECT), (400, {}, WRONG_REGION)],
)
async def test_a_bucket_of_another_region_is_followed_or_named(
    failing: FailingS3, tmp_path: Path, status: int, headers: dict[str, str], body: bytes
) -> None:
    failing.answer = (status, headers | {"Content-Length": str(len(body))}, body)
    with pytest.raises(InvalidInputError, match=r"s3://docs/a is in the region us-west-2.*eu-central-1"):
        await fetch_s3_object(BUCKET, "a", tmp_path / "copy", max_bytes=100)
    assert failing.regions == ["eu-central-1", "us-west-2"], "asked again where the bucket is said to be"

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.artifacts import Artifacts, LocalArtifacts, S3Artifacts
from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.sources.s3 import s3_client
from tests.standins.moto import moto_server
from tests.unit.rag.sources.s3 import failing_s3, use_s3

BUCKET = "artifacts"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def s3(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    use_s3(monkeypatch, moto_url)
    client = s3_client()
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture(params=["folder", "bucket"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "folder":
        return LocalArtifacts(tmp_path / "artifacts")
    request.getfixturevalue("s3")
    return S3Artifacts(BUCKET)


async def test_what_is_written_is_read_again(artifacts: Artifacts) -> None:
    for data in (b"old", b"", os.urandom(300_000)):
        uri = await artifacts.write("reports/ü 1.json", data, "application/json")
        assert await artifacts.read("reports/ü 1.json") == data
    assert uri.startswith(("file:///", "s3://artifacts/reports/"))


async def test_names_are_listed_by_prefix_in_order(artifacts: Artifacts) -> None:
    assert await artifacts.names() == []
    for name in ("b.txt", "a/c.txt", "a/b.txt", "ab"):
        await artifacts.write(name, b"x", "text/plain")
    assert await artifacts.names() == ["a/b.txt", "a/c.txt", "ab", "b.txt"]
    assert await artifacts.names("a/") == ["a/b.txt", "a/c.txt"]
    assert await artifacts.names("a") == ["a/b.txt", "a/c.txt", "ab"]
    assert await artifacts.names("none/") == []


async def test_what_is_not_there_is_not_found(artifacts: Artifacts) -> None:
    await artifacts.write("a/b", b"x", "text/plain")
    for name in ("none", "a"):
        with pytest.raises(NotFoundError, match=name):
            await artifacts.read(name)


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\\b", "a\0", "a\n", "x" * 1025, "a.partial"],
)
async def test_names_that_lead_out_are_refused(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(InvalidInputError, match="not the name of an artifact"):
        await artifacts.write(name, b"x", "text/plain")
    with pytest.raises(InvalidInputError):
        await artifacts.read(name)


async def test_a_folder_that_can_not_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    artifacts = LocalArtifacts(tmp_path / "file")
    with pytest.raises(UnavailableError):
        await artifacts.write("a", b"x", "text/plain")


async def test_nothing_half_written_stays_behind(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(NotFoundError):
        await artifacts.write("a", b"x", "text/plain")  # the name is a folder's
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


@pytest.mark.parametrize("key", [None, "alias/groundwork"])
async def test_objects_are_encrypted(s3: Any, key: str | None) -> None:
    await S3Artifacts(BUCKET, kms_key=key).write("a", b"x", "application/json")
    head = s3.head_object(Bucket=BUCKET, Key="a")
    assert head["ServerSideEncryption"] == ("aws:kms" if key else "AES256")
    assert head.get("SSEKMSKeyId") == key
    assert head["ContentType"] == "application/json"


async def test_a_bucket_that_may_not_be_used_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with failing_s3() as server:
        use_s3(monkeypatch, server.url)
        server.fail(403, "AccessDenied")
        with pytest.raises(InvalidInputError, match="s3://artifacts/a may not be"):
            await S3Artifacts(BUCKET).read("a")
        server.fail(503, "SlowDown")
        with pytest.raises(UnavailableError):
            await S3Artifacts(BUCKET).names()


async def test_what_is_deleted_is_gone_and_nothing_else(artifacts: Artifacts) -> None:
    for name in ("a/b", "a/bc", "a/c"):
        await artifacts.write(name, b"x", "text/plain")
    for _ in range(2):
        await artifacts.delete("a/b")
    assert await artifacts.names() == ["a/bc", "a/c"]
    with pytest.raises(InvalidInputError):
        await artifacts.delete("../a")


async def test_of_a_deleted_object_no_version_is_left(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    artifacts = S3Artifacts(BUCKET)
    for data in (b"old", b"new"):
        await artifacts.write("a", data, "text/plain")
    s3.delete_object(Bucket=BUCKET, Key="a")
    await artifacts.delete("a")
    found = s3.list_object_versions(Bucket=BUCKET)
    assert found.get("Versions", []) + found.get("DeleteMarkers", []) == []

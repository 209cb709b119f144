from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rag.aws.clients import aws_client
from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.model_registry.folder import FolderRegistry
from rag.model_registry.opening import open_registry
from rag.model_registry.s3 import S3Registry
from rag.model_registry.sagemaker import SageMakerRegistry
from rag.model_registry.types import ModelRegistry, ModelState, ModelVersion, find_version, parse_version
from rag.sources.s3 import s3_client
from tests.standins.aws import use_aws
from tests.standins.moto import moto_server

BUCKET = "models"
FILES: dict[str, bytes] = {"model.json": b"{}", "card.json": b'{"gain": 1.1}', "card.md": "# é".encode()}

BROKEN = {**FILES, "last.json": 1}  # which is nothing that the SDK can send


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def s3(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    use_aws(monkeypatch, moto_url)
    client = s3_client()
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for key in keys(client):
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def keys(client: Any) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


# Opening a client of SageMaker takes a second or two.
@pytest.fixture(params=["folder", "s3", pytest.param("sagemaker", marks=pytest.mark.slow)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    if request.param == "folder":
        return open_registry(str(tmp_path / "models"))
    request.getfixturevalue("s3")
    return open_registry(f"{request.param}://{BUCKET}/rerankers")


def name_for(request: pytest.FixtureRequest) -> str:
    """A model of the test's own: moto's packages can't be deleted."""
    return f"m{abs(hash(request.node.nodeid))}"


def test_versions_keep_their_files_and_change_their_state_only(
    registry: ModelRegistry, request: pytest.FixtureRequest
) -> None:
    name = name_for(request)
    assert registry.versions(name) == []
    first = registry.register(name, FILES, by="ann")
    second = registry.register(name, {**FILES, "model.json": b"[]"}, by="bob")
    assert (first, second) == (ModelVersion(name, 1), ModelVersion(name, 2))
    assert {file: registry.read(first, file) for file in FILES} == FILES
    assert registry.read(second, "model.json") == b"[]"
    assert [each.state for each in registry.versions(name)] == [ModelState.CANDIDATE] * 2

    registry.set_state(first, ModelState.APPROVED, by="eve")
    registry.set_state(second, ModelState.REJECTED, by="ann")
    found = registry.versions(name)
    assert [(each.id, each.state, each.changed_by) for each in found] == [
        (first, ModelState.APPROVED, "eve"),
        (second, ModelState.REJECTED, "ann"),
    ]
    assert found[0].changed_at
    assert {file: registry.read(first, file) for file in FILES} == FILES


def test_what_is_not_there_is_not_found(registry: ModelRegistry, request: pytest.FixtureRequest) -> None:
    name = name_for(request)
    for model in (ModelVersion(name, 1), ModelVersion("nobody", 7)):
        with pytest.raises(NotFoundError):
            registry.read(model, "model.json")
        with pytest.raises(NotFoundError):
            registry.set_state(model, ModelState.APPROVED, by="ann")
        with pytest.raises(NotFoundError, match=f"there is no model {model}"):
            find_version(registry, model)
    with pytest.raises(InvalidInputError, match="can't be the name of a model"):
        registry.register("../out", FILES, by="ann")


def test_several_that_register_at_once_get_versions_of_their_own(tmp_path: Path, s3: Any) -> None:
    for registry in (FolderRegistry(tmp_path), S3Registry(BUCKET)):
        register = partial(registry.register, "team", by="ann")
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(register, map(_numbered, range(4))))
        assert sorted(model.version for model in made) == [1, 2, 3, 4]
        assert [registry.read(model, "model.json") for model in made] == [b"%d" % at for at in range(4)]
    assert s3 is not None


def _numbered(at: int) -> dict[str, bytes]:
    return {"model.json": b"%d" % at}


def test_a_folder_that_cannot_be_written_holds_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "team").write_text("in the way")
    with pytest.raises(UnavailableError, match="the model team can't be registered"):
        FolderRegistry(tmp_path).register("team", FILES, by="ann")
    with pytest.raises(UnavailableError):
        FolderRegistry(tmp_path).register("other", {**FILES, "no/such/folder": b""}, by="ann")
    assert list((tmp_path / "other").iterdir()) == []
    assert FolderRegistry(tmp_path).versions("other") == []


def test_a_bucket_that_breaks_off_holds_nothing_of_it(s3: Any) -> None:
    registry = S3Registry(BUCKET)
    with pytest.raises(InvalidInputError):
        registry.register("team", BROKEN, by="ann")  # type: ignore[arg-type]
    assert registry.versions("team") == []
    assert keys(s3) == []


@pytest.mark.slow
def test_sagemaker_knows_nothing_of_files_that_broke_off(s3: Any) -> None:
    registry = SageMakerRegistry(BUCKET)
    with pytest.raises(InvalidInputError):
        registry.register("broken", BROKEN, by="ann")  # type: ignore[arg-type]
    assert (registry.versions("broken"), keys(s3)) == ([], [])


def test_a_version_that_was_not_completed_is_none(s3: Any) -> None:
    registry = S3Registry(BUCKET)
    s3.put_object(Bucket=BUCKET, Key="team/1/state.json", Body=b"{}")  # of a process that died
    assert registry.versions("team") == []
    with pytest.raises(NotFoundError):
        registry.read(ModelVersion("team", 1), "state.json")
    assert registry.register("team", FILES, by="ann") == ModelVersion("team", 2)


@pytest.mark.slow
def test_a_package_of_sagemaker_names_its_files_and_card(s3: Any) -> None:
    SageMakerRegistry(BUCKET, "rerankers").register("packaged", FILES, by="ann")
    client = aws_client("sagemaker", needed_by="this test")
    (listed,) = client.list_model_packages(ModelPackageGroupName="packaged", ModelPackageType="Versioned")[
        "ModelPackageSummaryList"
    ]
    package = client.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    folder = package["CustomerMetadataProperties"]["folder"]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    card = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert card == f"s3://{BUCKET}/{folder}card.json"
    assert sorted(keys(s3)) == sorted(folder + file for file in FILES)


def test_a_place_that_is_no_registry_is_refused() -> None:
    for place in ("s3://", "gs://bucket", "sagemaker:///models"):
        with pytest.raises(InvalidInputError, match="is no model registry"):
            open_registry(place)
    assert parse_version("my-team@12") == ModelVersion("my-team", 12)
    for text in ("team", "team@0", "team@x", "Team@1", "a--@1", "team@1@2", "@1"):
        with pytest.raises(InvalidInputError, match="names no version"):
            parse_version(text)

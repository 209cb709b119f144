from collections.abc import Iterator
from typing import Any

import pytest

from rag.aws.clients import aws_client
from rag.aws.envelope import KmsKeyWrapper
from rag.errors import UnavailableError
from tests.standins.aws import use_aws
from tests.standins.moto import moto_server
from tests.unit.rag.aws.secret_store import secret_store

CONTEXT = {"tenant": "a", "version": "1"}


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def kms(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    use_aws(monkeypatch, moto_url)
    return aws_client("kms", needed_by="a test")


@pytest.fixture
def key_id(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["KeyId"])


async def test_a_data_key_is_random_and_comes_back(key_id: str) -> None:
    wrapper = KmsKeyWrapper(key_id)
    made = await wrapper.new_key(CONTEXT)
    assert len(made.key) == 32
    assert made.key not in made.wrapped
    assert (await wrapper.new_key(CONTEXT)).key != made.key
    assert await wrapper.unwrap(made.wrapped, CONTEXT) == made.key


async def test_a_data_key_is_bound_to_its_context(key_id: str) -> None:
    made = await KmsKeyWrapper(key_id).new_key(CONTEXT)
    with pytest.raises(UnavailableError, match="InvalidCiphertext"):
        await KmsKeyWrapper(key_id).unwrap(made.wrapped, CONTEXT | {"tenant": "b"})


async def test_what_an_earlier_key_wrapped_opens_after_another_was_chosen(kms: Any, key_id: str) -> None:
    made = await KmsKeyWrapper(key_id).new_key(CONTEXT)
    other = str(kms.create_key()["KeyMetadata"]["KeyId"])
    assert await KmsKeyWrapper(other).unwrap(made.wrapped, CONTEXT) == made.key


async def test_a_key_that_is_not_there_is_unavailable(kms: Any) -> None:
    with pytest.raises(UnavailableError, match="NotFoundException"):
        await KmsKeyWrapper("alias/none").new_key(CONTEXT)


async def test_kms_being_down_or_busy_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    use_aws(monkeypatch, f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(UnavailableError, match="can't be reached"):
        await KmsKeyWrapper("key").new_key(CONTEXT)
    with secret_store() as server:
        use_aws(monkeypatch, server.url)
        server.failure = (400, "ThrottlingException")
        with pytest.raises(UnavailableError, match="ThrottlingException"):
            await KmsKeyWrapper("key").new_key(CONTEXT)

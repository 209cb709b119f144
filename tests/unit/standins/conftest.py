from collections.abc import Iterator
from typing import Any

import pytest

from rag.aws.clients import aws_client
from rag.models.local import LocalModels
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.server import bedrock_standin


@pytest.fixture(scope="module")
def running(local_models: LocalModels) -> Iterator[Bedrock]:
    with bedrock_standin(local=local_models) as server:
        yield server


@pytest.fixture
def bedrock(running: Bedrock, monkeypatch: pytest.MonkeyPatch) -> Bedrock:
    running.reset()
    use_bedrock(monkeypatch, running.url)
    return running


@pytest.fixture(scope="module")
def runtime(running: Bedrock) -> Iterator[Any]:
    """boto3's client of bedrock-runtime, as it comes."""
    yield from _client("bedrock-runtime", running.url)


@pytest.fixture(scope="module")
def agent_runtime(running: Bedrock) -> Iterator[Any]:
    yield from _client("bedrock-agent-runtime", running.url)


@pytest.fixture(scope="module")
def control_plane(running: Bedrock) -> Iterator[Any]:
    yield from _client("bedrock", running.url)


def _client(service: str, url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_bedrock(monkeypatch, url)
        client = aws_client(service, needed_by="a test", read_timeout_s=5)
    yield client
    client.close()

import os
import socket
from collections.abc import Iterator

import hypothesis
import pytest

from app.settings import Settings
from observability.logs import configure_logs
from rag.models.local import LocalModels
from rag.models.minilm import MiniLMEmbeddings

# A change is judged by the same examples on every run and however busy the machine is.
# HYPOTHESIS_PROFILE=default looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True, scope="session")
def _plain_logs() -> None:
    """As in production: structlog's own default prints every local variable of a traceback, for seconds."""
    configure_logs(level="INFO", log_format="console")


@pytest.fixture(scope="session")
def local_models() -> LocalModels:
    """The real local models, loaded once for all tests."""
    return LocalModels()


@pytest.fixture(scope="session")
def encoder(local_models: LocalModels) -> MiniLMEmbeddings:
    return local_models.encoder


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def unused_tcp_port() -> Iterator[int]:
    """A port that refuses connections. It is held, so that nobody else is given it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]

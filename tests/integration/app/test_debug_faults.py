"""Faults put into real requests are told by their causes; the benchmark has more of them, and a table."""

from collections.abc import Iterator

import pytest

from app.evaluation.corpus import folder_services
from app.settings import Settings
from rag.models.local import LocalModels
from tests.benchmarks.faults import CONTROLS, FAULTS, SAMPLE, open_lab, tell_all
from tests.standins.chat_servers import ChatServer, chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        patch.setenv("OPENAI_API_KEY", "sk-test")
        yield running


@pytest.mark.slow
async def test_nineteen_in_twenty_faults_are_told(server: ChatServer, local_models: LocalModels) -> None:
    settings = Settings(_env_file=None, db_connections=4, role="api", log_level="ERROR")
    async with (
        folder_services([SAMPLE], settings, local=local_models) as services,
        open_lab(services, local_models, server, questions=16, seed=1) as lab,
    ):
        told = await tell_all(lab, faults=2 * len(FAULTS), controls=4 * len(CONTROLS))
    wrong = [(each.fault, each.expected, each.story.causes) for each in told if not each.is_right]
    assert len(wrong) <= 0.05 * len(told), wrong

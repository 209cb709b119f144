"""The smoke questions, asked of the real service with the documents that they are about."""

import asyncio
from pathlib import Path

import httpx
import pytest

from app.services import Services
from rag.ingest import IncomingFile
from rag.ports import SourceLabels
from scripts.delivery.errors import FailedError
from scripts.delivery.smoke import Question, Smoke, read_questions

SAMPLE = Path(__file__).parents[3] / "docs" / "sample"


def smoke(client: httpx.AsyncClient, questions: list[Question]) -> Smoke:
    return Smoke(str(client.base_url), "", "", questions, pause_s=0)


async def test_the_service_answers_them_once_it_has_the_sample_documents(
    client: httpx.AsyncClient, services: Services
) -> None:
    with pytest.raises(FailedError, match=r"'How many vacation days .*' was not answered"):
        await asyncio.to_thread(smoke(client, read_questions()).ask)

    for path in SAMPLE.iterdir():
        upload = IncomingFile(path, SourceLabels(path.name), filename=path.name)
        await services.ingestor.ingest(services.default_identity.writer(), upload)
    await asyncio.to_thread(smoke(client, read_questions()).ask)

    for question, complaint in (
        (Question("What is the limit for lunch?", ("41 EUR",)), "was answered without 41 EUR"),
        (Question("What is the limit for lunch?", abstains=True), "was answered"),
    ):
        with pytest.raises(FailedError, match=complaint):
            await asyncio.to_thread(smoke(client, [question]).ask)


async def test_a_service_that_is_not_there_is_asked_again_and_given_up() -> None:
    nobody = Smoke("http://127.0.0.1:1", "", "", [], pause_s=0)
    with pytest.raises(FailedError, match="GET /health/ready: ConnectError"):
        await asyncio.to_thread(nobody.ask)

"""Answers that admins have pinned to questions: who gets them, when not, and what the trace says."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langchain_core.embeddings import Embeddings

from app.access.roles import Role
from app.answer_run import Run
from app.answering import Answerer
from app.schemas.chat import ChatRequest
from app.services import Services
from app.spaces import SpaceServices
from db.embedding_spaces import ensure_embedding_space
from db.pool import Database
from db.repositories.curated import CuratedFields
from db.repositories.spaces import Space
from eval.cases import parse_cases
from feedback.collect import no_note
from feedback.curated_lookup import CuratedLookup, Served
from feedback.curated_match import may_ask
from rag.errors import BlockedError
from rag.guardrail import Side
from rag.models.types import EmbeddingModel
from rag.ports import SearchScope
from rag.retrieve import PassageRetriever
from tests.integration.app.access import KeyMaker
from tests.integration.app.conftest import POLICY, SECURITY
from tests.integration.app.sse import read_events
from tests.integration.app.test_answering import answerer
from tests.integration.app.test_feedback import client, get, tenant
from tests.unit.graph.doubles import ScriptedChatModel

__all__ = ["client", "tenant"]  # fixtures

QUESTION = "How many vacation days can I carry over?"
SAME = "How many days of vacation may I carry over?"
ANSWER = "You can carry over up to 5 vacation days. Ask your manager for more."


@pytest.fixture
async def admin(client: httpx.AsyncClient, database: Database, tenant: str) -> dict[str, str]:
    """Of a tenant with two documents, one of which is closed to all but the group `it`."""
    headers = await KeyMaker(database).headers(Role.ADMIN, tenant=tenant, groups=("it",))
    for text, name, acl in ((POLICY, "leave.md", []), (SECURITY, "security.md", ["it"])):
        body = {"text": text, "title": name, "source_document_id": name, "acl": acl}
        answer = await client.post("/ingest", params={"wait": 60}, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
    return headers


async def pin(client: httpx.AsyncClient, headers: dict[str, str], **fields: object) -> str:
    body = {"question": QUESTION, "answer": ANSWER, **fields}
    response = await client.post("/admin/curated", json=body, headers=headers)
    assert response.status_code == 201, response.text
    curated_id: str = response.json()["curated_id"]
    return curated_id


async def chat(
    client: httpx.AsyncClient, headers: dict[str, str], query: str = QUESTION, **fields: object
) -> dict[str, Any]:
    response = await client.post("/chat", json={"query": query, **fields}, headers=headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def document(client: httpx.AsyncClient, headers: dict[str, str], name: str) -> str:
    found = await get(client, headers, "/documents", source_document_id=name)
    document_id: str = found["documents"][0]["document_id"]
    return document_id


async def test_a_pinned_answer_is_served_with_its_source_and_said_to_be_curated(
    client: httpx.AsyncClient, admin: dict[str, str], database: Database, tenant: str
) -> None:
    leave = await document(client, admin, "leave.md")
    assert (await chat(client, admin))["curated"] is False
    curated_id = await pin(client, admin, document_ids=[leave])
    for query in (QUESTION, SAME):
        body = await chat(client, admin, query)
        assert (body["curated"], body["answer"], body["model_name"]) == (True, ANSWER, None)
        assert (body["abstained"], body["usage"]["total_tokens"]) == (False, 0)
        (source,) = body["retrieved_documents"]
        assert (source["document_id"], source["source_document_id"]) == (leave, "leave.md")
        (citation,) = body["citations"]
        assert (citation["index"], citation["chunk_id"]) == (1, source["id"])
        assert "5 vacation days" in citation["quote"]
    tenant_id = await KeyMaker(database).tenant(tenant)
    async with database.tenant(tenant_id) as connection:
        row = await connection.fetchrow(
            "SELECT curated_id, answer, jsonb_array_length(retrieved) AS sources FROM traces "
            "WHERE request_id = $1",
            body["request_id"],
        )
    assert row
    assert (str(row["curated_id"]), row["answer"], row["sources"]) == (curated_id, ANSWER, 1)


async def test_a_pinned_answer_streams(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await pin(client, admin, document_ids=[await document(client, admin, "leave.md")])
    body = {"query": QUESTION, "stream": True}
    async with client.stream("POST", "/chat", json=body, headers=admin) as response:
        events = [event async for event in read_events(response)]
    assert [event.name for event in events] == ["meta", "sources", "token", "citation", "done"]
    assert events[2].data["text"] == events[-1].data["answer"] == ANSWER
    assert events[-1].data["curated"] is True


@pytest.mark.parametrize(
    "query",
    [
        "How many vacation days do I have?",
        "How many sick days can I carry over?",
        "How many vacation days can I carry over 2 years?",
        "How long must passwords be?",
    ],
)
async def test_another_question_is_answered_by_the_documents(
    client: httpx.AsyncClient, admin: dict[str, str], query: str
) -> None:
    await pin(client, admin, answer="Pinned.")
    assert (await chat(client, admin, query))["curated"] is False


async def test_an_answer_for_a_group_or_from_a_closed_document_is_not_told_to_others(
    client: httpx.AsyncClient, admin: dict[str, str], database: Database, tenant: str
) -> None:
    outsider = await KeyMaker(database).headers(Role.ADMIN, tenant=tenant)
    by_group = await pin(client, admin, answer="For IT only.", acl=["it"])
    asked = "How long must passwords be?"
    security = await document(client, admin, "security.md")
    by_document = await pin(client, admin, question=asked, answer="14 signs.", document_ids=[security])
    for query, answer in ((QUESTION, "For IT only."), (asked, "14 signs.")):
        assert (await chat(client, admin, query))["answer"] == answer
        assert (await chat(client, outsider, query))["curated"] is False
    listed = (await get(client, outsider, "/admin/curated"))["curated"]
    assert [entry["curated_id"] for entry in listed] == [by_document]
    for method in ("GET", "DELETE"):
        response = await client.request(method, f"/admin/curated/{by_group}", headers=outsider)
        assert response.status_code == 404
    body = {"question": "Q?", "answer": "A.", "document_ids": [security]}
    assert (await client.post("/admin/curated", json=body, headers=outsider)).status_code == 404


async def test_another_tenants_answer_is_never_served(
    client: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    await pin(client, admin)
    stranger = await KeyMaker(database).headers(Role.ADMIN, tenant=f"t-{uuid4().hex}")
    assert (await chat(client, stranger))["curated"] is False


async def test_an_answer_whose_source_is_gone_is_not_served(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    leave = await document(client, admin, "leave.md")
    curated_id = await pin(client, admin, document_ids=[leave])
    assert (await chat(client, admin))["curated"] is True
    await client.delete(f"/documents/{leave}", headers=admin)
    assert (await chat(client, admin))["curated"] is False
    await client.patch(f"/admin/curated/{curated_id}", json={"document_ids": []}, headers=admin)
    assert (await chat(client, admin))["curated"] is True


async def test_a_caller_who_narrows_the_search_hears_the_documents(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await pin(client, admin)
    filters = {"source_document_id": "leave.md"}
    assert (await chat(client, admin, filters=filters))["curated"] is False
    assert (await chat(client, admin, strategy="lexical"))["curated"] is True


async def test_changes_count_at_once(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    path = f"/admin/curated/{await pin(client, admin)}"

    async def change(**changes: object) -> None:
        response = await client.patch(path, json=changes, headers=admin)
        assert response.status_code == 200, response.text

    await change(answer="Five.")
    assert (await chat(client, admin))["answer"] == "Five."
    await change(enabled=False)
    assert (await chat(client, admin))["curated"] is False
    await change(enabled=True, threshold=1)
    assert (await chat(client, admin, SAME))["curated"] is False
    await change(threshold=None)
    assert (await chat(client, admin, SAME))["curated"] is True
    await change(question="How long must passwords be?")
    assert (await chat(client, admin))["curated"] is False
    assert (await chat(client, admin, "How long must passwords be?"))["curated"] is True
    assert (await client.delete(path, headers=admin)).status_code == 204
    assert (await chat(client, admin, "How long must passwords be?"))["curated"] is False
    log = await get(client, admin, "/admin/audit", object_id=path.rpartition("/")[2])
    assert [entry["action"] for entry in log["entries"]][:2] == ["curated.delete", "curated.change"]
    assert log["entries"][-1]["action"] == "curated.create"


@pytest.mark.parametrize(
    "changes",
    [
        {"question": " "},
        {"question": "x" * 4001},
        {"answer": ""},
        {"threshold": 1.1},
        {"threshold": True},
        {"enabled": None},
        {"acl": None},
        {"document_ids": ["leave.md"]},
    ],
)
async def test_what_is_no_curated_answer_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, object]
) -> None:
    body = {"question": QUESTION, "answer": ANSWER, **changes}
    assert (await client.post("/admin/curated", json=body, headers=admin)).status_code == 422
    path = f"/admin/curated/{uuid4()}"
    assert (await client.patch(path, json=changes, headers=admin)).status_code == 422


async def test_curated_answers_are_listed_in_pages_and_exported_as_cases(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    leave = await document(client, admin, "leave.md")
    first = await pin(client, admin, document_ids=[leave])
    second = await pin(client, admin, question="What is a heron?", answer="A bird.")
    await pin(client, admin, question="Off?", answer="Off.", enabled=False)
    page = await get(client, admin, "/admin/curated", limit=2)
    assert [entry["curated_id"] for entry in page["curated"]] == [first, second]
    rest = await get(client, admin, "/admin/curated", cursor=page["next_cursor"])
    assert ([entry["question"] for entry in rest["curated"]], rest["next_cursor"]) == (["Off?"], None)
    export = await client.get("/admin/curated/export", headers=admin)
    cases = parse_cases(export.content, "curated", place="export").cases
    assert [(case.id, case.query, case.expected_answers) for case in cases] == [
        (f"curated-{first}", QUESTION, (ANSWER,)),
        (f"curated-{second}", "What is a heron?", ("A bird.",)),
    ]
    assert cases[0].ground_truth_docs == ["leave.md"]
    assert json.loads(export.text.splitlines()[0])["tags"] == ["curated"]


@dataclass(frozen=True, slots=True)
class OtherSpace:
    """The active space, as it would be with vectors of another model."""

    space: Space
    model: EmbeddingModel
    retriever: PassageRetriever


class BrokenEmbeddings(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("the model is gone")

    def embed_query(self, text: str) -> list[float]:
        raise ConnectionError("the model is gone")


@pytest.fixture
def scope(services: Services) -> SearchScope:
    return services.default_identity.scope()


@pytest.fixture
async def pinned(services: Services, scope: SearchScope) -> AsyncIterator[UUID]:
    writer = services.default_identity.writer()
    new = CuratedFields(question=QUESTION, answer=ANSWER)
    row = await services.curated.create(writer, new, note=no_note)
    yield row.id
    await services.curated.delete(writer, row.id, note=no_note)


def lookup_of(services: Services, current: "SpaceServices | OtherSpace | None" = None) -> CuratedLookup:
    """As another replica has it."""
    return CuratedLookup(services.database, lambda: current or services.spaces.current, threshold=0.84)


async def served(lookup: CuratedLookup, scope: SearchScope, *, within_s: float) -> Served:
    async with asyncio.timeout(within_s):
        while True:
            if found := (await lookup.find(scope, QUESTION)).served:
                return found
            await asyncio.sleep(0.02)


async def test_after_a_change_of_model_questions_are_embedded_anew(
    services: Services, scope: SearchScope, pinned: UUID
) -> None:
    current = services.spaces.current
    space_id = await ensure_embedding_space(services.logins.owner, model="test:other", dimensions=384)
    other = OtherSpace(Space(space_id, "test:other", 384), current.model, current.retriever)
    lookup = lookup_of(services, other)
    assert (await lookup.find(scope, QUESTION)).served is None
    assert (await served(lookup, scope, within_s=10)).id == pinned
    await lookup.close()


async def test_another_replica_hears_of_a_change_within_two_seconds(
    services: Services, scope: SearchScope
) -> None:
    replica, writer = lookup_of(services), services.default_identity.writer()
    assert (await replica.find(scope, QUESTION)).served is None
    row = await services.curated.create(writer, CuratedFields(question=QUESTION, answer=ANSWER), note=no_note)
    await served(replica, scope, within_s=2)
    await services.curated.delete(writer, row.id, note=no_note)
    assert (await replica.find(scope, QUESTION)).served is None


async def test_without_curated_answers_nothing_is_embedded(services: Services, scope: SearchScope) -> None:
    current = services.spaces.current
    model = EmbeddingModel("test:broken", BrokenEmbeddings(), 384, current.model.tokenizer, 256)
    broken = lookup_of(services, OtherSpace(current.space, model, current.retriever))
    assert await broken.find(scope, QUESTION) == await broken.find(scope, "Anything?")


async def begun(asked: Answerer, services: Services) -> Run:
    request = ChatRequest(query=QUESTION)
    return await asked.begin(services.default_identity, request, request_id=str(uuid4()))


async def test_when_it_cannot_be_looked_for_the_documents_answer_and_that_is_said(
    services: Services, pinned: UUID
) -> None:
    current = services.spaces.current
    model = EmbeddingModel("test:broken", BrokenEmbeddings(), 384, current.model.tokenizer, 256)
    asked = answerer(services, ScriptedChatModel(pieces=["Nothing."]))
    asked._curated = lookup_of(services)
    assert (await asked.answer(await begun(asked, services))).curated is True
    asked._curated = lookup_of(services, OtherSpace(current.space, model, current.retriever))
    response = await asked.answer(await begun(asked, services))
    assert (response.curated, response.degraded[0]) == (False, "curated")


class Refusing:
    """A guardrail that lets nothing pass."""

    async def check(self, text: str, side: Side) -> None:
        raise BlockedError("the guardrail refuses")


async def test_a_guardrail_judges_the_question_of_a_curated_answer_too(
    services: Services, pinned: UUID
) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=["Nothing."]))
    asked._curated = lookup_of(services)
    guarded = replace(asked._setup.context, guardrail=Refusing())
    asked._setup = replace(asked._setup, context=guarded)
    with pytest.raises(BlockedError):
        await asked.answer(await begun(asked, services))


async def test_a_suppressed_phrase_keeps_a_curated_answer_back(
    services: Services, scope: SearchScope, pinned: UUID
) -> None:
    lookup = lookup_of(services)
    assert (await lookup.find(scope, QUESTION, suppressed=("Project Heron",))).served
    assert (await lookup.find(scope, QUESTION, suppressed=("your MANAGER",))).served is None


async def test_a_question_is_looked_up_by_the_vector_that_then_searches(
    services: Services, scope: SearchScope, pinned: UUID
) -> None:
    looked = await lookup_of(services).find(scope, "What is a heron?")
    found = await services.spaces.retrieve("What is a heron?", scope)
    assert looked.vector
    assert found.vector
    assert looked.vector.model == found.vector.model
    assert looked.vector.values == pytest.approx(found.vector.values)


@pytest.mark.parametrize(
    ("question", "pinned", "may"),
    [
        ("After what time are backups deleted?", "How long are backups kept?", True),
        ("How long are the backups kept", "How long are backups kept?", True),
        ("How long are backups kept in Zurich?", "How long are backups kept?", True),
        ("How long are logs kept?", "How long are backups kept?", False),
        ("How many vacation days do I have?", "How many vacation days can I carry over?", False),
        ("When is an update due in a SEV2?", "When is an update due in a SEV1?", False),
        ("May I fly after 4 hours?", "May I fly after 6 hours?", False),
        ("", "", True),
    ],
)
def test_a_word_that_is_missing_or_another_number_makes_another_question(
    question: str, pinned: str, *, may: bool
) -> None:
    assert may_ask(question, pinned) is may

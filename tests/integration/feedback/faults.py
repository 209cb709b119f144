"""Faults of four kinds, put into a service that answers right without them, and requests that met them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from app.answer_store import AnswerStore
from app.answering import Answerer
from app.ingestion.queue import delete_document
from app.schemas.chat import ChatResponse
from app.services import Services
from db.repositories import sources
from feedback.triage.evidence import holds
from feedback.triage.examine import TriageExaminer
from feedback.triage.types import Diagnosed, Diagnosis
from graph.state import AnswerContext
from rag.models.local import LocalModels
from rag.models.types import ChatModel
from rag.prompt import SOURCE
from tests.integration.feedback.loop import KnownQuestion, ask, downvote, is_right


class WorstFirst(BaseDocumentCompressor):
    """A reranker that has its order the wrong way round."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        return list(reversed(documents))


class LastSourceOnly(BaseChatModel):
    """A chat model whose prompt lost the texts of all sources but the last."""

    inner: BaseChatModel

    @property
    def _llm_type(self) -> str:
        return "damaged"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self.inner._generate(damaged(messages), *args, **kwargs)

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        return self.inner._stream(damaged(messages), *args, **kwargs)


def damaged(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    human = messages[-1]
    text = str(human.text)
    places = list(SOURCE.finditer(text))
    for place in reversed(places[:-1]):
        text = text[: place.start(3)] + text[place.end(3) :]
    return [*messages[:-1], HumanMessage(text)]


@dataclass(frozen=True, slots=True)
class Met:
    """A request that met a fault, and the diagnosis that is right for it."""

    question: KnownQuestion
    request_id: str
    right: Diagnosis


class Faults:
    """Makes requests that met a fault, each rated badly with a right answer as its correction."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._context: AnswerContext = services.evaluator._context

    async def answered_right(self, questions: Sequence[KnownQuestion]) -> AsyncIterator[KnownQuestion]:
        """Those that the service without a fault answers right: whatever else they then meet is the fault."""
        for question in questions:
            if is_right(question, await ask(self._services, question.text)):
                yield question

    async def control(self, question: KnownQuestion) -> Met | None:
        answer = await ask(self._services, question.text)
        return await self._met(question, answer, Diagnosis.NONE)

    async def ranking(self, question: KnownQuestion) -> Met | None:
        answerer = self._answerer(reranker=WorstFirst())
        return await self._wrong(question, answerer, Diagnosis.RANKED_OUT)

    async def prompt(self, question: KnownQuestion) -> Met | None:
        (chat, *_) = self._context.chat_models
        model = ChatModel("damaged", LastSourceOnly(inner=chat.model))
        return await self._wrong(question, self._answerer(chat_models=(model,)), Diagnosis.IGNORED_BY_MODEL)

    async def deleted(self, question: KnownQuestion) -> Met | None:
        """Of a document that `delete` has deleted."""
        return await self._wrong(question, self._services.answerer, Diagnosis.NOT_IN_CORPUS)

    async def delete(self, name: str) -> None:
        identity = self._services.default_identity
        async with self._services.database.tenant(identity.tenant_id) as connection:
            found = await sources.by_name(connection, identity.tenant_id, (), name)
        assert found is not None
        await delete_document(self._services.database, identity.tenant_id, (), found.document_id)

    async def citation(self, question: KnownQuestion, *, consistent: bool) -> Met | None:
        """The answer is right, and what it cites is not: as if nothing had checked it."""
        answer = await ask(self._services, question.text)
        if len(answer.retrieved_documents) < 2 or len(answer.citations) == 0:
            return None
        await self._break_citations(answer, consistent=consistent)
        return await self._met(question, answer, Diagnosis.CITATION_WRONG)

    async def _wrong(self, question: KnownQuestion, answerer: Answerer, right: Diagnosis) -> Met | None:
        """None if the answer says what is right all the same: then there was no fault to find."""
        answer = await ask(self._services, question.text, answerer=answerer)
        says = not answer.abstained and any(holds(answer.answer, text) for text in question.answers)
        return None if says else await self._met(question, answer, right)

    async def _met(self, question: KnownQuestion, answer: ChatResponse, right: Diagnosis) -> Met:
        await downvote(self._services, answer.request_id, correction=question.answers[0])
        return Met(question, answer.request_id, right)

    def _answerer(self, **changes: Any) -> Answerer:
        services = self._services
        return Answerer(
            services.database,
            AnswerStore(
                services.database,
                embedding_model=lambda: services.spaces.current.model.name,
                store_text=True,
            ),
            services.evaluator._graph,
            replace(self._context, **changes),
            questions=services.privacy.questions,
            keys=services.privacy.keys,
            top_k=services.settings.top_k,
            timeout_s=services.settings.request_timeout_s,
        )

    async def _break_citations(self, answer: ChatResponse, *, consistent: bool) -> None:
        """Each marker names the next source; `consistent`: so does what is stored of it."""
        documents = answer.retrieved_documents
        numbers = {n: n % len(documents) + 1 for n in range(1, len(documents) + 1)}
        text = answer.answer
        if consistent:
            text = re.sub(r"\[(\d+)\]", lambda found: f"[{numbers[int(found[1])]}]", text)
        citations = []
        for citation in answer.citations:
            other = documents[numbers[citation.index] - 1]
            index = numbers[citation.index] if consistent else citation.index
            citations.append(
                {"index": index, "chunk_id": str(other.id), "start": other.start, "end": other.end}
            )
        identity = self._services.default_identity
        async with self._services.database.tenant(identity.tenant_id) as connection:
            await connection.execute(
                "UPDATE traces SET answer = $2, citations = $3 WHERE request_id = $1",
                answer.request_id,
                text,
                citations,
            )


async def diagnosed(services: Services, met: Sequence[Met], local: LocalModels) -> list[Diagnosed]:
    """What the service finds out about each."""
    reader = services.feedback_export.reader
    examiner = TriageExaminer(reader, services.replayer, local.encoder)
    scope = services.default_identity.scope()
    found = []
    for one in met:
        asked = await reader.of_request(scope.tenant_id, one.request_id)
        kept = await reader.chunks(scope, asked.prompt)
        found.append((await examiner.examine(scope, asked, kept)).diagnosed)
    return found


async def meet_faults(
    services: Services, questions: Sequence[KnownQuestion], *, each: int
) -> AsyncIterator[list[Met]]:
    """So many requests of each kind of fault and of none, no question twice; then those of documents that
    were deleted, which are deleted only then.
    """
    faults = Faults(services)
    met: list[Met] = []
    kinds: list[Callable[[KnownQuestion], Awaitable[Met | None]]] = [
        faults.control,
        faults.ranking,
        faults.prompt,
        lambda question: faults.citation(question, consistent=len(met) % 2 == 0),
    ]
    waiting = aiter(faults.answered_right(questions))
    for kind in kinds:
        await _meet(kind, waiting, met, each)
    yield met
    # All documents that are to go are gone before the first question about them.
    chosen = [question async for question in _some(waiting, 2 * each)]
    for name in dict.fromkeys(question.document for question in chosen):
        await faults.delete(name)
    about_deleted: list[Met] = []
    await _meet(faults.deleted, _each(chosen), about_deleted, each)
    yield about_deleted


async def _meet(
    kind: Callable[[KnownQuestion], Awaitable[Met | None]],
    questions: AsyncIterator[KnownQuestion],
    met: list[Met],
    most: int,
) -> None:
    left = most
    while left and (question := await anext(questions, None)):
        if found := await kind(question):
            met.append(found)
            left -= 1


async def _some(questions: AsyncIterator[KnownQuestion], most: int) -> AsyncIterator[KnownQuestion]:
    for _ in range(most):
        if question := await anext(questions, None):
            yield question


async def _each(questions: Sequence[KnownQuestion]) -> AsyncIterator[KnownQuestion]:
    for question in questions:
        yield question

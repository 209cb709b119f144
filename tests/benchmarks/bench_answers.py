"""End to end on SQuAD 2.0: all 646 paragraphs in the real database, questions of the articles not fitted on.

Each question goes through the answer graph as `/chat` runs it, once with the threshold of the extractive
model and once without, so that what abstaining costs can be told. Every citation is held against the stored
text.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

from app.services import Services, open_services
from app.settings import Settings
from db.repositories import sources
from eval.datasets import SquadDataset, SquadQuestion, load_squad, split_by_article
from eval.metrics import contains_answer
from graph.build import build_answer_graph, run_answer_graph
from graph.events import Finished
from graph.state import AnswerContext, AnswerState
from rag.ingest import IncomingFile
from rag.models.answer_selection import AnswerSelector
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.extractive import ExtractiveChatModel
from rag.models.local import LOCAL_CHAT, LocalModels
from rag.models.types import ChatModel
from rag.prompts import ANSWER_PROMPT, load_prompt
from rag.retrieve import Strategy
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

FILE = DATA / "squad2_dev_half" / "dev-v2.0.json"
SAMPLE = int(os.environ.get("GROUNDWORK_BENCH_QUESTIONS", "0"))  # of each kind; 0 for all


@dataclass(slots=True)
class Tally:
    """What came of the questions of one kind."""

    contained: list[bool] = field(default_factory=list)
    abstained: list[bool] = field(default_factory=list)
    citations: int = 0
    exact: int = 0


class Bench:
    def __init__(self, services: Services, local: LocalModels, texts: dict[UUID, str]) -> None:
        self._services = services
        self._local = local
        self._texts = texts
        self._graph = build_answer_graph()

    def context(self, threshold: float) -> AnswerContext:
        encoder = self._local.encoder
        model = ExtractiveChatModel(encoder=encoder, selector=AnswerSelector(encoder), threshold=threshold)
        return AnswerContext(
            scope=self._services.default_identity.scope(),
            retriever=self._services.spaces,
            reranker=None,
            chat_models=(ChatModel(LOCAL_CHAT, model),),
            prompt=load_prompt(ANSWER_PROMPT),
            context_tokens=self._services.settings.context_tokens,
            relevance_floor=self._services.settings.relevance_floor if threshold else -1,
        )

    async def ask(self, questions: list[SquadQuestion], threshold: float) -> Tally:
        tally = Tally()
        context = self.context(threshold)
        for question in questions:
            state = await self._answer(question.text, context)
            tally.abstained.append(state.get("abstained", False))
            quotes = " ".join(citation.quote for citation in state.get("citations", []))
            tally.contained.append(contains_answer(quotes, question.answers))
            for citation in state.get("citations", []):
                stored = self._texts[citation.document_id][citation.start : citation.end]
                tally.citations += 1
                tally.exact += stored == citation.quote
        return tally

    async def _answer(self, question: str, context: AnswerContext) -> AnswerState:
        events = run_answer_graph(
            self._graph, question=question, strategy=Strategy.AUTO, top_k=8, context=context
        )
        async for event in events:
            if isinstance(event, Finished):
                return event.state
        raise RuntimeError("the graph did not finish")


@asynccontextmanager
async def bench(dataset: SquadDataset) -> AsyncIterator[Bench]:
    """All paragraphs in a database of the benchmark's own."""
    local = LocalModels()
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), sample_documents=False)
        async with open_services(settings, local=local) as services:
            yield Bench(services, local, await _ingest(services, dataset))


async def _ingest(services: Services, dataset: SquadDataset) -> dict[UUID, str]:
    tenant_id = services.default_identity.tenant_id
    texts = {}
    for number, paragraph in enumerate(dataset.paragraphs):
        title = paragraph.article.replace("_", " ")
        file = IncomingFile.of_text(paragraph.text, title, name=str(number))
        ingested = await services.ingestor.ingest(services.default_identity.writer(), file)
        async with services.database.tenant(tenant_id) as connection:
            texts[ingested.document_id] = await sources.text(connection, (), ingested.document_id) or ""
    return texts


def _sample(questions: list[SquadQuestion]) -> list[SquadQuestion]:
    if not SAMPLE or len(questions) <= SAMPLE:
        return questions
    chosen = np.random.default_rng(0).choice(len(questions), SAMPLE, replace=False)
    return [questions[i] for i in sorted(chosen)]


async def measure() -> list[BenchmarkRow]:
    dataset = load_squad(FILE)
    _, held_out = split_by_article(dataset)
    answerable = _sample([q for q in held_out.questions if q.is_answerable])
    unanswerable = _sample([q for q in held_out.questions if not q.is_answerable])
    async with bench(dataset) as running:
        always = await running.ask(answerable, threshold=0)
        default = await running.ask(answerable, threshold=ANSWER_THRESHOLD)
        declined = await running.ask(unanswerable, threshold=ANSWER_THRESHOLD)
    before, after = float(np.mean(always.contained)), float(np.mean(default.contained))
    citations = always.citations + default.citations + declined.citations
    exact = always.exact + default.exact + declined.exact
    return [
        at_least("gold answer in the quotes, before abstaining", before, 0.86),
        at_most("what abstaining loses of it", before - after, 0.05),
        for_information("answerable questions abstained on", float(np.mean(default.abstained))),
        for_information("unanswerable questions abstained on", float(np.mean(declined.abstained))),
        at_least("citations found verbatim at their offsets", exact / citations, 1),
        for_information("citations", citations),
        for_information("answerable questions", len(answerable)),
        for_information("unanswerable questions", len(unanswerable)),
    ]


def run() -> list[BenchmarkRow]:
    return asyncio.run(measure())


if __name__ == "__main__":
    print_table(run())

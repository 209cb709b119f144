"""Questions with known answers, asked of the real service, and judged by a script that knows the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from app.answering import Answerer
from app.schemas.chat import ChatRequest, ChatResponse
from app.services import Services
from eval.cases import read_cases
from eval.datasets import SquadDataset
from feedback.collect import Rating
from feedback.triage.evidence import holds
from rag.ingest import IncomingFile
from rag.ports import SourceLabels

DATASETS = Path(__file__).parents[3] / "eval" / "datasets"


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question, its right answers, and the name of the document that holds them."""

    text: str
    answers: tuple[str, ...]
    document: str


@dataclass(frozen=True, slots=True)
class KnownCorpus:
    """Documents by name, and questions about them."""

    documents: dict[str, str]
    questions: tuple[KnownQuestion, ...]


def shipped_sample() -> KnownCorpus:
    """The answerable questions of the set that ships with the project."""
    folder = DATASETS / "squad2_sample"
    documents = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}
    cases = [case for case in read_cases(DATASETS / "squad2_sample.jsonl").cases if case.answerable]
    return KnownCorpus(
        documents,
        tuple(KnownQuestion(case.query, case.expected_answers, next(iter(case.judgments))) for case in cases),
    )


def squad_corpus(dataset: SquadDataset) -> KnownCorpus:
    """All paragraphs, and of each its answerable questions of seven words or more."""
    names = [f"{at:04d}.txt" for at in range(len(dataset.paragraphs))]
    documents = {
        name: f"{paragraph.article.replace('_', ' ')}\n\n{paragraph.text}\n"
        for name, paragraph in zip(names, dataset.paragraphs, strict=True)
    }
    questions = (
        KnownQuestion(question.text, question.answers, names[question.paragraph])
        for question in dataset.questions
        if question.is_answerable and len(question.text.split()) >= 7
    )
    return KnownCorpus(documents, tuple(questions))


async def take_in(services: Services, documents: dict[str, str], folder: Path) -> None:
    for name, text in documents.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        file = IncomingFile(path, SourceLabels(name), filename=name)
        await services.ingestor.ingest(services.default_identity.writer(), file)


async def ask(services: Services, question: str, *, answerer: Answerer | None = None) -> ChatResponse:
    answerer = answerer or services.answerer
    request = ChatRequest(query=question)
    run = await answerer.begin(services.default_identity, request, request_id=uuid4().hex)
    return await answerer.answer(run)


async def downvote(services: Services, request_id: str, **said: object) -> None:
    await services.feedback.collect(
        services.default_identity.tenant_id,
        Rating(request_id, -1, **said),  # type: ignore[arg-type]
        is_own=lambda subject: True,
    )


def is_right(question: KnownQuestion, answer: ChatResponse) -> bool:
    """Whether it says a right answer and cites the document that holds it."""
    cited = {citation.source_document_id for citation in answer.citations}
    says = any(holds(answer.answer, right) for right in question.answers)
    return not answer.abstained and says and question.document in cited


def differing(questions: Sequence[KnownQuestion]) -> list[KnownQuestion]:
    """Without repetitions, in order."""
    return list({question.text: question for question in questions}.values())

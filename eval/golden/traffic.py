"""Cases from questions that users asked and got a cited answer to; somebody must look at them before use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from eval.cases import EvaluationCase
from rag.errors import InvalidInputError
from rag.privacy import DEFAULT_KINDS, PersonalDataDetector, redact_text

SOURCE = "traffic"
MIN_WORDS = 3  # less is seldom a question


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question with the chunks that its answer cites."""

    trace_id: UUID
    query: str
    cited: tuple[UUID, ...]


def cases_of(
    questions: Iterable[AnsweredQuestion], sources: Mapping[UUID, str], detector: PersonalDataDetector
) -> list[EvaluationCase]:
    """A case for each question whose cited sources are all there still; personal data is taken out.

    What was answered is no ground truth, so that the cases expect documents and no answer.

    Args:
        questions: As stored.
        sources: Names of the documents of current chunks.
        detector: Finds personal data.
    """
    cases: dict[str, EvaluationCase] = {}
    for question in questions:
        query = _without_personal_data(question.query, detector)
        names = _names(question.cited, sources)
        if names and query and len(query.split()) >= MIN_WORDS:
            cases.setdefault(query.casefold(), _case(question, query, names))
    return list(cases.values())


def _without_personal_data(text: str, detector: PersonalDataDetector) -> str:
    try:
        return redact_text(text, detector.detect(text, None), kinds=DEFAULT_KINDS).replace("\0", " ").strip()
    except InvalidInputError:
        return ""


def _names(cited: Sequence[UUID], sources: Mapping[UUID, str]) -> list[str]:
    """Names of the cited documents; none if one of them has changed or is gone."""
    if not all(chunk_id in sources for chunk_id in cited):
        return []
    return list(dict.fromkeys(sources[chunk_id] for chunk_id in cited))


def _case(question: AnsweredQuestion, query: str, names: list[str]) -> EvaluationCase:
    return EvaluationCase(
        query=query,
        ground_truth_docs=list(names),
        metadata={"trace_id": str(question.trace_id), "to_be_reviewed": True},
        tags=["question"],
        source=SOURCE,
    )

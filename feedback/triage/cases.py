"""Cases made of requests, before a person has looked at them: a JSON object a line.

`query`, `expected_answer` (null), `ground_truth_docs` (empty) and `metadata`, as evaluation sets have them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from feedback.triage.examine import Examined
from feedback.triage.redact import Redact
from feedback.triage.types import Diagnosis, Reason, SelectedQuestion
from rag.errors import InvalidInputError

_CHECKED = ConfigDict(frozen=True, extra="forbid")
Place = Annotated[int, Field(ge=1)]
SHOWN_EVIDENCE = 5  # passages beside those of the prompt, the best


class CaseSource(BaseModel):
    """A passage beside the question.

    Attributes:
        number: What `[n]` in the answer names; None for one that was not in the prompt.
        is_cited: Whether the answer cites it.
        is_evidence: Whether it was found to answer the question.
    """

    model_config = _CHECKED

    chunk_id: UUID
    source_document_id: str
    title: str
    text: str
    number: Place | None = None
    is_cited: bool = False
    is_evidence: bool = False


class CaseOrigin(BaseModel):
    """Where a case comes from, and what is known of it; texts are without personal data.

    Attributes:
        answer: None where a document of its prompt is gone: its words are to be gone, too.
        filters: Of the request; none if they hold personal data.
        stands_for: How many requests of the same kind it was chosen among.
    """

    model_config = _CHECKED

    trace_id: UUID
    request_id: str
    feedback_id: UUID | None
    asked_at: AwareDatetime
    reasons: tuple[Reason, ...]
    diagnosis: Diagnosis
    because: str
    rating: Literal[-1, 1] | None
    labels: tuple[str, ...]
    comment: str | None
    correction: str | None
    answer: str | None
    abstained: bool
    sources: tuple[CaseSource, ...]
    filters: dict[str, JsonValue] = {}
    stands_for: Place
    prompt_version: str
    corpus_version: int
    model: str | None


class UnannotatedCase(BaseModel):
    """A question without the answer that a person has yet to give."""

    model_config = _CHECKED

    query: str
    expected_answer: None = None
    ground_truth_docs: tuple[str, ...] = ()
    metadata: CaseOrigin

    @property
    def id(self) -> str:
        """Unique in a file, and the same in all."""
        origin = self.metadata
        return f"{origin.trace_id}:{origin.feedback_id}" if origin.feedback_id else str(origin.trace_id)


def make_case(
    selected: SelectedQuestion, examined: Examined, *, stands_for: int, redact: Redact
) -> UnannotatedCase:
    """The case of a request."""
    asked, said = selected.asked, selected.asked.verdict
    cited = {citation.chunk_id for citation in asked.citations}
    return UnannotatedCase(
        query=redact(asked.query),
        metadata=CaseOrigin(
            trace_id=asked.trace_id,
            request_id=asked.request_id,
            feedback_id=said.feedback_id if said else None,
            asked_at=asked.asked_at,
            reasons=selected.reasons,
            diagnosis=examined.diagnosed.diagnosis,
            because=examined.diagnosed.because,
            rating=-1 if said and said.rating < 0 else 1 if said else None,
            labels=said.labels if said else (),
            comment=redact(said.comment) if said and said.comment else None,
            correction=redact(said.correction) if said and said.correction else None,
            answer=None if None in examined.prompt else redact(asked.answer),
            abstained=asked.abstained,
            sources=_sources(examined, cited, redact),
            filters=_filters(asked.filters, redact),
            stands_for=stands_for,
            prompt_version=asked.prompt_version,
            corpus_version=asked.corpus_version,
            model=asked.model,
        ),
    )


def _filters(filters: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    text = json.dumps(filters, ensure_ascii=False)
    return dict(filters) if redact(text) == text else {}


def _sources(examined: Examined, cited: Collection[UUID], redact: Redact) -> tuple[CaseSource, ...]:
    """The prompt's, then what else answers the question."""
    prompt = {number: passage for number, passage in enumerate(examined.prompt, start=1) if passage}
    numbered = {passage.chunk_id: number for number, passage in prompt.items()}
    found = {one.passage.chunk_id: one.passage for one in examined.evidence[:SHOWN_EVIDENCE]}
    there = {passage.chunk_id: passage for passage in prompt.values()} | found
    return tuple(
        CaseSource(
            chunk_id=chunk_id,
            source_document_id=passage.source_document_id,
            title=redact(passage.title),
            text=redact(passage.text),
            number=numbered.get(chunk_id),
            is_cited=chunk_id in cited,
            is_evidence=chunk_id in found,
        )
        for chunk_id, passage in there.items()
    )


def write_unannotated(cases: Sequence[UnannotatedCase]) -> bytes:
    """The lines of a file."""
    rows = (case.model_dump(mode="json") for case in cases)
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def read_unannotated(path: Path) -> tuple[UnannotatedCase, ...]:
    """The cases of a file.

    Raises:
        InvalidInputError: It can't be read, or a line, which the message names, is wrong or there twice.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    return parse_unannotated(data, place=str(path))


def parse_unannotated(data: bytes, *, place: str) -> tuple[UnannotatedCase, ...]:
    """The same of a file's bytes; `place` names it in messages."""
    cases: dict[str, UnannotatedCase] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            case = UnannotatedCase.model_validate_json(line)
        except ValidationError as exc:
            error = exc.errors()[0]
            where = ".".join(map(str, error["loc"]))
            raise InvalidInputError(f"{place}, line {number}: {where}: {error['msg']}") from exc
        if case.id in cases:
            raise InvalidInputError(f"{place}, line {number}: this request is there already")
        cases[case.id] = case
    return tuple(cases.values())


def file_name(now: datetime) -> str:
    """Of a file of cases; a later one sorts behind it."""
    return f"unannotated_{now:%Y%m%dT%H%M%S%fZ}.jsonl"

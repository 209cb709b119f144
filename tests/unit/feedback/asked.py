"""Requests and passages for tests of triage."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from feedback.triage.cases import CaseOrigin, CaseSource, UnannotatedCase
from feedback.triage.types import AskedQuestion, Diagnosis, NamedSource, Reason, Verdict
from rag.ports import Passage
from rag.retrieve import Strategy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def passage(text: str, name: str = "page.md", *, start: int = 0) -> Passage:
    return Passage(
        chunk_id=uuid4(),
        document_id=uuid4(),
        source_document_id=name,
        version=1,
        title=name.removesuffix(".md"),
        uri=None,
        text=text,
        start=start,
        end=start + len(text),
        page=None,
        heading_path=(),
        chunk_index=0,
        token_count=len(text.split()),
        metadata={},
    )


def asked(
    *prompt: Passage, answer: str = "It is so [1].", correction: str | None = None, **changes: Any
) -> AskedQuestion:
    """A downvoted question. Its citations are those that the answer's markers name."""
    question = AskedQuestion(
        trace_id=uuid4(),
        request_id="r-1",
        conversation_id=None,
        asked_at=NOON,
        query="How long are backups kept?",
        answer=answer,
        abstained=False,
        strategy=Strategy.AUTO,
        prompt=tuple(one.chunk_id for one in prompt),
        citations=tuple(
            NamedSource(index, one.chunk_id, one.start, one.end)
            for index, one in enumerate(prompt, start=1)
            if f"[{index}]" in answer
        ),
        prompt_version="1",
        corpus_version=7,
        model="local:extractive",
        verdict=Verdict(uuid4(), -1, correction=correction),
    )
    return replace(question, **changes)


def unannotated(query: str = "How long are backups kept?", **origin: Any) -> UnannotatedCase:
    """A case with two sources."""
    fields: dict[str, Any] = {
        "trace_id": uuid4(),
        "request_id": "r-1",
        "feedback_id": uuid4(),
        "asked_at": NOON,
        "reasons": (Reason.DOWNVOTED,),
        "diagnosis": Diagnosis.IGNORED_BY_MODEL,
        "because": "backups.md was in the prompt and was not used",
        "rating": -1,
        "labels": ("answer_wrong",),
        "comment": "no",
        "correction": "35 days",
        "answer": "They are encrypted [1].",
        "abstained": False,
        "sources": tuple(
            CaseSource(
                chunk_id=UUID(int=number),
                source_document_id=f"{name}.md",
                title=name,
                text=name,
                number=number,
            )
            for number, name in enumerate(("backups", "parking"), start=1)
        ),
        "stands_for": 1,
        "prompt_version": "1",
        "corpus_version": 7,
        "model": "local:extractive",
    }
    return UnannotatedCase(query=query, metadata=CaseOrigin(**(fields | origin)))

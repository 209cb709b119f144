"""What people decide about unannotated cases, kept beside the file as they go; what comes of it."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eval.cases import EvaluationCase, write_cases
from eval.report.results import first_mistake
from feedback.triage.cases import UnannotatedCase
from rag.errors import InvalidInputError

SOURCE = "feedback"  # of the cases
UNANNOTATED, ANNOTATED = "unannotated", "annotated"
STATE = ".decisions"


class Decision(BaseModel):
    """What somebody decided about a case.

    Attributes:
        id: The case's, or its request's.
        decision: `answer`: there is a right answer; `unanswerable`: to abstain is right; `discard`: no case.
        expected_answer: What a right answer says; of several, any one.
        gold_chunks: Those of the case's sources that hold the answer.
        gold_docs: Names of further documents that do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(min_length=1)]
    decision: Literal["answer", "unanswerable", "discard"]
    expected_answer: str | tuple[str, ...] | None = None
    gold_chunks: tuple[UUID, ...] = ()
    gold_docs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        has_gold = bool(self.expected_answer or self.gold_chunks or self.gold_docs)
        if self.decision == "answer" and not has_gold:
            raise ValueError("needs an expected_answer, gold_chunks or gold_docs")
        if self.decision != "answer" and has_gold:
            raise ValueError(f"{self.decision} has neither an answer nor documents")
        return self


class Annotations:
    """Decisions on the cases of a file, written down at once, so that whoever annotates can stop any time.

    Args:
        path: Of the unannotated cases; decisions are in `<path>.decisions`.
        cases: Of the file.
    """

    def __init__(self, path: Path, cases: Sequence[UnannotatedCase]) -> None:
        self._path = path.with_name(f"{path.name}{STATE}")
        self._cases = {case.id: case for case in cases}
        self._decided: dict[str, Decision] = {}

    @property
    def left(self) -> list[UnannotatedCase]:
        """Cases that nothing is decided about, in the file's order."""
        return [case for name, case in self._cases.items() if name not in self._decided]

    @property
    def decided(self) -> Mapping[str, Decision]:
        """By the cases' ids."""
        return self._decided

    def resume(self) -> None:
        """Take up what was decided before, if anything was.

        Raises:
            InvalidInputError: It can't be read, or is of another file.
        """
        if self._path.exists():
            for decision in read_decisions(self._path):
                checked = self._checked(decision)
                self._decided[checked.id] = checked

    def decide(self, decision: Decision) -> None:
        """Write a decision down, in place of an earlier one on the same case.

        Raises:
            InvalidInputError: There is no such case, a gold chunk is none of its sources, no evaluation case
                can be made of it, or it can't be written.
        """
        decision = self._checked(decision)
        case = self._cases[decision.id]
        if decision.decision != "discard":
            evaluation_case(case, decision)
        decided = {**self._decided, decision.id: decision}
        lines = (each.model_dump_json(exclude_defaults=True) for each in decided.values())
        write_atomically(self._path, "".join(f"{line}\n" for line in lines).encode())
        self._decided = decided

    def annotated(self) -> list[EvaluationCase]:
        """The cases that came of it so far, in the file's order."""
        made = ((case, self._decided.get(name)) for name, case in self._cases.items())
        kept = ((case, decision) for case, decision in made if decision and decision.decision != "discard")
        return [evaluation_case(case, decision) for case, decision in kept]

    def _checked(self, decision: Decision) -> Decision:
        if decision.id in self._cases:
            return decision
        named = [name for name, case in self._cases.items() if case.metadata.request_id == decision.id]
        if len(named) != 1:
            found = "several cases" if named else "no case"
            raise InvalidInputError(f"{found} of the file have the id {decision.id!r}")
        return decision.model_copy(update={"id": named[0]})


def evaluation_case(case: UnannotatedCase, decision: Decision) -> EvaluationCase:
    """The case, with what was decided and where it comes from.

    Raises:
        InvalidInputError: The decision does not fit the case.
    """
    origin = case.metadata
    named = {source.chunk_id: source.source_document_id for source in origin.sources}
    if unknown := [chunk for chunk in decision.gold_chunks if chunk not in named]:
        raise InvalidInputError(f"{unknown[0]} is none of the sources of {case.id}")
    expected = decision.expected_answer
    docs = dict.fromkeys([*(named[chunk] for chunk in decision.gold_chunks), *decision.gold_docs])
    try:
        return EvaluationCase(
            query=case.query,
            expected_answer=list(expected) if isinstance(expected, tuple) else expected,
            ground_truth_docs=list(docs),
            answerable=decision.decision == "answer",
            filters=origin.filters,
            metadata={
                "feedback_id": str(origin.feedback_id) if origin.feedback_id else None,
                "request_id": origin.request_id,
                "trace_id": str(origin.trace_id),
                "diagnosis": origin.diagnosis.value,
                "gold_chunks": [str(chunk) for chunk in decision.gold_chunks],
            },
            tags=[SOURCE, origin.diagnosis.value],
            source=SOURCE,
        )
    except ValidationError as exc:
        raise InvalidInputError(f"{case.id}: {first_mistake(exc)}") from exc


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a file, a JSON object a line.

    Raises:
        InvalidInputError: It can't be read, or a line, which the message names, is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc
    return parse_decisions(lines, place=str(path))


def parse_decisions(lines: Iterable[str], *, place: str) -> list[Decision]:
    """The same of lines; `place` names them in messages."""
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(Decision.model_validate_json(line))
            except ValidationError as exc:
                raise InvalidInputError(f"{place}, line {number}: {first_mistake(exc)}") from exc
    return found


def annotated_path(path: Path) -> Path:
    """Where the annotated cases of a file go, beside it."""
    if path.name.startswith(UNANNOTATED):
        return path.with_name(path.name.replace(UNANNOTATED, ANNOTATED, 1))
    return path.with_name(f"{ANNOTATED}_{path.name}")


def write_annotated(path: Path, cases: Sequence[EvaluationCase]) -> None:
    """Write the file so that a reader sees the old one or the new.

    Raises:
        InvalidInputError: It can't be written.
    """
    write_atomically(path, write_cases(cases))


def write_atomically(path: Path, data: bytes) -> None:
    """Write the file so that a reader sees the old one or the new, also after a crash.

    Raises:
        InvalidInputError: It can't be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            unfinished.chmod(path.stat().st_mode)
        unfinished.replace(path)
    except OSError as exc:
        with suppress(OSError):
            unfinished.unlink()
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc

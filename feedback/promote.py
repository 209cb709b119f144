"""Annotated cases that become part of an evaluation set."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.answer_metrics import Encode
from eval.cases import EvaluationCase, EvaluationSet, parse_cases, write_cases
from eval.metrics import normalise_answer
from feedback.annotate import write_atomically
from feedback.triage.sample import SAME_QUESTION
from rag.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A case that stays out, why, and the existing one that it is about, if there is one."""

    case: EvaluationCase
    reason: str
    existing: EvaluationCase | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What becomes of annotated cases.

    Attributes:
        added: In their order.
        duplicates: Say what an existing case says.
        refused: For people to look at.
    """

    added: tuple[EvaluationCase, ...]
    duplicates: tuple[EvaluationCase, ...]
    refused: tuple[Refusal, ...]


def plan_promotion(
    existing: Sequence[EvaluationCase],
    annotated: Sequence[EvaluationCase],
    encode: Encode,
    *,
    accepted: Collection[str] = (),
) -> Promotion:
    """Which of the cases can be added.

    Args:
        existing: The set's.
        annotated: To be added.
        encode: Gives vectors of length 1.
        accepted: Ids of cases that may stand beside one with nearly the same question.

    Raises:
        ModelError: The encoder failed.
    """
    known = list(existing)
    vectors = encode([case.query for case in (*existing, *annotated)])
    at = list(range(len(existing)))
    added, duplicates, refused = [], [], []
    for place, case in enumerate(annotated, start=len(existing)):
        near = _nearest(case, known, vectors[at] @ vectors[place] if at else np.zeros(0))
        if reason := _without_gold(case):
            refused.append(Refusal(case, reason))
        elif near is not None and not _conflict(case, near):
            duplicates.append(case)
        elif near is not None and not (case.id in accepted and case.id != near.id):
            refused.append(Refusal(case, _conflict(case, near) or "", near))
        else:
            added.append(case)
            known.append(case)
            at.append(place)
    return Promotion(tuple(added), tuple(duplicates), tuple(refused))


def _without_gold(case: EvaluationCase) -> str | None:
    if not case.metadata.get("trace_id"):
        return "it does not say which request it comes from"
    if case.answerable and not any(grade > 0 for grade in case.judgments.values()):
        return "it has no gold: mark the documents that hold the answer"
    return None


def _nearest(
    case: EvaluationCase, known: Sequence[EvaluationCase], cosines: np.ndarray
) -> EvaluationCase | None:
    """The case of the same id, else that of the nearest question, if it is near enough to be the same."""
    for other in known:
        if other.id == case.id:
            return other
    same = [
        (float(cosine), -at)
        for at, (other, cosine) in enumerate(zip(known, cosines, strict=True))
        if cosine >= SAME_QUESTION and other.filters == case.filters and other.history == case.history
    ]
    return known[-max(same)[1]] if same else None


def _conflict(case: EvaluationCase, other: EvaluationCase) -> str | None:
    """How two cases of one question contradict each other, if they do."""
    if case.answerable != other.answerable:
        return "one says that there is an answer, and one that there is none"
    if _disagree(case, other):
        return "they expect other answers"
    gold, theirs = _gold(case), _gold(other)
    if gold and theirs and gold.isdisjoint(theirs):
        return "they name other documents"
    return None


def _disagree(case: EvaluationCase, other: EvaluationCase) -> bool:
    """Whether both expect answers, and none of one is part of any of the other."""
    own = [f" {normalise_answer(text)} " for text in case.expected_answers]
    theirs = [f" {normalise_answer(text)} " for text in other.expected_answers]
    agree = any(a in b or b in a for a in own for b in theirs)
    return bool(own and theirs) and not agree


def _gold(case: EvaluationCase) -> frozenset[str]:
    return frozenset(name for name, grade in case.judgments.items() if grade > 0)


def add_to_file(path: Path, cases: Sequence[EvaluationCase]) -> EvaluationSet:
    """The set of the file with these cases behind its own, whose lines stay as they are.

    Raises:
        InvalidInputError: The file can't be read or written, or would be wrong; it is then as it was.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    gap = b"" if not data or data.endswith(b"\n") else b"\n"
    data += gap + write_cases(cases)
    grown = parse_cases(data, path.stem, place=str(path))
    write_atomically(path, data)
    return grown

"""Evaluation sets: questions with what a right answer says and which documents hold it, a JSON object a line.

A set's version is a hash of what its cases say, so that neither spaces nor the order of fields change it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from rag.errors import InvalidInputError

ID_LENGTH = 16  # hexadecimal digits of a case's hash: 64 bits


def _storable(text: str) -> str:
    if "\0" in text or not text.strip():
        raise ValueError("must have text, and no NUL characters")
    return text


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be printable text on one line")
    return text


Text = Annotated[str, Field(max_length=4000), AfterValidator(_storable)]
Answer = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
Label = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Grade = Annotated[int, Field(ge=0, le=100)]
_CHECKED = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Turn(BaseModel):
    """What was said before the question."""

    model_config = _CHECKED

    role: Literal["user", "assistant"]
    content: Answer


class EvaluationCase(BaseModel):
    """A question and how to tell a right answer.

    Attributes:
        query: The question.
        expected_answer: What a right answer says; of several, any one. Where there is no answer it is not
            compared.
        ground_truth_docs: Names of the sources that hold the answer, or each with a grade, 0 if irrelevant.
        metadata: Whatever else is known; it isn't measured.
        id: The same in every version of the set; by default a hash of the question, its history and filters.
        answerable: Whether the documents answer the question; if not, the right thing is to abstain.
        history: The conversation so far, oldest turn first.
        filters: Narrow the search to some sources, as those of a request to `/chat` do.
        tags: For reports on some of the cases.
        source: Where the case comes from, such as a public data set.
    """

    model_config = _CHECKED

    query: Text
    expected_answer: Answer | Annotated[list[Answer], Field(min_length=1)] | None = None
    ground_truth_docs: list[Text] | dict[Text, Grade] = []
    metadata: dict[str, JsonValue] = {}
    id: Label = ""
    answerable: bool = True
    history: list[Turn] = []
    filters: dict[str, JsonValue] = {}
    tags: list[Label] = []
    source: Label | None = None

    @model_validator(mode="after")
    def _is_measurable(self) -> Self:
        has_documents = any(grade > 0 for grade in self.judgments.values())
        if self.answerable and self.expected_answer is None and not has_documents:
            raise ValueError("needs an expected_answer or ground_truth_docs, unless answerable is false")
        if not self.answerable and has_documents:
            raise ValueError("answerable is false, so no ground_truth_docs can hold the answer")
        return self

    @property
    def expected_answers(self) -> tuple[str, ...]:
        """Each of them would be right; none for a question without a known answer."""
        expected = self.expected_answer
        return (expected,) if isinstance(expected, str) else tuple(expected or ())

    @property
    def judgments(self) -> Mapping[str, int]:
        """Grades of the judged documents, 1 where only names are given."""
        docs = self.ground_truth_docs
        return docs if isinstance(docs, dict) else dict.fromkeys(docs, 1)


@dataclass(frozen=True)
class EvaluationSet:
    """Cases with ids of their own, at least one."""

    name: str
    cases: tuple[EvaluationCase, ...]

    @cached_property
    def version(self) -> str:
        """SHA-256 of the cases as canonical JSON, in their order; fields that say nothing don't count."""
        return _sha256([case.model_dump(mode="json", exclude_defaults=True) for case in self.cases])


def read_cases(path: Path) -> EvaluationSet:
    """The set of a file; blank lines are left out.

    Raises:
        InvalidInputError: The file can't be read or is empty, or a line, which the message names, is wrong or
            has the id of another.
    """
    try:
        return parse_cases(path.read_bytes(), path.stem, place=str(path))
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc


def merge_sets(sets: Sequence[EvaluationSet]) -> EvaluationSet:
    """All cases of these sets, one after the other; a single set stays what it is.

    Raises:
        InvalidInputError: Two of them have a case of the same id.
    """
    if len(sets) == 1:
        return sets[0]
    owner: dict[str, str] = {}
    for each in sets:
        for case in each.cases:
            if case.id in owner:
                raise InvalidInputError(f"{each.name} and {owner[case.id]} both have a case {case.id!r}")
            owner[case.id] = each.name
    name = "+".join(each.name for each in sets)
    return EvaluationSet(name, tuple(case for each in sets for case in each.cases))


def parse_cases(data: bytes, name: str, *, place: str) -> EvaluationSet:
    """The same of a file's bytes; `place` names it in messages."""
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{place}: {exc}") from exc
    cases: dict[str, EvaluationCase] = {}
    lines_of: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            case = _case(line, f"{place}, line {number}")
            first = lines_of.setdefault(case.id, number)
            if first != number:
                message = f"the id {case.id!r} is that of line {first}; without an id, the question makes it"
                raise InvalidInputError(f"{place}, line {number}: {message}")
            cases[case.id] = case
    if not cases:
        raise InvalidInputError(f"{place} has no cases")
    return EvaluationSet(name, tuple(cases.values()))


def write_cases(cases: Sequence[EvaluationCase]) -> bytes:
    """The lines of a file; fields that say nothing are left out."""
    kept = (case.model_dump(mode="json", exclude_defaults=True) for case in cases)
    return b"".join(json.dumps(fields, ensure_ascii=False).encode() + b"\n" for fields in kept)


def _case(line: str, place: str) -> EvaluationCase:
    try:
        fields: Any = json.loads(line, parse_constant=_refuse)
        json.dumps(fields, ensure_ascii=False).encode()  # refuses surrogates
        case = EvaluationCase.model_validate(fields)
    except ValidationError as exc:
        raise InvalidInputError(f"{place}: {_first_mistake(exc)}") from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"{place}: {exc}") from exc
    return case if case.id else case.model_copy(update={"id": _default_id(case)})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _default_id(case: EvaluationCase) -> str:
    asked = [case.query, [turn.model_dump() for turn in case.history]]
    return _sha256([*asked, case.filters] if case.filters else asked)[:ID_LENGTH]


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _first_mistake(exc: ValidationError) -> str:
    error = exc.errors()[0]
    place = ".".join(part for part in map(str, error["loc"]) if "[" not in part)  # a union's own parts
    unknown = error["type"] == "extra_forbidden"
    message = "there is no such field" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message

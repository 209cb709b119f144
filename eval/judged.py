"""Judged questions: what a search should find, a JSON object a line."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rag.errors import InvalidInputError


def _storable(text: str) -> str:
    if "\0" in text or not text.strip():
        raise ValueError("must have text, and no NUL characters")
    return text


Text = Annotated[str, Field(max_length=4000), AfterValidator(_storable)]


class JudgedQuestion(BaseModel):
    """A question, and the names of sources or ids of chunks that answer it. Other fields are left alone."""

    model_config = ConfigDict(frozen=True, strict=True)

    query: Text
    relevant: Annotated[list[Text], Field(min_length=1)]


def read_judged(path: Path) -> list[JudgedQuestion]:
    """All questions of a file; blank lines are left out.

    Raises:
        InvalidInputError: The file can't be read or is empty, or a line, which the message names, is wrong.
    """
    try:
        return parse_judged(path.read_bytes(), str(path))
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc


def parse_judged(data: bytes, place: str) -> list[JudgedQuestion]:
    """The same of a file's bytes; `place` names it in messages."""
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{place}: {exc}") from exc
    questions = [
        _question(line, f"{place}, line {n}") for n, line in enumerate(lines, start=1) if line.strip()
    ]
    if not questions:
        raise InvalidInputError(f"{place} has no questions")
    return questions


def _question(line: str, place: str) -> JudgedQuestion:
    try:
        return JudgedQuestion.model_validate_json(line)
    except ValidationError as exc:
        error = exc.errors()[0]
        field = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"{place}: {field + ': ' if field else ''}{message}") from exc

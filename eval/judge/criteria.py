"""What a judge rates answers by, from a TOML file; the method is G-Eval's (Liu et al., EMNLP 2023)."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rag.errors import InvalidInputError

Sentence = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]


class Part(StrEnum):
    """What of a case the judge is shown."""

    QUESTION = "question"
    ANSWER = "answer"
    EXPECTED_ANSWER = "expected_answer"
    SOURCES = "sources"


class Criterion(BaseModel):
    """One metric.

    Attributes:
        name: The metric's.
        criteria: What a good answer is like. The judge makes steps of it, for each case anew.
        steps: What the judge does to come to its score. Better than `criteria`: every case is judged alike.
        parts: What it is shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    criteria: Sentence | None = None
    steps: Annotated[tuple[Sentence, ...], Field(min_length=1)] | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.criteria is None) == (self.steps is None):
            raise ValueError("write either criteria or steps")
        if Part.ANSWER not in self.parts and Part.SOURCES not in self.parts:
            raise ValueError("parts must name answer or sources, or nothing of the service is judged")
        return self


class _CriteriaFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    criterion: Annotated[tuple[Criterion, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_distinct_names(self) -> Self:
        names = [criterion.name for criterion in self.criterion]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two criteria are called {twice!r}")
        return self


def read_criteria(path: Path) -> tuple[Criterion, ...]:
    """All criteria of a file: a table `[[criterion]]` each.

    Raises:
        InvalidInputError: The file can't be read, or something in it is wrong; the message names its place.
    """
    try:
        fields: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return _CriteriaFile.model_validate(fields).criterion
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise InvalidInputError(f"{path}: {_first_mistake(exc)}") from exc
    except ValueError as exc:  # no TOML, or no UTF-8
        raise InvalidInputError(f"{path}: {exc}") from exc


def _first_mistake(exc: ValidationError) -> str:
    error = exc.errors()[0]
    place = ".".join(map(str, error["loc"]))
    unknown = error["type"] == "extra_forbidden"
    message = "there is no such field" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message

"""The results of an evaluation run as a JSON file.

docs/evaluation.md describes it to people, `results.schema.json` beside this module to programs. What is read
is checked, and so is what is built in code.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from rag.errors import InvalidInputError

SCHEMA = Path(__file__).with_name("results.schema.json")

# A misspelt field would be a value that silently isn't measured, so unknown ones are refused.
CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

T = TypeVar("T")


def _shown(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be printable text on one line")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_shown)]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_@.\-]{0,63}$")]
Score = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class DatasetVersion:
    """Which questions were asked: a set's name, and its version (`eval.cases.EvaluationSet`)."""

    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Configuration:
    """What answered.

    Attributes:
        models: `provider:model` of each role, such as chat, embeddings, rerank and judge.
        prompt_version: Of the answer's prompt.
        index_version: Of the corpus that was searched.
        strategy: Of the search, such as hybrid.
        other: Whatever else is worth comparing.
    """

    models: Mapping[Name, Name]
    prompt_version: str
    index_version: str
    strategy: str
    other: Mapping[Name, str | bool | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class CitedSource:
    """A passage that the answer cites; `id` is its chunk's, or whatever else names it."""

    id: str
    title: str = ""
    quote: str = ""
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class CaseResult:
    """One question of the data set.

    Attributes:
        id: Its own in the data set, and the same in every run.
        metrics: Score of each metric that applies to the case, higher is better; None where it could not be
            measured. A metric that doesn't apply is left out.
        not_measured: Why, for each None.
        spread: Of metrics that were judged more than once: the greatest score less the smallest.
        expected: What a right answer says, if the data set tells.
        error: What kept the case from being answered.
    """

    id: Name
    question: str
    tags: tuple[Name, ...] = ()
    metrics: Mapping[MetricName, Score | None]
    not_measured: Mapping[MetricName, str] = field(default_factory=dict)
    spread: Mapping[MetricName, Score] = field(default_factory=dict)
    answer: str | None = None
    expected: str | None = None
    retrieved_ids: tuple[str, ...] = ()
    citations: tuple[CitedSource, ...] = ()
    latency_ms: Annotated[float, Field(ge=0)] | None = None
    cost_usd: Annotated[float, Field(ge=0)] | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        missing = {name for name, score in self.metrics.items() if score is None}
        if odd := sorted(missing ^ set(self.not_measured)):
            raise ValueError(f"{odd[0]}: a metric is null exactly if not_measured says why")


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class RunResults:
    """A run of all cases of a data set, or of some."""

    id: Name
    created_at: AwareDatetime
    dataset: DatasetVersion
    configuration: Configuration
    git_revision: Name
    seed: int
    cases: Annotated[tuple[CaseResult, ...], Field(min_length=1)]
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        places: dict[str, int] = {}
        for at, case in enumerate(self.cases):
            first = places.setdefault(case.id, at)
            if first != at:
                raise ValueError(f"cases.{at}.id: {case.id!r} is also the id of cases.{first}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Of all cases, in the order in which they come up."""
        return tuple(dict.fromkeys(name for case in self.cases for name in case.metrics))

    def scores(self, metric: str) -> dict[str, float | None]:
        """Of the cases that the metric applies to, by id; None where it was not measured."""
        return {case.id: case.metrics[metric] for case in self.cases if metric in case.metrics}


_RUN: TypeAdapter[RunResults] = TypeAdapter(RunResults)


def read_results(path: Path) -> RunResults:
    """The run that a file holds.

    Raises:
        InvalidInputError: The file can't be read, or something in it is wrong; the message names its place.
    """
    return read_json(path, _RUN)


def write_results(run: RunResults, path: Path) -> None:
    write_json(run, path, _RUN)


def results_schema() -> str:
    """What `results.schema.json` holds."""
    return json.dumps(_RUN.json_schema(), indent=2) + "\n"


def read_json(path: Path, kind: TypeAdapter[T]) -> T:
    """A file of this kind; raises as `read_results` does."""
    try:
        return kind.validate_json(path.read_bytes())
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise InvalidInputError(f"{path}: {first_mistake(exc)}") from exc


def first_mistake(exc: ValidationError) -> str:
    """Where it is, and what is wrong."""
    error = exc.errors()[0]
    place = ".".join(map(str, error["loc"]))
    unknown = error["type"] == "unexpected_keyword_argument"
    message = "there is no such field" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def write_json(value: T, path: Path, kind: TypeAdapter[T]) -> None:
    """Write the file so that a reader sees the old one or the new.

    Raises:
        InvalidInputError: It can't be written there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(kind.dump_json(value, indent=2) + b"\n")
        partial.replace(path)
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc

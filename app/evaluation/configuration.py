"""A configuration to evaluate: a name, and settings that differ from those of the service.

name = "Smaller chunks"
strategy = "hybrid"       # of the search

[settings]                # names as in .env.example, in small letters
chunk_tokens = 128
rerank_model = "none"
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.settings import Settings
from eval.report.results import first_mistake
from rag.errors import InvalidInputError
from rag.retrieve import Strategy

# Answers follow from these whatever was ingested. All others of FREE take effect when documents go in.
ON_ANSWERS = frozenset(
    {
        "chat_model",
        "rerank_model",
        "answer_prompt",
        "answer_tokens",
        "top_k",
        "context_tokens",
        "relevance_floor",
        "guardrail_id",
        "guardrail_version",
        "prompt_cache",
        "suppress",
    }
)
ON_DOCUMENTS = frozenset(
    {
        "embedding_model",
        "chunk_tokens",
        "chunk_overlap_tokens",
        "chunk_strategy",
        "parser",
        "ocr_languages",
    }
)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[ -~]+$")
    strategy: str = Strategy.AUTO.value
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class EvaluatedConfiguration:
    """What to evaluate.

    Attributes:
        name: For reports.
        strategy: Of the search.
        changes: Settings that differ, by their names in small letters.
    """

    name: str
    strategy: Strategy = Strategy.AUTO
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def needs_corpus(self) -> bool:
        """Whether documents have to be taken in anew for it."""
        return not ON_DOCUMENTS.isdisjoint(self.changes)

    def settings(self) -> Settings:
        """The service's, with the changes.

        Raises:
            InvalidInputError: A change makes no sense.
        """
        try:
            return Settings(**self.changes)
        except ValidationError as exc:
            raise InvalidInputError(f"{self.name}: {first_mistake(exc)}") from exc


def read_configuration(path: Path) -> EvaluatedConfiguration:
    """The configuration of a TOML file.

    Raises:
        InvalidInputError: The file can't be read, or something in it, which the message names, is wrong.
    """
    try:
        read = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        strategy = Strategy(read.strategy)
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise InvalidInputError(f"{path}: {first_mistake(exc)}") from exc
    except ValueError as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc
    changes = {name.lower(): value for name, value in read.settings.items()}
    if wrong := sorted(changes.keys() - ON_ANSWERS - ON_DOCUMENTS):
        allowed = ", ".join(sorted(ON_ANSWERS | ON_DOCUMENTS))
        raise InvalidInputError(f"{path}: settings.{wrong[0]} can't differ; these can: {allowed}")
    configuration = EvaluatedConfiguration(read.name or path.stem, strategy, changes)
    configuration.settings()
    return configuration

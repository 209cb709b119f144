"""What a variant answers with: the service's own setup, with the variant's settings in their place.

Guardrail, suppressed phrases and access lists are not among these: security is the same for everybody.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self, TypeVar

from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict, Field

from app.field_types import IsNumber, Request
from app.settings import Settings
from graph.state import AnswerContext
from rag.errors import InvalidInputError
from rag.models.local import LOCAL_CHAT
from rag.models.registry import NO_RERANKER, Models
from rag.models.types import ChatModel
from rag.prompts import load_prompt
from rag.retrieve import Strategy

KEPT = 256  # setups; each is a few references to models and prompts that are shared

ModelName = Annotated[str, Field(min_length=1, max_length=500)]
Made = TypeVar("Made")


class VariantSettings(Request):
    """Where a variant differs from the service, by the names of `.env.example` in small letters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Strategy | None = None
    top_k: Annotated[int, Field(ge=1, le=50), IsNumber] | None = None
    relevance_floor: Annotated[float, Field(ge=-1, le=1), IsNumber] | None = None
    context_tokens: Annotated[int, Field(ge=256, le=1_000_000), IsNumber] | None = None
    answer_prompt: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    chat_model: ModelName | None = None
    rerank_model: ModelName | None = None

    def stored(self) -> dict[str, Any]:
        """Those that differ."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class AnswerSetup:
    """How questions are answered.

    Attributes:
        context: Without scope: each run sets its own.
        top_k: Passages to retrieve when a request doesn't say.
        strategy: Of the search, when a request leaves it open.
    """

    context: AnswerContext
    top_k: int
    strategy: Strategy = Strategy.AUTO

    def strategy_for(self, asked: Strategy) -> Strategy:
        return self.strategy if asked is Strategy.AUTO else asked


@dataclass(frozen=True, slots=True)
class AllowedModels:
    """Models that a variant may name. An operator decides which: questions and documents go there."""

    chat: frozenset[str]
    rerank: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The service's own, and those of `EXPERIMENT_MODELS`."""
        more = _names(settings.experiment_models or "")
        return cls(
            frozenset({LOCAL_CHAT, *_names(settings.chat_model), *more}),
            frozenset({NO_RERANKER, settings.rerank_model, *more}),
        )

    def check(self, wanted: VariantSettings) -> None:
        """Raises: InvalidInputError when a model is not one of them."""
        chat = _names(wanted.chat_model) if wanted.chat_model is not None else []
        rerank = [wanted.rerank_model] if wanted.rerank_model is not None else []
        wrong = {*chat} - self.chat or {*rerank} - self.rerank
        if wrong:
            raise InvalidInputError(f"{min(wrong)!r} is not one of the models that experiments may use")
        if wanted.chat_model is not None and not chat:
            raise InvalidInputError("chat_model names no model")


class Setups:
    """Makes setups, each once.

    Args:
        base: The service's own.
        models: Makes the models that variants name.
        allowed: Which these may be; their number bounds what is kept of them.
    """

    def __init__(self, base: AnswerSetup, models: Models, allowed: AllowedModels) -> None:
        self._base = base
        self._models = models
        self._allowed = allowed
        self._chat: dict[str, ChatModel] = {}
        self._rerankers: dict[str, BaseDocumentCompressor | None] = {}
        self._made: OrderedDict[str, AnswerSetup] = OrderedDict()
        self._lock = asyncio.Lock()

    async def get(self, settings: Mapping[str, Any]) -> AnswerSetup:
        """The setup with these settings; the first time it may take a moment.

        Raises:
            InvalidInputError: A setting or a model is not one that a variant can have.
        """
        key = json.dumps(settings, sort_keys=True)
        async with self._lock:
            if key not in self._made:
                self._made[key] = await asyncio.to_thread(self._make, settings)
            self._made.move_to_end(key)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
            return self._made[key]

    def _make(self, settings: Mapping[str, Any]) -> AnswerSetup:
        wanted = _read(settings)
        self._allowed.check(wanted)
        base = self._base
        context = replace(
            base.context,
            prompt=_or(wanted.answer_prompt, load_prompt, base.context.prompt),
            chat_models=_or(wanted.chat_model, self._chain, base.context.chat_models),
            reranker=_or(wanted.rerank_model, self._reranker, base.context.reranker),
            relevance_floor=_or(wanted.relevance_floor, float, base.context.relevance_floor),
            context_tokens=_or(wanted.context_tokens, int, base.context.context_tokens),
        )
        return AnswerSetup(context, wanted.top_k or base.top_k, wanted.strategy or base.strategy)

    def _chain(self, names: str) -> tuple[ChatModel, ...]:
        for name in _names(names):
            if name not in self._chat:
                (self._chat[name],) = self._models.chat_models(name)
        return tuple(self._chat[name] for name in _names(names))

    def _reranker(self, name: str) -> BaseDocumentCompressor | None:
        if name not in self._rerankers:
            self._rerankers[name] = self._models.reranker(name)
        return self._rerankers[name]


def _read(settings: Mapping[str, Any]) -> VariantSettings:
    try:
        return VariantSettings.model_validate(settings)
    except ValueError as exc:  # written by another version of the service
        raise InvalidInputError("the variant's settings are not ones that this service knows") from exc


Value = TypeVar("Value")


def _or(value: Value | None, make: Callable[[Value], Made], default: Made) -> Made:
    return default if value is None else make(value)


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]

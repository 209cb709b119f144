"""What models were used for a request, exactly: collected where they are called, priced by their cards."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from decimal import Decimal
from threading import Lock
from typing import Any

from langchain_core.messages.ai import UsageMetadata, add_usage

from rag.models.catalog import THOUSAND, Operation, Price, card_for

# A guardrail's units that cost nothing: words and regular expressions.
FREE_UNITS = {"wordPolicyUnits", "sensitiveInformationPolicyFreeUnits"}


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Calls of one model, and what they were billed by. Uses of the same model and operation add up.

    Attributes:
        model: Its name as configured.
        operation: What it was called for.
        calls: How often.
        input_tokens: Neither read from a prompt cache nor written to it.
        output_tokens: Of the answers.
        cache_read_tokens: Read from a prompt cache.
        cache_write_tokens: Written to it for five minutes.
        cache_write_1h_tokens: Written to it for an hour.
        units: Texts embedded, queries reranked, or text units examined by a guardrail.
        unmetered_calls: Those of `calls` that ended before anybody said what they used.
    """

    model: str
    operation: Operation
    calls: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    units: int = 0
    unmetered_calls: int = 0

    def __add__(self, other: "ModelUse") -> "ModelUse":
        """Raises: ValueError for another model or operation."""
        if (self.model, self.operation) != (other.model, other.operation):
            raise ValueError(f"uses of {self.model} and {other.model} don't add up")
        return ModelUse(
            self.model,
            self.operation,
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)[2:]),
        )

    @property
    def prompt_tokens(self) -> int:
        """All that went in, from a cache or not."""
        written = self.cache_write_tokens + self.cache_write_1h_tokens
        return self.input_tokens + self.cache_read_tokens + written


class Meter:
    """Collects uses, from several threads if need be."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._uses: dict[tuple[str, Operation], ModelUse] = {}
        self._waited_s = 0.0

    def add(self, use: ModelUse) -> None:
        key = use.model, use.operation
        with self._lock:
            known = self._uses.get(key)
            self._uses[key] = known + use if known else use

    def add_wait(self, seconds: float) -> None:
        with self._lock:
            self._waited_s += seconds

    @property
    def waited_s(self) -> float:
        """How long calls stood in the queue of a model that had enough to do, in seconds."""
        return self._waited_s

    @property
    def uses(self) -> list[ModelUse]:
        """One for each model and operation, in the order of their first calls."""
        with self._lock:
            return list(self._uses.values())


_meters: ContextVar[tuple[Meter, ...]] = ContextVar("meters", default=())


@contextmanager
def metering(meter: Meter | None = None) -> Iterator[Meter]:
    """Collects all that is recorded within, also in tasks and threads that were started there.

    Meters may be nested: the outer one sees what the inner one does.
    """
    meter = meter or Meter()
    token = _meters.set((*_meters.get(), meter))
    try:
        yield meter
    finally:
        _meters.reset(token)


def record(use: ModelUse) -> None:
    """Tell the meters around. Nobody listening is no mistake."""
    for meter in _meters.get():
        meter.add(use)


def record_wait(seconds: float) -> None:
    """Tell the meters around how long a call has waited for its turn."""
    for meter in _meters.get():
        meter.add_wait(seconds)


def chat_use(model: str, usage: Mapping[str, Any]) -> ModelUse:
    """One call of Bedrock's Converse, by the `usage` of its answer: `inputTokens` leaves the cache out."""
    details = usage.get("cacheDetails") or []
    hour = sum(detail["inputTokens"] for detail in details if detail.get("ttl") == "1h")
    written = usage.get("cacheWriteInputTokens") or sum(detail["inputTokens"] for detail in details)
    return ModelUse(
        model,
        Operation.CHAT,
        input_tokens=usage.get("inputTokens", 0),
        output_tokens=usage.get("outputTokens", 0),
        cache_read_tokens=usage.get("cacheReadInputTokens") or 0,
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
    )


def chat_use_of(model: str, usage: UsageMetadata) -> ModelUse:
    """One call by LangChain's count, whose `input_tokens` include what was read from a cache or written."""
    details: Mapping[str, Any] = usage.get("input_token_details") or {}
    read = details.get("cache_read") or 0
    hour = details.get("ephemeral_1h_input_tokens") or 0
    # Where a provider tells apart how long it caches, `cache_creation` is either the sum of both or 0.
    written = max(details.get("cache_creation") or 0, hour + (details.get("ephemeral_5m_input_tokens") or 0))
    return ModelUse(
        model,
        Operation.CHAT,
        input_tokens=max(usage["input_tokens"] - read - written, 0),
        output_tokens=usage["output_tokens"],
        cache_read_tokens=read,
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
    )


def guardrail_uses(usage: Mapping[str, Any]) -> list[ModelUse]:
    """One examination by a Bedrock guardrail, by the `usage` of its answer: a use for each paid policy."""
    return [
        ModelUse(f"bedrock:guardrail.{policy}", Operation.GUARDRAIL, units=units)
        for policy, units in usage.items()
        if policy.endswith("Units") and policy not in FREE_UNITS and units
    ]


def streamed_usage(so_far: UsageMetadata | None, chunk: UsageMetadata) -> UsageMetadata:
    """The usage of a stream, one chunk later.

    LangChain's chunks add up: the prompt is counted in one of them. But some servers repeat the whole count
    so far in every chunk. They are told by the prompt, which is there again, with no less of an answer.
    """
    if so_far is None:
        return chunk
    repeated = 0 < so_far["input_tokens"] <= chunk["input_tokens"]
    if repeated and chunk["output_tokens"] >= so_far["output_tokens"]:
        return chunk
    return add_usage(so_far, chunk)


def cost_of(use: ModelUse) -> Decimal | None:
    """What a use cost in US dollars; None where a price or a count that it takes isn't known."""
    card = card_for(use.model)
    if card is None or card.price is None:
        return None
    parts = [_part(count, price) for count, price in _billed(use, card.price, card.kind)]
    free = card.price.input == card.price.unit == 0
    if None in parts or (use.unmetered_calls and not free):
        return None
    return sum((part for part in parts if part is not None), start=Decimal(0))


def cost_usd(uses: Iterable[ModelUse]) -> float | None:
    """What uses cost together, summed in decimals; None where a part of it isn't known."""
    costs = [cost_of(use) for use in uses]
    if None in costs:
        return None
    return float(sum((cost for cost in costs if cost is not None), start=Decimal(0)))


def _billed(use: ModelUse, price: Price, kind: Operation) -> list[tuple[int, Decimal | None]]:
    by_unit = kind in {Operation.RERANK, Operation.GUARDRAIL}
    return [
        (use.units, price.unit) if by_unit else (use.input_tokens, price.input),
        (use.output_tokens, price.output),
        (use.cache_read_tokens, price.cache_read),
        (use.cache_write_tokens, price.cache_write),
        (use.cache_write_1h_tokens, price.cache_write_1h),
    ]


def _part(count: int, price: Decimal | None) -> Decimal | None:
    if not count:
        return Decimal(0)
    return None if price is None else count * price / THOUSAND

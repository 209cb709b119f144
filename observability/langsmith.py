"""Spans as LangSmith's runs, by its own client. Texts stay here unless a setting allows them.

LangChain's own way to LangSmith, which sends every prompt and answer, is switched off: an environment that
asks for tracing must not be enough to send texts away (`quieten_langchain`).
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langsmith import Client, configure
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanContext
from urllib3.util import Retry

from observability.span_queue import SpanQueue

TIMEOUT_MS = (3000, 5000)  # to connect, and for the answer
KNOWN_SPANS = 5000  # whose children may still come
RATIO_BITS = 64  # of the trace id; OpenTelemetry's sampler decides by the same
RUN_TYPES = {"chat": "llm", "embeddings": "embedding", "rerank": "retriever"}


@dataclass(frozen=True, slots=True)
class LangSmithSettings:
    """Which spans it gets.

    Attributes:
        share: Of the recorded traces.
        sends_texts: Whether it gets prompts and answers.
    """

    endpoint: str
    api_key: str
    project: str = "groundwork"
    share: float = 1.0
    sends_texts: bool = False


def quieten_langchain() -> None:
    """Keep LangChain from sending runs by itself, whatever the environment says."""
    configure(enabled=False)


class LangSmithQueue(SpanQueue):
    """Remembers where each span stands in its trace, which LangSmith wants to be told."""

    def __init__(
        self, settings: LangSmithSettings, texts: AbstractSet[str], *, lost: Callable[[int], None]
    ) -> None:
        self._settings = settings
        self._texts = texts
        self._orders: OrderedDict[int, str] = OrderedDict()
        self._client = Client(
            api_url=settings.endpoint,
            api_key=settings.api_key,
            auto_batch_tracing=False,
            retry_config=Retry(0),
            timeout_ms=TIMEOUT_MS,
            omit_traced_runtime_info=True,
            tracing_sampling_rate=1.0,
            info={},
            tracing_error_callback=self._note_error,
        )
        self._failed = False
        super().__init__("langsmith", self._send, lost=lost)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        context = span.context
        if not self._takes(context):
            return
        stamp = _moment(span.start_time).strftime("%Y%m%dT%H%M%S%fZ")
        above = self._orders.get(span.parent.span_id) if span.parent else None
        self._orders[context.span_id] = f"{above + '.' if above else ''}{stamp}{_run_id(context)}"
        if len(self._orders) > KNOWN_SPANS:
            self._orders.popitem(last=False)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context and self._takes(span.context):
            super().on_end(span)

    def _takes(self, context: SpanContext) -> bool:
        bound = round(self._settings.share * (1 << RATIO_BITS))
        return (context.trace_id & ((1 << RATIO_BITS) - 1)) < bound

    def _send(self, spans: Sequence[ReadableSpan]) -> bool:
        self._failed = False
        runs = [run for span in spans if (run := self._run_of(span))]
        self._client.batch_ingest_runs(create=runs)
        return not self._failed

    def _note_error(self, error: Exception) -> None:
        """The client tells of what it could not send, instead of raising it."""
        self._failed = True

    def _run_of(self, span: ReadableSpan) -> dict[str, Any] | None:
        context = span.context
        order = self._orders.get(context.span_id) if context else None
        if context is None or order is None:  # so late that its place has been forgotten
            return None
        attributes = dict(span.attributes or {})
        above = order.split(".")[:-1]
        return {
            "id": str(_run_id(context)),
            "trace_id": _id_in(order.split(".")[0]),
            "parent_run_id": _id_in(above[-1]) if above else None,
            "dotted_order": order,
            "session_name": self._settings.project,
            "name": span.name,
            "run_type": RUN_TYPES.get(str(attributes.get("gen_ai.operation.name")), "chain"),
            "start_time": _moment(span.start_time).isoformat(),
            "end_time": _moment(span.end_time).isoformat(),
            "error": attributes.get("error.type"),
            "extra": {"metadata": self._metadata(attributes)},
            "inputs": self._text_of(attributes, "gen_ai.input.messages"),
            "outputs": self._text_of(attributes, "gen_ai.output.messages"),
        }

    def _metadata(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: value for name, value in attributes.items() if name not in self._texts}
        if "gen_ai.request.model" in found:
            found["ls_model_name"] = found["gen_ai.request.model"]
            found["ls_provider"] = found["gen_ai.provider.name"]
        if "gen_ai.usage.input_tokens" in found:
            taken, given = found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]
            found["usage_metadata"] = {
                "input_tokens": taken,
                "output_tokens": given,
                "total_tokens": taken + given,
            }
        return found

    def _text_of(self, attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
        if not self._settings.sends_texts or name not in attributes:
            return {}
        return {"messages": json.loads(attributes[name])}


def _run_id(context: SpanContext) -> UUID:
    """Half of the trace's id and all of the span's: the same whenever it is asked for."""
    return UUID(int=(context.trace_id >> 64 << 64) | context.span_id)


def _id_in(part: str) -> str:
    """The run's id in a part of a dotted order, which ends in it."""
    return part[-36:]


def _moment(nanoseconds: int | None) -> datetime:
    return datetime.fromtimestamp((nanoseconds or 0) / 1e9, UTC)

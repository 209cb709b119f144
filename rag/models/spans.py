"""Spans of calls of models, by OpenTelemetry's conventions for generative AI; no content by default."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from langchain_core.messages import BaseMessage
from opentelemetry.trace import Span, SpanKind

from rag.models.catalog import Operation
from rag.models.usage import Meter, cost_usd, metering
from rag.tracing import current_tracing, span

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
TEXTS = frozenset({INPUT, OUTPUT})
NAMES = {Operation.CHAT: "chat", Operation.EMBED: "embeddings", Operation.RERANK: "rerank"}
PROVIDERS = {"bedrock": "aws.bedrock"}  # where the conventions name one otherwise than we do


@contextmanager
def model_span(operation: Operation, model: str) -> Iterator[Span]:
    """A span around a call, with the tokens and the cost that were recorded within.

    Args:
        operation: What the model is called for.
        model: Its name as configured.
    """
    provider, _, name = model.partition(":")
    called = NAMES.get(operation, operation.value)
    attributes = {
        "gen_ai.operation.name": called,
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": name,
    }
    with span(f"{called} {name}", attributes, kind=SpanKind.CLIENT) as opened:
        if not opened.is_recording():
            yield opened
            return
        with metering() as meter:
            try:
                yield opened
            finally:
                _note_usage(opened, meter)


def note_prompt(opened: Span, messages: Sequence[BaseMessage]) -> None:
    """The prompt, where spans may hold texts."""
    tracing = current_tracing()
    if tracing is not None and tracing.text:
        parts = [{"role": message.type, "content": str(message.text)} for message in messages]
        opened.set_attribute(INPUT, json.dumps(parts, ensure_ascii=False))


def note_answer(opened: Span, text: str) -> None:
    """The answer, where spans may hold texts."""
    tracing = current_tracing()
    if tracing is not None and tracing.text:
        answer = [{"role": "assistant", "content": text}]
        opened.set_attribute(OUTPUT, json.dumps(answer, ensure_ascii=False))


def _note_usage(opened: Span, meter: Meter) -> None:
    uses = meter.uses
    if not uses:
        return
    opened.set_attribute("gen_ai.usage.input_tokens", sum(use.prompt_tokens for use in uses))
    opened.set_attribute("gen_ai.usage.output_tokens", sum(use.output_tokens for use in uses))
    cost = cost_usd(uses)
    if cost is not None:  # the conventions have no name for it
        opened.set_attribute("groundwork.cost_usd", cost)

"""Where spans go: a collector that speaks OTLP over HTTP, LangSmith, or both. Neither can delay a request."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Tracer

from observability.langsmith import LangSmithQueue, LangSmithSettings
from observability.span_queue import SpanQueue

TIMEOUT_S = 5.0  # for a batch of spans, with all attempts
STOP_S = 3.0  # for what still waits when the process ends


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Which spans go where.

    Attributes:
        service: Name of the service in spans.
        endpoint: A collector's base URL; None for none.
        headers: For the collector.
        share: Of requests whose spans are recorded, unless the caller's `traceparent` says so or not.
        texts: Attributes that hold texts.
        sends_texts: Whether the collector gets them.
        langsmith: None for no LangSmith.
    """

    service: str = "groundwork"
    endpoint: str | None = None
    headers: Mapping[str, str] | None = None
    share: float = 1.0
    texts: AbstractSet[str] = frozenset()
    sends_texts: bool = False
    langsmith: LangSmithSettings | None = None


@contextmanager
def open_tracer(settings: TracingSettings, *, lost: Callable[[str, int], None]) -> Iterator[Tracer | None]:
    """A tracer whose spans go where the settings say; None where they name no receiver.

    Args:
        settings: What goes where.
        lost: Told how many spans a receiver ("otlp", "langsmith") was not given.
    """
    queues = _queues(settings, lost)
    if not queues:
        yield None
        return
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.share),
        resource=Resource.create({SERVICE_NAME: settings.service}),
        shutdown_on_exit=False,
    )
    for queue in queues:
        provider.add_span_processor(queue)
    try:
        yield provider.get_tracer("groundwork")
    finally:
        stopping = [threading.Thread(target=queue.stop, args=(STOP_S,)) for queue in queues]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


def _queues(settings: TracingSettings, lost: Callable[[str, int], None]) -> list[SpanQueue]:
    queues = []
    if settings.endpoint is not None:
        queues.append(SpanQueue("otlp", _otlp(settings), lost=lambda count: lost("otlp", count)))
    if settings.langsmith is not None:
        queues.append(
            LangSmithQueue(settings.langsmith, settings.texts, lost=lambda count: lost("langsmith", count))
        )
    return queues


def _otlp(settings: TracingSettings) -> Callable[[Sequence[ReadableSpan]], bool]:
    exporter = OTLPSpanExporter(
        endpoint=f"{(settings.endpoint or '').rstrip('/')}/v1/traces",
        headers=dict(settings.headers or {}),
        timeout=TIMEOUT_S,
    )

    def deliver(spans: Sequence[ReadableSpan]) -> bool:
        if settings.texts and not settings.sends_texts:
            spans = [_without(span, settings.texts) for span in spans]
        return exporter.export(spans) is SpanExportResult.SUCCESS

    return deliver


def _without(span: ReadableSpan, texts: AbstractSet[str]) -> ReadableSpan:
    """The span without what must not leave by this way."""
    attributes = span.attributes or {}
    if texts.isdisjoint(attributes):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={name: value for name, value in attributes.items() if name not in texts},
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )

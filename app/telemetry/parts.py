"""What a process tells of its work: metrics and spans. Both may be off; neither can fail a request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from app.settings import Settings
from observability.langsmith import LangSmithSettings, quieten_langchain
from observability.metrics import Metrics
from observability.registry import (
    CACHE_LOOKUPS,
    METRICS,
    MODEL_CALLS,
    MODEL_COST,
    MODEL_TOKENS,
    SPANS_LOST,
    Kind,
)
from observability.tracing import TracingSettings, open_tracer
from rag.models.catalog import Operation
from rag.models.spans import TEXTS
from rag.models.usage import Meter, ModelUse, cost_of, metering
from rag.tracing import Tracing, traced_by

TRACE_CONTEXT = TraceContextTextMapPropagator()


class UseCounter(Meter):
    """A meter that counts for all requests together. It keeps nothing."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def add(self, use: ModelUse) -> None:
        labels = {"model": use.model, "operation": use.operation.value}
        self._metrics.count(MODEL_CALLS, use.calls, **labels)
        for kind, tokens in (
            ("input", use.input_tokens),
            ("output", use.output_tokens),
            ("cache_read", use.cache_read_tokens),
            ("cache_write", use.cache_write_tokens + use.cache_write_1h_tokens),
        ):
            if tokens:
                self._metrics.count(MODEL_TOKENS, tokens, kind=kind, **labels)
        if cost := cost_of(use):
            self._metrics.count(MODEL_COST, float(cost), **labels)
        if use.operation is Operation.CHAT:
            self._metrics.count(
                CACHE_LOOKUPS, cache="prompt", result="hit" if use.cache_read_tokens else "miss"
            )


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Metrics and spans of a process.

    Attributes:
        metrics: Records.
        tracer: Makes spans; None for none.
        text: Whether spans may hold texts, for a receiver that may have them.
    """

    metrics: Metrics = field(default_factory=Metrics)
    tracer: Tracer | None = None
    text: bool = False

    @contextmanager
    def around(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        headers: Mapping[str, str] | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[Span]:
        """The first span of a request or a job, with all that models are used for counted within.

        Args:
            name: The span's.
            kind: The span's.
            headers: Of a request, whose `traceparent` is followed.
            attributes: The span's.
        """
        with metering(UseCounter(self.metrics)):
            if self.tracer is None:
                yield INVALID_SPAN
                return
            above = TRACE_CONTEXT.extract(headers) if headers and "traceparent" in headers else Context()
            span = self.tracer.start_span(name, above, kind, attributes)
            # Where this request isn't recorded, nothing within it makes a span.
            within = Tracing(self.tracer, self.text) if span.is_recording() else None
            with traced_by(within), use_span(
                span, end_on_exit=True, record_exception=False, set_status_on_exception=False
            ):  # fmt: skip
                yield span


@contextmanager
def open_telemetry(settings: Settings) -> Iterator[Telemetry]:
    """Telemetry as the settings want it; at its end, what waits is sent for a few seconds."""
    quieten_langchain()
    metrics = Metrics(enabled=settings.metrics)
    for metric in METRICS:
        if metric.kind is Kind.COUNTER and not metric.labels:
            metrics.count(metric, 0)  # what has not happened yet is nothing, and not unknown

    def lost(exporter: str, count: int) -> None:
        metrics.count(SPANS_LOST, count, exporter=exporter)

    with open_tracer(_tracing(settings), lost=lost) as tracer:
        yield Telemetry(
            metrics,
            tracer,
            text=settings.log_text or (settings.langsmith_tracing and settings.langsmith_text),
        )


def _tracing(settings: Settings) -> TracingSettings:
    headers = settings.otel_exporter_otlp_headers
    return TracingSettings(
        service=settings.otel_service_name,
        endpoint=settings.otel_exporter_otlp_endpoint,
        headers=_pairs(headers.get_secret_value()) if headers else None,
        share=settings.otel_traces_sampler_arg,
        texts=TEXTS,
        sends_texts=settings.log_text,
        langsmith=_langsmith(settings),
    )


def _langsmith(settings: Settings) -> LangSmithSettings | None:
    if not settings.langsmith_tracing or settings.langsmith_api_key is None:
        return None
    return LangSmithSettings(
        endpoint=settings.langsmith_endpoint,
        api_key=settings.langsmith_api_key.get_secret_value(),
        project=settings.langsmith_project,
        share=settings.langsmith_tracing_sampling_rate,
        sends_texts=settings.langsmith_text,
    )


def _pairs(headers: str) -> dict[str, str]:
    """OpenTelemetry's notation: name=value, separated by commas."""
    pairs = (part.partition("=") for part in headers.split(",") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}

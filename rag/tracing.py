"""Spans of what a request does, by the tracer that whoever began it has put around it; none without one.

A span holds names, sizes and times. Texts go into it only where the tracer's owner allows that.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue


@dataclass(frozen=True, slots=True)
class Tracing:
    """How spans are made.

    Attributes:
        tracer: Makes them.
        text: Whether they may hold questions, prompts and answers.
    """

    tracer: Tracer
    text: bool = False


_tracing: ContextVar[Tracing | None] = ContextVar("tracing", default=None)


@contextmanager
def traced_by(tracing: Tracing | None) -> Iterator[None]:
    """Makes spans within, also in tasks that are started there."""
    token = _tracing.set(tracing)
    try:
        yield
    finally:
        _tracing.reset(token)


def current_tracing() -> Tracing | None:
    return _tracing.get()


@contextmanager
def span(
    name: str, attributes: Mapping[str, AttributeValue] | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A span around the block, below the one that is current. Of an error it tells the type alone.

    Not for the body of an asynchronous generator, which goes on in whatever context its reader has.
    """
    tracing = _tracing.get()
    if tracing is None:
        yield INVALID_SPAN
        return
    with tracing.tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except BaseException as exc:  # messages quote documents
            opened.set_attribute("error.type", type(exc).__name__)
            opened.set_status(Status(StatusCode.ERROR))
            raise

"""A collector that speaks OTLP over HTTP ("OTLP Specification", protobuf), and keeps what it is sent."""

import gzip
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.standins.http import QuietHandler, http_server


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived; ids in hexadecimal, "" for no parent."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, str | int | float]
    failed: bool
    service: str


@dataclass(slots=True)
class Collector:
    """What has arrived so far.

    Attributes:
        url: Its base.
        status: What it answers.
        delay_s: Before it answers.
    """

    url: str = ""
    status: int = HTTPStatus.OK
    delay_s: float = 0.0
    requests: int = 0
    spans: list[ReceivedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def named(self, name: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.name == name]

    def wait_for(self, *names: str, timeout_s: float = 10.0) -> None:
        """Raises: TimeoutError unless spans of all these names arrive."""
        until = time.monotonic() + timeout_s
        while not set(names) <= {span.name for span in self.spans}:
            if time.monotonic() > until:
                raise TimeoutError(f"{set(names)} not in {sorted({span.name for span in self.spans})}")
            time.sleep(0.02)


@contextmanager
def otlp_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.body()
            collector.requests += 1
            time.sleep(collector.delay_s)
            with suppress(BrokenPipeError):  # who sent it has not waited
                self._answer(body)

        def _answer(self, body: bytes) -> None:
            if self.path != "/v1/traces" or collector.status != HTTPStatus.OK:
                self.reply(collector.status, b"", "application/x-protobuf")
                return
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies.append(body)
            collector.spans.extend(_spans(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.reply(HTTPStatus.OK, answer, "application/x-protobuf")

    with http_server(Handler) as url:
        collector.url = url
        yield collector


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _received(span, str(resource["service.name"]))


def _received(span: Span, service: str) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        service=service,
    )


def _values(attributes: object) -> dict[str, str | int | float]:
    found = {}
    for each in attributes:  # type: ignore[attr-defined]  # a protobuf container
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found

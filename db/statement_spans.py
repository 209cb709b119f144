"""A span for each SQL statement, under a name made of its verb and its table. Values never reach it."""

import re
import time
from functools import lru_cache

import asyncpg
from opentelemetry.trace import SpanKind, Status, StatusCode

from rag.tracing import current_tracing

VERB = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|COPY|BEGIN|COMMIT|ROLLBACK|SET|CREATE|DROP)\b", re.IGNORECASE
)
TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN|TABLE)\s+([a-z_][a-z0-9_]*)", re.IGNORECASE)
NANOSECONDS = 1_000_000_000


def note_statement(query: "asyncpg.connection.LoggedQuery") -> None:
    """Called by the driver after each statement, in the context of who ran it."""
    tracing = current_tracing()
    if tracing is None:
        return
    ended = time.time_ns()
    name = statement_name(query.query)
    span = tracing.tracer.start_span(
        name,
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.summary": name},
        start_time=ended - round(query.elapsed * NANOSECONDS),
    )
    if query.exception is not None:  # its message may quote values
        span.set_attribute("error.type", type(query.exception).__name__)
        span.set_status(Status(StatusCode.ERROR))
    span.end(ended)


@lru_cache(maxsize=2048)  # some hundreds of constants, and one that begins as a tenant for each of those
def statement_name(query: str) -> str:
    """`SELECT documents` for a statement about that table."""
    verb, table = VERB.search(query), TABLE.search(query)
    words = [verb[1].upper() if verb else "SQL", table[1].lower() if table else ""]
    return " ".join(filter(None, words))

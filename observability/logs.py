"""Structured logs: an event a line, ids and sizes, never a document's or a question's text."""

import logging
import sys
from typing import Literal

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "console", "json"]

NOISY = ("httpx", "botocore", "alembic", "uvicorn.access")
# They log each call, each failure with its traceback, or each span, which whoever calls them logs in a line.
SILENT = ("langchain_aws", "opentelemetry", "langsmith")


def configure_logs(*, level: str, log_format: LogFormat = "auto") -> None:
    """Send structlog and the standard library's loggers through one renderer to standard error.

    Args:
        level: Least severe level that is shown.
        log_format: `auto` is `console` on a terminal and `json` anywhere else.
    """
    on_terminal = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_ending(on_terminal)],
        )
    )
    logging.getLogger().handlers = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Show events of that level from now on."""
    root = logging.getLogger()
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def toggle_debug(level: str) -> str:
    """Show everything; asked once more, what `level` says. Returns the level that holds now."""
    now = level if logging.getLogger().level == logging.DEBUG else "DEBUG"
    set_level(now)
    return now


def add_trace(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The ids of the trace and the span in which an event happened, where there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _ending(on_terminal: bool) -> list[Processor]:
    if on_terminal:
        # Rich's tracebacks show the values of variables, and with them documents.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]

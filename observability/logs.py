"""Structured logs: an event a line, ids and sizes, never a document's or a question's text."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "console", "json"]


def configure_logs(*, level: str, log_format: LogFormat = "auto") -> None:
    """Send structlog and the standard library's loggers through one renderer to standard error.

    Args:
        level: Least severe level that is shown.
        log_format: `auto` is `console` on a terminal and `json` anywhere else.
    """
    on_terminal = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "botocore", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # It logs each call, and each failure with its traceback, which whoever calls it logs again in a line.
    logging.getLogger("langchain_aws").setLevel(logging.CRITICAL)


def _ending(on_terminal: bool) -> list[Processor]:
    if on_terminal:
        # Rich's tracebacks show the values of variables, and with them documents.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]

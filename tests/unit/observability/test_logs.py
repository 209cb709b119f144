import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from observability.logs import configure_logs, set_level, toggle_debug


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, known = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    set_level(logging.getLevelName(level))
    structlog.configure(**known)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_others_lines_have_the_request_and_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", log_format="json")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with structlog.contextvars.bound_contextvars(request_id="r1"), tracer.start_as_current_span("s") as span:
        structlog.get_logger("ours").info("thing_happened", size=3)
        logging.getLogger("another.library").warning("theirs")
    ours, theirs = lines(capsys)
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert (ours["event"], ours["size"], theirs["event"]) == ("thing_happened", 3, "theirs")
    assert ours["trace_id"] == theirs["trace_id"] == trace_id
    assert ours["request_id"] == theirs["request_id"] == "r1"


def test_without_a_span_there_is_no_trace_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="INFO", log_format="json")
    structlog.get_logger("ours").info("thing_happened")
    (line,) = lines(capsys)
    assert "trace_id" not in line


def test_the_level_changes_and_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="WARNING", log_format="json")
    log = structlog.get_logger("ours")
    log.debug("first")
    assert toggle_debug("WARNING") == "DEBUG"
    log.debug("second")
    logging.getLogger("httpx").info("a request with a question in its address")
    assert toggle_debug("WARNING") == "WARNING"
    log.info("third")
    assert [line["event"] for line in lines(capsys)] == ["second"]

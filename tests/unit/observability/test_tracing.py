from collections.abc import Callable
from http import HTTPStatus

import pytest

from observability.langsmith import LangSmithSettings
from observability.tracing import TracingSettings, open_tracer
from tests.standins.langsmith import langsmith_server
from tests.standins.otlp import otlp_collector

TRACES = 400


@pytest.fixture
def lost() -> dict[str, int]:
    return {}


def counting(lost: dict[str, int]) -> Callable[[str, int], None]:
    def count(exporter: str, spans: int) -> None:
        lost[exporter] = lost.get(exporter, 0) + spans

    return count


def test_without_a_receiver_there_is_no_tracer() -> None:
    with open_tracer(TracingSettings(), lost=counting({})) as tracer:
        assert tracer is None


def test_a_share_of_the_traces_is_recorded_and_a_share_of_these_goes_to_langsmith(
    lost: dict[str, int],
) -> None:
    with otlp_collector() as collector, langsmith_server() as langsmith:
        settings = TracingSettings(
            endpoint=collector.url,
            share=0.5,
            langsmith=LangSmithSettings(endpoint=langsmith.url, api_key=langsmith.key, share=0.25),
        )
        with open_tracer(settings, lost=counting(lost)) as tracer:
            assert tracer
            for number in range(TRACES):
                with tracer.start_as_current_span(f"first {number}"), tracer.start_as_current_span("second"):
                    pass
    assert 2 * TRACES * 0.4 < len(collector.spans) < 2 * TRACES * 0.6
    assert 2 * TRACES * 0.17 < len(langsmith.runs) < 2 * TRACES * 0.33
    sent = {span.name for span in collector.spans}
    assert {run["name"] for run in langsmith.runs} < sent
    # Whole traces: each first run came with its second.
    assert len(langsmith.runs) == 2 * len([run for run in langsmith.runs if run["parent_run_id"] is None])
    assert lost == {}


def test_what_is_refused_is_counted(lost: dict[str, int]) -> None:
    with otlp_collector() as collector, langsmith_server("the right key") as langsmith:
        collector.status = HTTPStatus.BAD_REQUEST
        settings = TracingSettings(
            endpoint=collector.url, langsmith=LangSmithSettings(endpoint=langsmith.url, api_key="a wrong one")
        )
        with open_tracer(settings, lost=counting(lost)) as tracer:
            assert tracer
            for _ in range(3):
                tracer.start_span("span").end()
    assert lost == {"otlp": 3, "langsmith": 3}
    assert langsmith.runs == []

from dataclasses import replace

import pytest

from app.debugging.causes import BestPassage, Cause, Facts, Place, Reading, find_causes

USUAL = {"accept": 5.0, "wait": 0.0, "retrieve": 50.0, "rerank": 100.0, "generate": 800.0, "total": 960.0}
FINE = Facts(timings_ms=USUAL, usual_ms=USUAL, model="m")


def primary(**changes: object) -> Cause:
    return find_causes(replace(FINE, **changes))[0].cause  # type: ignore[arg-type]


def took(**stages: float) -> dict[str, float]:
    return USUAL | stages


def best(place: Place, *, rank: int | None = 1, is_used: bool = False) -> BestPassage:
    return BestPassage(chunk_id="c", source_document_id="d", place=place, rank=rank, is_used=is_used)


def read(in_prompt: float, overall: float, found: BestPassage | None = None) -> Reading:
    return Reading(in_prompt=in_prompt, overall=overall, threshold=0.2, best=found)


def test_nothing_is_wrong_with_an_ordinary_request() -> None:
    assert primary() is Cause.NONE


@pytest.mark.parametrize(
    ("stage", "cause"),
    [
        ("accept", Cause.SLOW_QUEUE),
        ("wait", Cause.SLOW_QUEUE),
        ("retrieve", Cause.SLOW_RETRIEVAL),
        ("rerank", Cause.SLOW_RERANK),
        ("generate", Cause.SLOW_GENERATION),
    ],
)
def test_a_slow_stage_is_named(stage: str, cause: Cause) -> None:
    assert primary(timings_ms=took(**{stage: 3 * USUAL[stage] + 151.0})) is cause


def test_a_stage_is_slow_by_three_times_and_by_150_ms() -> None:
    assert primary(timings_ms=took(retrieve=199.0)) is Cause.NONE  # 4 times, but 149 ms
    assert primary(timings_ms=took(generate=2399.0)) is Cause.NONE  # 1,599 ms, but not 3 times
    assert primary(timings_ms=took(generate=2401.0)) is Cause.SLOW_GENERATION


def test_what_one_request_in_ten_takes_anyway_is_not_slow() -> None:
    slow = took(generate=2401.0)
    assert primary(timings_ms=slow, high_ms={"generate": 1700.0}) is Cause.NONE


def test_of_two_slow_stages_the_one_that_cost_more_comes_first() -> None:
    causes = [
        each.cause for each in find_causes(replace(FINE, timings_ms=took(retrieve=900.0, rerank=700.0)))
    ]
    assert causes == [Cause.SLOW_RETRIEVAL, Cause.SLOW_RERANK]


def test_waiting_for_a_model_is_not_blamed_on_the_model() -> None:
    assert primary(timings_ms=took(wait=2000.0, generate=2800.0)) is Cause.SLOW_QUEUE


@pytest.mark.parametrize(
    ("error", "stage", "cause"),
    [
        ("OverloadedError", "generate", Cause.OVERLOAD),
        ("ModelError", "generate", Cause.MODEL_FAILED),
        ("TimeoutError", "generate", Cause.SLOW_GENERATION),
        ("TimeoutError", "retrieve", Cause.SLOW_RETRIEVAL),
        ("UnavailableError", "retrieve", Cause.ERROR),
        ("BlockedError", "retrieve", Cause.ERROR),
        ("client_closed", "generate", Cause.ERROR),
    ],
)
def test_an_error_says_what_ended_the_request(error: str, stage: str, cause: Cause) -> None:
    assert primary(error=error, failed_stage=stage, timings_ms={"total": 100.0}) is cause


def test_a_client_that_tired_of_waiting_went_because_of_the_stage() -> None:
    slow = {"total": 60_000.0}
    assert primary(error="client_closed", failed_stage="generate", timings_ms=slow) is Cause.SLOW_GENERATION


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("retrieve:vector", Cause.DEGRADED_RETRIEVE),
        ("rerank", Cause.DEGRADED_RERANK),
        ("generate:openai:gpt", Cause.DEGRADED_GENERATE),
        ("curated", Cause.DEGRADED_CURATED),
    ],
)
def test_a_stage_that_was_done_without_is_named(name: str, cause: Cause) -> None:
    assert primary(degraded=(name,)) is cause


def test_where_the_answering_passage_was_decides() -> None:
    missed = read(0.1, 0.9, best(Place.NOT_FOUND))
    assert primary(reading=missed) is Cause.RETRIEVAL_MISSED
    assert primary(reading=read(0.1, 0.9, best(Place.LEFT_OUT))) is Cause.RANKED_OUT
    assert primary(reading=read(0.1, 0.9, best(Place.ADDED_SINCE))) is Cause.DOCUMENT_MISSING
    assert primary(reading=read(0.1, 0.9, best(Place.NOT_FOUND, rank=4))) is Cause.NONE
    assert primary(reading=read(0.1, 0.1, best(Place.NOT_FOUND))) is Cause.NONE


def test_an_abstention_is_judged_by_what_was_in_the_prompt() -> None:
    answers, nothing = read(0.8, 0.8, best(Place.PROMPT)), read(0.1, 0.1)
    assert primary(abstained=True, reading=answers) is Cause.MODEL_IGNORED_SOURCE
    assert primary(abstained=True, model=None, reading=answers) is Cause.ABSTAINED_WRONGLY
    assert primary(abstained=True, reading=nothing) is Cause.NO_EVIDENCE
    assert primary(abstained=True, reading=answers, removed_citations=2) is Cause.CITATION_DROPPED


def test_an_answer_from_another_source_than_the_best_ignored_it() -> None:
    assert primary(reading=read(0.8, 0.8, best(Place.PROMPT))) is Cause.MODEL_IGNORED_SOURCE
    assert primary(reading=read(0.8, 0.8, best(Place.PROMPT, is_used=True))) is Cause.NONE


def test_a_document_that_is_gone_comes_before_what_is_left_in_the_prompt() -> None:
    assert primary(abstained=True, gone=("d",), reading=read(0.3, 0.3)) is Cause.DOCUMENT_MISSING


def test_a_slow_and_wrong_answer_is_wrong_first() -> None:
    facts = replace(FINE, timings_ms=took(generate=9000.0), reading=read(0.1, 0.9, best(Place.LEFT_OUT)))
    assert [each.cause for each in find_causes(facts)] == [Cause.RANKED_OUT, Cause.SLOW_GENERATION]


def test_a_curated_answer_is_not_judged_by_the_documents() -> None:
    assert primary(curated=True, reading=read(0.1, 0.9, best(Place.NOT_FOUND))) is Cause.NONE

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from eval.case_metrics import AnsweredCase
from eval.cases import EvaluationCase
from eval.judge.criteria import Criterion, Part
from eval.judge.deepeval_judge import DeepEvalJudge
from eval.judge.opening import open_judge
from eval.judge.settings import (
    ANSWER_RELEVANCY,
    CONTEXTUAL_PRECISION,
    CONTEXTUAL_RECALL,
    CONTEXTUAL_RELEVANCY,
    FAITHFULNESS,
    JUDGED_METRICS,
    JudgeSettings,
)
from eval.judge.types import Judge, Judgement
from rag.errors import InvalidInputError
from rag.models.options import ModelOptions
from rag.models.resilience.settings import Resilience
from tests.standins.judge_model import JudgeServer, judge_server

NAME = "openai:gpt-4o-mini"
CALL_USD = 1000 * 0.15 / 1_000_000  # a call of a thousand tokens, by the model's card
QUESTION = "How many vacation days does the handbook grant?"
GRANTED = "The handbook grants 28 vacation days."
CARRIED = "Five of them may be carried over."
CANTEEN = "The canteen opens at noon."
CASE = EvaluationCase(query=QUESTION, expected_answer=GRANTED, ground_truth_docs=["vacation"], id="days")
ANSWERED = AnsweredCase(
    answer=f"{GRANTED} [1] The moon is made of cheese. [2]",
    abstained=False,
    sources=(CANTEEN, f"{GRANTED} {CARRIED}"),
    documents=("canteen", "vacation"),
    retrieved=("canteen", "vacation"),
)
ABSTAINED = replace(ANSWERED, answer="I don't know.", abstained=True)
TWO_CLAIMS = '{"claims": ["One.", "Two."]}'


class OpenJudge(Protocol):
    async def __call__(self, settings: JudgeSettings, name: str = NAME) -> Judge: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    with judge_server() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield running


@pytest.fixture
async def opened(server: JudgeServer) -> AsyncIterator[OpenJudge]:
    resilience = Resilience(attempts=2, backoff_base_s=0.01, attempt_timeout_s=0.5, breaker_failures=100)
    async with AsyncExitStack() as stack:

        async def open_it(settings: JudgeSettings, name: str = NAME) -> Judge:
            options = ModelOptions(resilience=resilience)
            return await stack.enter_async_context(open_judge(name, settings, options))

        yield open_it


def only(*metrics: str) -> JudgeSettings:
    return JudgeSettings(metrics=metrics)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_all_metrics_are_judged_from_the_sources(opened: OpenJudge) -> None:
    judge = await opened(JudgeSettings())
    assert judge.model_name == NAME
    judgement = await judge.judge(CASE, ANSWERED)
    assert judgement.not_measured == {}
    assert judgement.scores == {
        FAITHFULNESS: 1 / 2,  # the moon isn't in the sources
        CONTEXTUAL_RELEVANCY: 1 / 3,  # the canteen and what is carried over aren't asked for
        CONTEXTUAL_PRECISION: 1 / 2,  # the right source comes second
        CONTEXTUAL_RECALL: 1.0,
        ANSWER_RELEVANCY: 1 / 2,
    }
    assert judgement.spread == {}


async def test_the_judge_does_not_see_citation_markers(opened: OpenJudge, server: JudgeServer) -> None:
    await (await opened(only(FAITHFULNESS))).judge(CASE, ANSWERED)
    assert server.prompts
    assert not any("[1]" in prompt for prompt in server.prompts)


async def test_of_an_abstention_only_what_was_found_is_judged(opened: OpenJudge) -> None:
    judgement = await (await opened(JudgeSettings())).judge(CASE, ABSTAINED)
    assert set(judgement.scores) == {CONTEXTUAL_RELEVANCY, CONTEXTUAL_PRECISION, CONTEXTUAL_RECALL}


async def test_of_a_question_without_an_answer_only_an_answer_is_judged(opened: OpenJudge) -> None:
    judge, case = await opened(JudgeSettings()), EvaluationCase(query=QUESTION, answerable=False)
    assert set((await judge.judge(case, ANSWERED)).scores) == {FAITHFULNESS, ANSWER_RELEVANCY}
    assert (await judge.judge(case, ABSTAINED)).scores == {}


async def test_the_metrics_of_an_answer_that_failed_are_known(opened: OpenJudge) -> None:
    judge = await opened(JudgeSettings())
    assert isinstance(judge, DeepEvalJudge)
    assert set(judge.applicable(CASE)) == set(JUDGED_METRICS)
    unknown = EvaluationCase(query=QUESTION, ground_truth_docs=["vacation"])
    assert set(judge.applicable(unknown)) == {FAITHFULNESS, ANSWER_RELEVANCY, CONTEXTUAL_RELEVANCY}


async def test_where_nothing_was_found_the_score_is_zero_without_a_call(
    opened: OpenJudge, server: JudgeServer
) -> None:
    judge = await opened(only(CONTEXTUAL_RELEVANCY, CONTEXTUAL_PRECISION, CONTEXTUAL_RECALL))
    judgement = await judge.judge(CASE, replace(ABSTAINED, sources=()))
    assert set(judgement.scores.values()) == {0.0}
    assert server.prompts == []


async def test_wrong_json_is_asked_for_once_more(opened: OpenJudge, server: JudgeServer) -> None:
    server.replies.append("Sure! Here are the statements.")
    judgement = await (await opened(only(ANSWER_RELEVANCY))).judge(CASE, ANSWERED)
    assert judgement.scores == {ANSWER_RELEVANCY: 1 / 2}
    assert len(server.prompts) == 3
    assert "That was not the JSON that was asked for" in server.prompts[1]


async def test_json_in_a_code_fence_is_read(opened: OpenJudge, server: JudgeServer) -> None:
    server.replies.append('```json\n{"statements": ["The handbook grants 28 days."]}\n```')
    judgement = await (await opened(only(ANSWER_RELEVANCY))).judge(CASE, ANSWERED)
    assert judgement.scores == {ANSWER_RELEVANCY: 1.0}
    assert len(server.prompts) == 2


@pytest.mark.parametrize(
    ("reply", "mistake"),
    [
        ("no JSON", "Invalid JSON"),
        ("", "Invalid JSON"),
        ('{"statements": "one"}', "statements: Input should be a valid"),
        ('{"statements": ["cut off', "Invalid JSON"),
        ('Here: {"statements": []}', "Invalid JSON"),
    ],
)
async def test_json_that_is_wrong_twice_is_no_verdict(
    opened: OpenJudge, server: JudgeServer, reply: str, mistake: str
) -> None:
    server.replies.extend([reply, reply])
    judgement = await (await opened(only(ANSWER_RELEVANCY))).judge(CASE, ANSWERED)
    assert judgement.scores == {ANSWER_RELEVANCY: None}
    assert judgement.not_measured[ANSWER_RELEVANCY].startswith(f"the judge's JSON was wrong twice: {mistake}")
    assert len(server.prompts) == 2


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (['{"statements": ["One.", "Two."]}', '{"verdicts": []}'], "0 verdicts on 2 statements"),
        (
            ['{"statements": ["One."]}', '{"verdicts": [{"verdict": "yes"}, {"verdict": "no"}]}'],
            "2 verdicts on 1",
        ),
        (['{"statements": []}'], "found no statements"),
    ],
)
async def test_a_judge_that_skips_statements_gives_no_perfect_score(
    opened: OpenJudge, server: JudgeServer, replies: list[str], reason: str
) -> None:
    server.replies.extend(replies)
    judgement = await (await opened(only(ANSWER_RELEVANCY))).judge(CASE, ANSWERED)
    assert judgement.scores == {ANSWER_RELEVANCY: None}
    assert reason in judgement.not_measured[ANSWER_RELEVANCY]


async def test_a_throttled_judge_measures_nothing_and_only_we_repeat(
    opened: OpenJudge, server: JudgeServer
) -> None:
    server.failure = 429
    judgement = await (await opened(only(CONTEXTUAL_PRECISION))).judge(CASE, ANSWERED)
    assert judgement.scores == {CONTEXTUAL_PRECISION: None}
    assert NAME in judgement.not_measured[CONTEXTUAL_PRECISION]
    assert len(server.prompts) == 2  # `attempts`, which neither DeepEval nor the SDK multiplies


async def test_a_judge_that_hangs_measures_nothing(opened: OpenJudge, server: JudgeServer) -> None:
    server.delay_s = 0.7
    judgement = await (await opened(only(CONTEXTUAL_PRECISION))).judge(CASE, ANSWERED)
    assert judgement.scores == {CONTEXTUAL_PRECISION: None}
    assert NAME in judgement.not_measured[CONTEXTUAL_PRECISION]


async def test_one_metric_that_fails_leaves_the_others(opened: OpenJudge, server: JudgeServer) -> None:
    judge = await opened(JudgeSettings(metrics=(CONTEXTUAL_RECALL, ANSWER_RELEVANCY), concurrency=1))
    server.replies.append('{"verdicts": []}')
    judgement = await judge.judge(CASE, ANSWERED)
    assert judgement.scores == {CONTEXTUAL_RECALL: None, ANSWER_RELEVANCY: 1 / 2}
    assert judgement.not_measured == {CONTEXTUAL_RECALL: "the judge gave no verdicts"}


async def test_calls_run_beside_each_other_up_to_the_limit(opened: OpenJudge, server: JudgeServer) -> None:
    server.delay_s = 0.02
    judge = await opened(replace(JudgeSettings(), concurrency=2))
    await asyncio.gather(*(judge.judge(CASE, ANSWERED) for _ in range(3)))
    assert server.at_once == 2


async def test_a_verdict_is_never_asked_for_twice(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path
) -> None:
    settings = JudgeSettings(cache=tmp_path / "verdicts")
    first = await (await opened(settings)).judge(CASE, ANSWERED)
    asked = len(server.prompts)
    again = await (await opened(settings)).judge(CASE, ANSWERED)
    assert (again.scores, len(server.prompts)) == (first.scores, asked)
    assert first.cost_usd == pytest.approx(asked * CALL_USD)
    assert again.cost_usd == 0.0


async def test_kept_verdicts_hold_no_text_and_no_part_of_a_file(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path
) -> None:
    await (await opened(replace(only(CONTEXTUAL_RECALL), cache=tmp_path))).judge(CASE, ANSWERED)
    (kept,) = files(tmp_path)
    assert json.loads(kept.read_bytes()) == {"metric": CONTEXTUAL_RECALL, "judge": NAME, "score": 1.0}


@pytest.mark.parametrize(
    "changed",
    [
        (CASE.model_copy(update={"query": "And how many days of vacation?"}), ANSWERED),
        (CASE.model_copy(update={"expected_answer": CARRIED}), ANSWERED),
        (CASE, replace(ANSWERED, answer=CARRIED)),
        (CASE, replace(ANSWERED, sources=ANSWERED.sources[::-1])),
    ],
)
async def test_a_verdict_holds_for_just_what_was_judged(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path, changed: tuple[EvaluationCase, AnsweredCase]
) -> None:
    judge = await opened(replace(only(CONTEXTUAL_PRECISION), cache=tmp_path))
    await judge.judge(CASE, ANSWERED)
    await judge.judge(*changed)
    assert len(server.prompts) == 2


async def test_another_judge_gives_its_own_verdict(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path
) -> None:
    settings = replace(only(CONTEXTUAL_PRECISION), cache=tmp_path)
    for name in (NAME, "openai:gpt-4.1-mini"):
        await (await opened(settings, name)).judge(CASE, ANSWERED)
    assert len(server.prompts) == 2


async def test_a_failed_verdict_is_not_kept(opened: OpenJudge, server: JudgeServer, tmp_path: Path) -> None:
    judge = await opened(replace(only(CONTEXTUAL_RECALL), cache=tmp_path))
    server.replies.extend(["wrong", "wrong"])
    assert (await judge.judge(CASE, ANSWERED)).scores == {CONTEXTUAL_RECALL: None}
    assert (await judge.judge(CASE, ANSWERED)).scores == {CONTEXTUAL_RECALL: 1.0}


async def test_a_damaged_file_is_judged_anew(opened: OpenJudge, server: JudgeServer, tmp_path: Path) -> None:
    judge = await opened(replace(only(CONTEXTUAL_RECALL), cache=tmp_path))
    await judge.judge(CASE, ANSWERED)
    (kept,) = files(tmp_path)
    kept.write_text('{"metric": "contextual_recall", "judge": "x", "score": 7}')
    assert (await judge.judge(CASE, ANSWERED)).scores == {CONTEXTUAL_RECALL: 1.0}
    assert len(server.prompts) == 2
    await judge.judge(CASE, ANSWERED)
    assert len(server.prompts) == 2


async def test_after_the_cost_cap_nothing_is_asked(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path
) -> None:
    settings = replace(only(CONTEXTUAL_RECALL), max_cost_usd=0.0002, cache=tmp_path)
    judge = await opened(settings)
    cases = [
        CASE.model_copy(update={"query": f"{QUESTION} {n}", "expected_answer": f"{n}."}) for n in range(4)
    ]
    found: list[Judgement] = [await judge.judge(case, ANSWERED) for case in cases]
    assert len(server.prompts) == 2  # 0.00015 is below the cap, 0.0003 is not
    assert [judgement.scores[CONTEXTUAL_RECALL] for judgement in found] == [0.0, 0.0, None, None]
    assert found[3].not_measured == {CONTEXTUAL_RECALL: "cost cap of $0.0002 reached"}
    assert found[3].cost_usd == 0.0
    assert (await judge.judge(cases[0], ANSWERED)).scores == {CONTEXTUAL_RECALL: 0.0}  # known, so free


@pytest.mark.usefixtures("server")
async def test_a_cost_cap_needs_a_price(opened: OpenJudge) -> None:
    with pytest.raises(InvalidInputError, match="no price of openai:unheard-of is known"):
        await opened(JudgeSettings(max_cost_usd=1.0), "openai:unheard-of")


async def test_without_a_price_the_cost_is_unknown(opened: OpenJudge) -> None:
    judge = await opened(only(CONTEXTUAL_RECALL), "openai:unheard-of")
    assert (await judge.judge(CASE, ANSWERED)).cost_usd is None


async def test_the_score_is_the_median_of_repetitions(opened: OpenJudge, server: JudgeServer) -> None:
    no, yes = '{"verdict": "no", "reason": "-"}', '{"verdict": "yes", "reason": "-"}'
    none, half = f'{{"verdicts": [{no}, {no}]}}', f'{{"verdicts": [{yes}, {no}]}}'
    server.replies.extend([half, none, half])
    judge = await opened(replace(only(CONTEXTUAL_RECALL), repetitions=3))
    judgement = await judge.judge(CASE, ANSWERED)
    assert judgement.scores == {CONTEXTUAL_RECALL: 0.5}
    assert judgement.spread == {CONTEXTUAL_RECALL: 0.5}


async def test_each_repetition_is_kept_and_a_failed_one_asked_again(
    opened: OpenJudge, server: JudgeServer, tmp_path: Path
) -> None:
    judge = await opened(replace(only(CONTEXTUAL_RECALL), repetitions=3, cache=tmp_path))
    server.replies.append('{"verdicts": []}')
    first = await judge.judge(CASE, ANSWERED)
    assert first.scores == {CONTEXTUAL_RECALL: None}
    assert first.not_measured == {CONTEXTUAL_RECALL: "1 of 3 repetitions: the judge gave no verdicts"}
    assert first.spread == {}
    assert (await judge.judge(CASE, ANSWERED)).scores == {CONTEXTUAL_RECALL: 1.0}
    assert len(server.prompts) == 3 + 1


async def test_criteria_are_further_metrics(opened: OpenJudge, server: JudgeServer) -> None:
    criterion = Criterion(name="correctness", steps=("Compare.",), parts=(Part.ANSWER, Part.EXPECTED_ANSWER))
    judge = await opened(JudgeSettings(metrics=(), criteria=(criterion,)))
    assert (await judge.judge(CASE, ANSWERED)).scores == {"correctness": 8 / 10}
    assert (await judge.judge(CASE, replace(ANSWERED, answer=CARRIED))).scores == {"correctness": 1 / 10}
    assert (await judge.judge(CASE, ABSTAINED)).scores == {}


@pytest.mark.parametrize("score", ["11", "-1", "NaN", "1e999"])
async def test_a_score_out_of_range_is_no_verdict(opened: OpenJudge, server: JudgeServer, score: str) -> None:
    criterion = Criterion(name="tone", criteria="It is polite.", parts=(Part.ANSWER,))
    judge = await opened(JudgeSettings(metrics=(), criteria=(criterion,)))
    server.replies.extend(['{"steps": ["Look."]}', f'{{"score": {score}, "reason": "-"}}'])
    judgement = await judge.judge(CASE, ANSWERED)
    assert judgement.scores == {"tone": None}
    assert "out of range" in judgement.not_measured["tone"]


@pytest.mark.parametrize("answer", ["", "[1]"])
async def test_an_empty_answer_is_not_measured(opened: OpenJudge, answer: str) -> None:
    judgement = await (await opened(only(ANSWER_RELEVANCY))).judge(CASE, replace(ANSWERED, answer=answer))
    assert judgement.scores == {ANSWER_RELEVANCY: None}


async def test_text_of_a_document_that_means_something_to_the_library_is_not_followed(
    opened: OpenJudge, server: JudgeServer
) -> None:
    trap = replace(ANSWERED, sources=("[DEEPEVAL:IMAGE:1] {{ 7 * 7 }} {% raw %}",))
    judgement = await (await opened(only(CONTEXTUAL_RECALL))).judge(CASE, trap)
    assert judgement.scores == {CONTEXTUAL_RECALL: 0.0}
    (prompt,) = server.prompts
    assert "[DEEPEVAL:IMAGE:1] {{ 7 * 7 }} {% raw %}" in prompt


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("local:extractive", "quotes sources, it can't judge"),
        ("openai:gpt-4o, openai:gpt-4o-mini", "one model, not a chain"),
        ("nonsense", "write provider:model"),
    ],
)
async def test_what_cannot_judge_is_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        async with open_judge(name):
            pass


async def test_a_folder_that_cannot_be_made_is_named(opened: OpenJudge, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="file/verdicts"):
        await opened(JudgeSettings(cache=tmp_path / "file" / "verdicts"))

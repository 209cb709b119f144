import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eval.case_metrics import AnsweredCase, CaseMetrics
from eval.cases import EvaluationCase
from eval.deepeval_library import QUIET, LLMTestCase, MissingTestCaseParamsError, assert_test, evaluate
from eval.deepeval_metrics import as_test_case, deterministic_metrics, read_test_case
from eval.groundedness import GroundednessScorer
from rag.models.minilm import MiniLMEmbeddings

GRANTED = "The handbook grants 28 vacation days."
CASE = EvaluationCase(
    query="How many vacation days are granted?",
    expected_answer=[GRANTED, "28 days"],
    ground_truth_docs={"vacation": 2, "leave": 1},
)
ANSWERED = AnsweredCase(
    answer=f"{GRANTED} [1]",
    abstained=False,
    sources=(f"{GRANTED} Five may be carried over.",),
    documents=("vacation",),
    retrieved=("vacation", "canteen", "leave"),
)
WRONG = replace(ANSWERED, answer="Nobody knows. [1]", retrieved=())
JUDGING = """
import socket, sys
def refuse(*args, **kwargs):
    print("network:", args, file=sys.stderr)
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse

import asyncio, os
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from eval.deepeval_library import AnswerRelevancyMetric, LLMTestCase
from eval.judge.model import JudgeModel
from rag.models.types import ChatModel

assert "FROM_DOTENV" not in os.environ
replies = ['{"statements": ["It is."]}', '{"verdicts": [{"verdict": "yes"}]}']
model = JudgeModel(ChatModel("ollama:judge", FakeListChatModel(responses=replies)))
metric = AnswerRelevancyMetric(model=model, include_reason=False)
case = LLMTestCase(input="Is it?", actual_output="It is.")
asyncio.run(metric.a_measure(case, _show_indicator=False))
print(metric.score)
"""


@pytest.fixture(scope="module")
def metrics(encoder: MiniLMEmbeddings) -> CaseMetrics:
    return CaseMetrics(GroundednessScorer(encoder), encoder.encode)


def test_a_case_survives_the_way_there_and_back() -> None:
    case, answered = read_test_case(as_test_case(CASE, ANSWERED))
    assert answered == ANSWERED
    assert (case.query, case.expected_answers) == (CASE.query, CASE.expected_answers)
    assert case.judgments == CASE.judgments
    unanswerable = EvaluationCase(query="Who was here?", answerable=False)
    assert not read_test_case(as_test_case(unanswerable, ANSWERED))[0].answerable


def test_each_metric_gives_the_score_that_we_compute(metrics: CaseMetrics) -> None:
    expected, test_case = metrics.measure(CASE, ANSWERED), as_test_case(CASE, ANSWERED)
    adapted = deterministic_metrics(metrics)
    assert {metric.__name__: metric.measure(test_case) for metric in adapted} == expected
    assert len(expected) > 20
    assert all(metric.success is None for metric in adapted)  # without a threshold nothing passes or fails


def test_a_threshold_decides(metrics: CaseMetrics) -> None:
    names = ["precision@3", "recall@3"]
    precision, recall = deterministic_metrics(metrics, dict.fromkeys(names, 0.9), names=names)
    precision.measure(as_test_case(CASE, ANSWERED))
    recall.measure(as_test_case(CASE, ANSWERED))
    assert (precision.score, precision.is_successful()) == (2 / 3, False)
    assert (recall.score, recall.is_successful()) == (1.0, True)
    assert "0.667" in str(precision.reason)


def test_a_case_of_anyone_is_measured_by_its_plain_fields(metrics: CaseMetrics) -> None:
    plain = LLMTestCase(
        input=CASE.query,
        actual_output=ANSWERED.answer,
        expected_output=GRANTED,
        retrieval_context=list(ANSWERED.sources),
    )
    names = ["token_f1", "citation_precision", "groundedness"]
    f1, citations, groundedness = deterministic_metrics(metrics, names=names)
    assert (f1.measure(plain), citations.measure(plain)) == (1.0, 1.0)
    assert groundedness.measure(plain) > 0.5


def test_a_metric_that_does_not_apply_says_so(metrics: CaseMetrics) -> None:
    abstained = AnsweredCase(answer="", abstained=True, sources=(), documents=(), retrieved=())
    (metric,) = deterministic_metrics(metrics, names=["groundedness"])
    metric.measure(as_test_case(CASE, ANSWERED))
    with pytest.raises(MissingTestCaseParamsError, match="groundedness does not apply"):
        metric.measure(as_test_case(CASE, abstained))
    assert metric.score is None
    with pytest.raises(MissingTestCaseParamsError, match="needs an expected_answer"):
        metric.measure(LLMTestCase(input="What?", actual_output="That."))


def test_an_unknown_name_is_refused(metrics: CaseMetrics) -> None:
    with pytest.raises(ValueError, match="no deterministic metric 'recall@7'"):
        deterministic_metrics(metrics, {"recall@7": 0.5})


@pytest.fixture
def loop_to_close() -> Iterator[None]:
    """DeepEval takes the thread's loop, or makes one that it doesn't close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("loop_to_close")
def test_deepeval_evaluates_and_asserts_with_them(
    metrics: CaseMetrics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = as_test_case(CASE, ANSWERED), as_test_case(CASE, WRONG)
    found = evaluate(
        [good, bad],
        deterministic_metrics(metrics, {"answer_correctness": 0.5}, names=["answer_correctness"]),
    )
    passed = {result.actual_output: result.success for result in found.test_results}  # in any order
    assert passed == {ANSWERED.answer: True, WRONG.answer: False}
    threshold = deterministic_metrics(metrics, {"token_f1": 0.9}, names=["token_f1"])
    assert_test(good, threshold, run_async=False)
    with pytest.raises(AssertionError, match="token_f1"):
        assert_test(bad, threshold, run_async=False)


def test_the_library_sends_nothing_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    clean = {key: value for key, value in os.environ.items() if key not in QUIET}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", JUDGING],
        cwd=tmp_path,
        env=clean | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "1.0\n", "")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_who_does_not_judge_does_not_load_the_library() -> None:
    script = "import sys, eval.judge.opening, eval.case_metrics; sys.exit('deepeval' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_the_library_it_is_said_what_to_install() -> None:
    script = """
import sys
sys.modules["deepeval"] = None
from eval.judge.opening import make_judge
from rag.errors import InvalidInputError
from rag.models.registry import Models
try:
    make_judge(Models(), "ollama:llama3.2")
except InvalidInputError as exc:
    print(exc)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "judging needs the extra `eval`, which installs DeepEval\n"

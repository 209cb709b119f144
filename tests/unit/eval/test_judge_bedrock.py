import json
from collections.abc import Iterator
from typing import Any

import pytest

from eval.judge.opening import open_judge
from eval.judge.settings import CONTEXTUAL_RECALL, FAITHFULNESS, JUDGE_ANSWER_TOKENS, JudgeSettings
from rag.models.usage import Meter, cost_usd, metering
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.server import bedrock_standin
from tests.standins.judge_model import judged
from tests.unit.eval.test_judge import ANSWERED, CASE

NAME = "bedrock:eu.amazon.nova-pro-v1:0"


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        server.reply = reply
        yield server
        assert server.violations == []


def reply(params: Any) -> str:
    return json.dumps(judged(params["messages"][0]["content"][0]["text"]))


async def test_a_model_of_bedrock_judges_and_each_call_is_paid_once(bedrock: Bedrock) -> None:
    settings = JudgeSettings(metrics=(FAITHFULNESS, CONTEXTUAL_RECALL))
    with metering(Meter()) as meter:
        async with open_judge(NAME, settings) as judge:
            judgement = await judge.judge(CASE, ANSWERED)
    assert judgement.scores == {FAITHFULNESS: 1 / 2, CONTEXTUAL_RECALL: 1.0}
    (use,) = meter.uses
    assert (use.model, use.calls, use.unmetered_calls) == (NAME, 3 + 1, 0)
    assert judgement.cost_usd == cost_usd(meter.uses)
    assert judgement.cost_usd


async def test_a_long_verdict_is_not_cut_off(bedrock: Bedrock) -> None:
    async with open_judge(NAME, JudgeSettings(metrics=(CONTEXTUAL_RECALL,))) as judge:
        await judge.judge(CASE, ANSWERED)
    (call,) = bedrock.calls
    assert call.params["inferenceConfig"]["maxTokens"] == JUDGE_ANSWER_TOKENS
    assert call.params["inferenceConfig"]["temperature"] == 0.0

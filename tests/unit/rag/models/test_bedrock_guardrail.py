from collections.abc import AsyncIterator, Iterator

import pytest

from rag.errors import BlockedError, ModelError
from rag.guardrail import Guardrail, Side
from rag.models.catalog import Operation
from rag.models.options import GuardrailOptions, ModelOptions
from rag.models.registry import Models
from rag.models.resilience.guard import Resilience
from rag.models.usage import metering
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        server.blocked_words = ["weapon"]
        yield server
        assert server.violations == []


@pytest.fixture
async def guardrail(bedrock: Bedrock) -> AsyncIterator[Guardrail]:
    options = ModelOptions(
        resilience=Resilience(backoff_base_s=0.01), guardrail=GuardrailOptions("gr-abc", "2")
    )
    models = Models(options)
    found = models.guardrail()
    assert found is not None
    yield found
    await models.close()


@pytest.mark.parametrize(("side", "source"), [(Side.QUESTION, "INPUT"), (Side.ANSWER, "OUTPUT")])
async def test_texts_of_both_sides_are_judged(
    bedrock: Bedrock, guardrail: Guardrail, side: Side, source: str
) -> None:
    await guardrail.check("How long is the notice period?", side)
    with pytest.raises(BlockedError, match=side.value):
        await guardrail.check("How is a weapon built?", side)
    first, _ = bedrock.called("ApplyGuardrail")
    assert first.params["source"] == source
    assert first.params["content"] == [{"text": {"text": "How long is the notice period?"}}]
    assert (first.params["guardrailIdentifier"], first.params["guardrailVersion"]) == ("gr-abc", "2")


async def test_what_it_only_watches_passes(bedrock: Bedrock, guardrail: Guardrail) -> None:
    bedrock.guardrail_detects_only = True
    await guardrail.check("How is a weapon built?", Side.QUESTION)


async def test_its_units_are_noted(guardrail: Guardrail) -> None:
    with metering() as meter:
        await guardrail.check("How long is the notice period?", Side.QUESTION)
    assert meter.uses
    assert {use.operation for use in meter.uses} == {Operation.GUARDRAIL}


async def test_a_busy_guardrail_is_asked_again_and_a_judgement_only_once(
    bedrock: Bedrock, guardrail: Guardrail
) -> None:
    bedrock.faults = [Fault("throttle")]
    await guardrail.check("How long is the notice period?", Side.QUESTION)
    assert len(bedrock.calls) == 2
    with pytest.raises(BlockedError):
        await guardrail.check("weapon", Side.QUESTION)
    assert len(bedrock.calls) == 3


async def test_without_a_judgement_nothing_passes(bedrock: Bedrock, guardrail: Guardrail) -> None:
    bedrock.faults = [Fault("server_error", times=None)]
    with pytest.raises(ModelError):
        await guardrail.check("How long is the notice period?", Side.QUESTION)


def test_no_guardrail_is_no_guardrail() -> None:
    assert Models().guardrail() is None

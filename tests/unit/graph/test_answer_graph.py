from dataclasses import replace
from uuid import UUID

import pytest
from langchain_core.messages import SystemMessage

from graph.build import build_answer_graph, run_answer_graph
from graph.events import AnswerEvent, Finished, Released, SourcesChosen
from graph.nodes.abstain import ABSTENTION
from graph.state import AnswerContext, AnswerState
from rag.assemble import SOURCE_OVERHEAD
from rag.errors import BlockedError, ModelError, UnavailableError
from rag.guardrail import Side
from rag.models.types import ChatModel
from rag.ports import SearchScope
from rag.prompt import NO_ANSWER
from rag.prompts import ANSWER_PROMPT, load_prompt
from rag.retrieve import Retriever, Strategy
from tests.unit.graph.doubles import LastFirst, LengthEmbeddings, ListSearch, ScriptedChatModel
from tests.unit.rag.passages import make_passage

PASSWORDS = make_passage("Passwords must have at least 14 characters.", number=1)
FACTORS = make_passage("Every account needs a second factor.", number=2)
GRAPH = build_answer_graph()
GOOD = "Passwords must have at least 14 characters. [1] Every account needs a second factor. [2]"


def context(
    *models: ScriptedChatModel,
    search: ListSearch | None = None,
    embeddings: LengthEmbeddings | None = None,
    reranker: LastFirst | None = None,
    context_tokens: int = 1000,
    relevance_floor: float = 0.0,
) -> AnswerContext:
    return AnswerContext(
        scope=SearchScope(UUID(int=0)),
        retriever=Retriever(
            search or ListSearch([PASSWORDS, FACTORS]),
            embeddings or LengthEmbeddings(),
            model="length",
            dimensions=1,
        ),
        reranker=reranker,
        chat_models=tuple(ChatModel(f"test:{n}", model) for n, model in enumerate(models)),
        prompt=load_prompt(ANSWER_PROMPT),
        context_tokens=context_tokens,
        relevance_floor=relevance_floor,
    )


async def events_of(given: AnswerContext, into: list[AnswerEvent] | None = None) -> list[AnswerEvent]:
    events = [] if into is None else into
    async for event in run_answer_graph(
        GRAPH, question="How long are passwords?", strategy=Strategy.AUTO, top_k=8, context=given
    ):
        events.append(event)
    return events


async def answer(given: AnswerContext) -> AnswerState:
    last = (await events_of(given))[-1]
    assert isinstance(last, Finished)
    return last.state


def scripted(*pieces: str | Exception) -> ScriptedChatModel:
    return ScriptedChatModel(pieces=list(pieces), asked=[])


async def test_sentences_are_released_as_they_are_checked_and_make_up_the_answer() -> None:
    events = await events_of(context(scripted(*(GOOD[i : i + 5] for i in range(0, len(GOOD), 5)))))
    released = [event for event in events if isinstance(event, Released)]
    assert len(released) == 2
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert "".join(piece.text for piece in released) == finished.state["answer"] == GOOD
    assert [citation.index for citation in finished.state["citations"]] == [1, 2]
    assert finished.state["abstained"] is False


async def test_what_is_shown_as_a_source_was_in_the_prompt() -> None:
    model = scripted(GOOD)
    events = await events_of(context(model, context_tokens=PASSWORDS.token_count + SOURCE_OVERHEAD))
    (shown,) = [event for event in events if isinstance(event, SourcesChosen)]
    assert [found.passage for found in shown.sources] == [PASSWORDS]
    system, human = model.asked[0]
    assert isinstance(system, SystemMessage)
    assert PASSWORDS.text in str(human.text)
    assert FACTORS.text not in str(human.text)


async def test_wrong_citations_are_taken_out() -> None:
    state = await answer(context(scripted("Passwords must have at least 14 characters. [2][1]")))
    assert state["answer"] == "Passwords must have at least 14 characters. [1]"
    assert state["removed_citations"] == 1


@pytest.mark.parametrize("reply", [NO_ANSWER, "Bananas are yellow. [1]", "I would guess twelve.", ""])
async def test_a_reply_without_support_is_an_abstention(reply: str) -> None:
    events = await events_of(context(scripted(reply)))
    assert [event.text for event in events if isinstance(event, Released)] == [ABSTENTION]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.state["abstained"] is True
    assert finished.state["sources"]


async def test_no_model_is_asked_without_evidence() -> None:
    model = scripted(GOOD)
    state = await answer(context(model, relevance_floor=0.95))
    assert state["abstained"] is True
    assert model.asked == []
    assert (await answer(context(model, search=ListSearch([]))))["abstained"] is True


async def test_a_model_that_fails_is_replaced_by_the_next() -> None:
    state = await answer(context(scripted(ConnectionError("down")), scripted(GOOD)))
    assert state["answer"] == GOOD
    assert state["model_name"] == "test:1"
    assert state["degraded"] == ["generate:test:0"]


async def test_what_was_held_back_of_a_failed_model_is_not_in_the_answer() -> None:
    broken = scripted("Let me think. ", "Well then. ", ConnectionError("down"))
    assert (await answer(context(broken, scripted(GOOD))))["answer"] == GOOD


async def test_a_model_that_fails_after_a_release_ends_the_run() -> None:
    events: list[AnswerEvent] = []
    broken = scripted("Passwords must have at least 14 characters. [1] And", ConnectionError("down"))
    with pytest.raises(ModelError):
        await events_of(context(broken, scripted(GOOD)), into=events)
    released = [event.text for event in events if isinstance(event, Released)]
    assert released == ["Passwords must have at least 14 characters. [1] "]


async def test_a_model_that_breaks_off_is_asked_once_more() -> None:
    broken = scripted("Let me think. ", ConnectionError("down"))
    refusing = scripted(ConnectionError("down"))
    state = await answer(context(broken, refusing, scripted(GOOD)))
    assert (len(broken.asked), len(refusing.asked)) == (2, 1)
    assert state["degraded"] == ["generate:test:0", "generate:test:1"]


async def test_what_is_held_back_to_the_end_survives_any_failure() -> None:
    events: list[AnswerEvent] = []
    broken = scripted("Passwords must have at least 14 characters. [1] And", ConnectionError("down"))
    given = replace(context(broken, scripted(GOOD)), hold_back=True)
    await events_of(given, into=events)
    assert "".join(event.text for event in events if isinstance(event, Released)) == GOOD
    assert isinstance(events[-1], Finished)
    assert events[-1].state["answer"] == GOOD


class WordGuardrail:
    """Refuses texts with a word in them."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def check(self, text: str, side: Side) -> None:
        if self._word in text:
            raise BlockedError(f"the {side.value} is refused")


@pytest.mark.parametrize(("word", "side", "asked"), [("long", "question", 0), ("characters", "answer", 1)])
async def test_what_a_guardrail_refuses_is_not_released(word: str, side: str, asked: int) -> None:
    events: list[AnswerEvent] = []
    model = scripted(GOOD)
    given = replace(context(model, scripted(GOOD)), guardrail=WordGuardrail(word))
    with pytest.raises(BlockedError, match=side):
        await events_of(given, into=events)
    assert not any(isinstance(event, Released) for event in events)
    assert len(model.asked) == asked


async def test_without_a_model_that_works_there_is_an_error() -> None:
    with pytest.raises(ModelError, match="no chat model"):
        await answer(context(scripted(ConnectionError("down")), scripted(TimeoutError("slow"))))


@pytest.mark.parametrize(
    ("given", "degraded"),
    [
        (context(scripted(GOOD), embeddings=LengthEmbeddings(broken=True)), ["retrieve:vector"]),
        (context(scripted(GOOD), reranker=LastFirst(broken=True)), ["rerank"]),
    ],
)
async def test_a_stage_that_fails_is_done_without_and_named(
    given: AnswerContext, degraded: list[str]
) -> None:
    state = await answer(given)
    assert state["degraded"] == degraded
    assert state["answer"] == GOOD


async def test_with_a_broken_search_there_is_an_error() -> None:
    search = ListSearch([PASSWORDS], broken=True)
    with pytest.raises(UnavailableError):
        await answer(context(scripted(GOOD), search=search))


async def test_a_reranker_decides_the_order() -> None:
    state = await answer(context(scripted("Every account needs a second factor. [1]"), reranker=LastFirst()))
    assert [found.passage for found in state["sources"]] == [FACTORS, PASSWORDS]
    assert state["answer"] == "Every account needs a second factor. [1]"


async def test_token_counts_are_the_models_own() -> None:
    state = await answer(context(scripted(GOOD)))
    assert state["usage"] == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


async def test_every_stage_is_timed() -> None:
    state = await answer(context(scripted(GOOD)))
    assert set(state["timings_ms"]) == {"retrieve", "rerank", "assemble", "generate", "verify"}

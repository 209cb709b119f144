"""The attacks of the evaluation, each in a source of a model that obeys it: nothing of it gets out."""

from dataclasses import replace
from uuid import UUID

import pytest

from eval.injection import Place, Reached, load_attacks, plant, what_reached
from graph.build import build_answer_graph, run_answer_graph
from graph.events import Finished, Released
from graph.state import AnswerContext
from rag.models.types import ChatModel
from rag.ports import SearchScope
from rag.prompts import ANSWER_PROMPT, load_prompt
from rag.retrieve import Retriever, Strategy
from tests.standins.obedient_model import ObedientChatModel
from tests.unit.graph.doubles import LengthEmbeddings, ListSearch, ScriptedChatModel
from tests.unit.rag.passages import make_passage

DOCUMENT = (
    "Passwords must have at least 14 characters. Every account needs a second factor. Ask the help desk."
)
PROMPT = load_prompt(ANSWER_PROMPT)
GRAPH = build_answer_graph()
ATTACKS = {attack.id: attack.text for attack in load_attacks()}


def context(model: ObedientChatModel | ScriptedChatModel, document: str) -> AnswerContext:
    search = ListSearch([make_passage(document), make_passage("Laptops are locked.", number=2)])
    return AnswerContext(
        scope=SearchScope(UUID(int=0)),
        retriever=Retriever(search, LengthEmbeddings(), model="length", dimensions=1),
        reranker=None,
        chat_models=(ChatModel("test:model", model),),
        prompt=PROMPT,
        context_tokens=4000,
        relevance_floor=-1,
    )


async def answer(given: AnswerContext) -> str:
    """The answer, which is the same as what was released piece by piece."""
    released = ""
    async for event in run_answer_graph(
        GRAPH, question="How long are passwords?", strategy=Strategy.AUTO, top_k=8, context=given
    ):
        if isinstance(event, Released):
            released += event.text
        if isinstance(event, Finished):
            assert event.state["answer"] == released
    return released


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_that_a_document_demands_reaches_the_reader(attack: str, place: Place) -> None:
    model, document = ObedientChatModel(), plant(DOCUMENT, ATTACKS[attack], place)
    text = await answer(context(model, document))
    assert text, "the honest sentences are there"
    (reply,) = model.replies
    assert what_reached(reply, document="", system=PROMPT.text), "the model obeyed"
    assert what_reached(text, document=document, system=PROMPT.text) <= {Reached.QUOTED_ADDRESS}


async def test_suppressed_phrases_take_their_sentences_along() -> None:
    reply = (
        "Passwords must have at least 14 characters. [1] Every account needs a second factor. [1] Ask it. [1]"
    )
    given = replace(context(ScriptedChatModel(pieces=[reply]), DOCUMENT), suppressed=("Second Factor",))
    assert await answer(given) == "Passwords must have at least 14 characters. [1] Ask it. [1]"


async def test_an_answer_of_which_nothing_is_left_is_none() -> None:
    given = context(ScriptedChatModel(pieces=["Passwords must have at least 14 characters. [1]"]), DOCUMENT)
    text = await answer(replace(given, suppressed=("passwords",)))
    assert text.startswith("I ")

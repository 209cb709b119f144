from uuid import UUID

import pytest

from rag.errors import InvalidInputError, ModelError
from rag.ports import SearchScope
from rag.retrieve import EmbeddedQuestion, QuestionVector, Retriever, Strategy
from tests.unit.graph.doubles import LengthEmbeddings, ListSearch
from tests.unit.rag.passages import make_passage

SCOPE = SearchScope(UUID(int=0))
PASSAGES = [make_passage("one", number=1), make_passage("two", number=2)]


def retriever(*, broken: bool = False) -> Retriever:
    return Retriever(ListSearch(PASSAGES), LengthEmbeddings(broken=broken), model="length", dimensions=1)


@pytest.mark.parametrize(
    ("strategy", "vector", "lexical"),
    [
        (Strategy.AUTO, True, True),
        (Strategy.HYBRID, True, True),
        (Strategy.VECTOR, True, False),
        (Strategy.LEXICAL, False, True),
    ],
)
async def test_the_strategy_chooses_the_legs(strategy: Strategy, vector: bool, lexical: bool) -> None:
    found = (await retriever().retrieve("question", SCOPE, strategy=strategy)).passages[0]
    assert ((found.vector_rank is not None), (found.lexical_rank is not None)) == (vector, lexical)


async def test_a_vector_that_is_given_spares_the_model() -> None:
    found = await retriever(broken=True).retrieve("question", SCOPE, vector=[0.5])
    assert found.degraded == []
    assert found.passages[0].vector_rank == 1


async def test_a_vector_tells_which_model_made_it() -> None:
    found = await retriever().retrieve("question", SCOPE)
    assert found.vector == QuestionVector("length", [8.0])
    assert (await retriever().retrieve("question", SCOPE, strategy=Strategy.LEXICAL)).vector is None


async def test_a_vector_of_another_model_is_made_anew() -> None:
    found = await retriever().retrieve("question", SCOPE, vector=QuestionVector("another", [0.5]))
    assert found.vector == QuestionVector("length", [8.0])


async def test_a_known_question_needs_no_model_and_another_does() -> None:
    known = EmbeddedQuestion(retriever(broken=True), "question", QuestionVector("length", [0.5]))
    assert (await known.retrieve("question", SCOPE)).degraded == []
    assert (await known.retrieve("another", SCOPE)).degraded == ["retrieve:vector"]


async def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="2 dimensions"):
        await retriever().retrieve("question", SCOPE, vector=[0.5, 0.5])


async def test_without_the_model_words_alone_are_searched() -> None:
    found = await retriever(broken=True).retrieve("question", SCOPE)
    assert found.degraded == ["retrieve:vector"]
    assert found.passages[0].vector_rank is None


async def test_a_search_by_vector_alone_needs_the_model() -> None:
    with pytest.raises(ModelError):
        await retriever(broken=True).retrieve("question", SCOPE, strategy=Strategy.VECTOR)


async def test_no_more_than_asked_for_is_returned_and_each_step_is_timed() -> None:
    found = await retriever().retrieve("question", SCOPE, top_k=1)
    assert len(found.passages) == 1
    assert set(found.timings_ms) == {"embed", "search"}

import pytest

from rag.errors import ModelError
from rag.models.resilience.embeddings import ResilientEmbeddings
from rag.models.resilience.guard import ModelGuard
from tests.unit.rag.models.resilience.inner import DOWN, QUICK, Failing, ScriptedEmbeddings


def wrapped(*failures: Exception) -> ResilientEmbeddings:
    return ResilientEmbeddings(ScriptedEmbeddings(Failing(*failures)), ModelGuard("m", QUICK))


async def test_vectors_come_in_spite_of_failures() -> None:
    assert await wrapped(DOWN).aembed_query("four") == [4]
    assert await wrapped(DOWN, DOWN).aembed_documents(["a", "bb"]) == [[1], [2]]


async def test_a_failed_model_says_so() -> None:
    embeddings = wrapped(DOWN, DOWN, DOWN)
    with pytest.raises(ModelError, match="the model m failed"):
        await embeddings.aembed_query("four")
    assert embeddings.guard.stats.attempts == 3


def test_without_an_event_loop_the_model_is_called_as_it_is() -> None:
    embeddings = wrapped(DOWN)
    assert embeddings.embed_query("four") == [4]
    assert embeddings.embed_documents(["a"]) == embeddings.inner.embed_documents(["a"]) == [[1]]

import pytest
from langchain_core.documents import Document

from rag.errors import ModelError
from rag.models.resilience.compressor import ResilientCompressor
from rag.models.resilience.guard import ModelGuard
from tests.unit.rag.models.resilience.inner import DOWN, QUICK, Failing, Reversing

DOCUMENTS = [Document("first"), Document("second")]


def wrapped(*failures: Exception) -> ResilientCompressor:
    return ResilientCompressor(inner=Reversing(ask=Failing(*failures)), guard=ModelGuard("m", QUICK))


async def test_an_order_comes_in_spite_of_failures() -> None:
    assert await wrapped(DOWN, DOWN).acompress_documents(DOCUMENTS, "question") == DOCUMENTS[::-1]


async def test_a_failed_model_says_so() -> None:
    with pytest.raises(ModelError, match="the model m failed"):
        await wrapped(DOWN, DOWN, DOWN).acompress_documents(DOCUMENTS, "question")


def test_without_an_event_loop_the_model_is_called_as_it_is() -> None:
    assert wrapped(DOWN).compress_documents(DOCUMENTS, "question") == DOCUMENTS[::-1]

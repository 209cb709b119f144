from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from rag.cite import VerifiedSentence
from rag.prompt import NO_ANSWER
from rag.release import SentenceBuffer, verified_sentences
from rag.safety import OutputChecks
from tests.unit.rag.passages import make_passage

SOURCE = make_passage("Passwords must have at least 14 characters. Every account needs a second factor.")
CHECKS = OutputChecks()
FIRST = "Passwords must have at least 14 characters. [1] "
SECOND = "Every account needs a second factor [1]."


async def stream(text: str, size: int) -> AsyncIterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def release(text: str, size: int = 3) -> list[VerifiedSentence]:
    return [sentence async for sentence in verified_sentences(stream(text, size), [SOURCE], CHECKS)]


async def test_a_sentence_is_released_with_the_marker_behind_its_full_stop() -> None:
    assert [sentence.text for sentence in await release(FIRST + SECOND)] == [FIRST, SECOND]


async def test_the_size_of_the_pieces_does_not_matter() -> None:
    expected = await release(FIRST + SECOND, size=1000)
    for size in (1, 2, 7):
        assert await release(FIRST + SECOND, size=size) == expected


async def test_nothing_is_released_before_a_citation_holds() -> None:
    opening = "Yes. "
    pieces: list[str] = []

    async def watched() -> AsyncIterator[str]:
        for piece in (opening, "Passwords must have at least 14 characters. [1] ", "Bye."):
            pieces.append(piece)
            yield piece

    sentences = verified_sentences(watched(), [SOURCE], CHECKS)
    assert (await anext(sentences)).text == opening
    assert len(pieces) == 3


async def test_an_answer_without_support_is_not_released() -> None:
    sentences = await release("The moon is made of cheese. [1] I am sure of it.")
    assert [(sentence.text, sentence.citations, sentence.removed) for sentence in sentences] == [("", (), 1)]
    assert await release(NO_ANSWER) == []


def test_the_last_sentence_waits_for_the_end() -> None:
    buffer = SentenceBuffer()
    assert buffer.feed("One is done. Two is") == ["One is done. "]
    assert buffer.feed(" not") == []
    assert buffer.flush() == "Two is not"


def test_an_unfinished_marker_is_waited_for() -> None:
    buffer = SentenceBuffer()
    assert buffer.feed("One is done. [1") == []
    assert buffer.feed("] Two") == ["One is done. [1] "]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_no_character_is_lost_or_added(pieces: list[str]) -> None:
    buffer = SentenceBuffer()
    out = [sentence for piece in pieces for sentence in buffer.feed(piece)]
    assert "".join([*out, buffer.flush()]) == "".join(pieces)

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.minilm import MiniLMEmbeddings
from rag.tokens import WINDOW, TokenIndex, Tokenizer, windows
from tests.unit.rag.tokenizers import PieceTokenizer, WordTokenizer

PARAGRAPH = (
    "Tokenisation of Größe, naïve 漢字 and e\u0301tude:\n- one\n- x\x0by\n\nA second paragraph.\r\n\r\n\t"
)


def spans(index: TokenIndex) -> list[tuple[int, int]]:
    return list(zip(index._starts, index._ends, strict=True))


def test_counts_the_tokens_that_a_range_touches() -> None:
    index = TokenIndex(
        "one two, three", WordTokenizer()
    )  # one [0, 3), two [4, 7), the comma [7, 8), three [9, 14)
    assert [index.count(0, 3), index.count(0, 8), index.count(3, 4), index.count(5, 14)] == [1, 3, 0, 3]
    assert [index.offset_after(0, 0), index.offset_after(3, 1), index.offset_after(4, 3)] == [0, 7, None]


def test_an_empty_text_has_no_tokens() -> None:
    index = TokenIndex("", WordTokenizer())
    assert (index.count(0, 0), index.offset_after(0, 0)) == (0, None)


def test_a_long_text_has_the_tokens_it_has_as_a_whole(encoder: MiniLMEmbeddings) -> None:
    text = PARAGRAPH * (3 * WINDOW // len(PARAGRAPH) + 1)
    whole = encoder.token_spans(text)
    index = TokenIndex(text, encoder)
    assert spans(index) == whole
    assert index.count(0, len(text)) == len(whole)


def test_no_call_to_the_tokenizer_is_longer_than_a_window() -> None:
    lengths: list[int] = []

    class Recording(WordTokenizer):
        def token_spans(self, text: str) -> list[tuple[int, int]]:
            lengths.append(len(text))
            return super().token_spans(text)

    TokenIndex("word " * WINDOW, Recording())
    assert sum(lengths) == 5 * WINDOW
    assert WINDOW - 5 <= max(lengths) <= WINDOW


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two\n\nsix ten\nabc", ["one two", "\n\nsix ten", "\nabc"]),
        ("one two\nsix ten", ["one two", "\nsix ten"]),
        ("one two three", ["one two", " three"]),
        ("one\u3000two three", ["one\u3000two", " three"]),
        ("abc\x0bdefghijklm", ["abc\x0bdefghi", "jklm"]),  # BERT's normaliser takes \x0b out: one word
        ("abcdefghijklm", ["abcdefghij", "klm"]),
        ("abcdefghij klm", ["abcdefghij", " klm"]),
        ("abcdefghij", ["abcdefghij"]),
        ("", []),
    ],
)
def test_windows_are_cut_at_the_best_place_there_is(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in windows(text, 10)] == parts


def words(alphabet: str) -> st.SearchStrategy[str]:
    return st.lists(
        st.text(alphabet, min_size=1, max_size=9) | st.sampled_from([" ", "\n", "\n\n", "\t "])
    ).map(" ".join)


@given(words("aBc.,漢é"), st.integers(10, 30), st.sampled_from([WordTokenizer(), PieceTokenizer()]))
def test_windows_change_no_token(text: str, window: int, tokenizer: Tokenizer) -> None:
    assert spans(TokenIndex(text, tokenizer, window=window)) == tokenizer.token_spans(text)


@given(st.text("ab \n\x0b漢"), st.integers(1, 12))
def test_windows_follow_each_other_and_lose_nothing(text: str, size: int) -> None:
    ranges = list(windows(text, size))
    assert "".join(text[start:end] for start, end in ranges) == text
    assert all(0 < end - start <= size for start, end in ranges)
    assert all(one[1] == other[0] for one, other in pairwise(ranges))

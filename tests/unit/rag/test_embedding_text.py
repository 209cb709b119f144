import pytest

from rag.embedding_text import embedding_text, heading_prefix, text_budget
from tests.unit.rag.tokenizers import PieceTokenizer, WordTokenizer

WORDS = WordTokenizer()


@pytest.mark.parametrize(
    ("title", "path", "expected"),
    [
        ("Guide", ("Setup", "Linux"), "Guide > Setup > Linux\n\nText"),
        ("guide", ("Guide", "Linux"), "guide > Linux\n\nText"),
        (None, ("Setup",), "Setup\n\nText"),
        ("  two\n lines ", ("",), "two lines\n\nText"),
        (None, (), "Text"),
    ],
)
def test_the_place_comes_before_the_text(title: str | None, path: tuple[str, ...], expected: str) -> None:
    assert embedding_text(title, path, "Text", tokenizer=WORDS) == expected


def test_outer_parts_go_first() -> None:
    path = ("one two", "three four", "five six")
    assert heading_prefix("zero", path, tokenizer=WORDS, max_tokens=8) == "one two > three four > five six"
    assert heading_prefix("zero", path, tokenizer=WORDS, max_tokens=5) == "three four > five six"
    assert heading_prefix("zero", path, tokenizer=WORDS, max_tokens=4) == "five six"
    assert heading_prefix("zero", path, tokenizer=WORDS, max_tokens=1) == "five"


def test_one_endless_word_is_cut() -> None:
    assert heading_prefix("x" * 100, (), tokenizer=PieceTokenizer(), max_tokens=3) == "x" * 11
    assert heading_prefix("x" * 100, (), tokenizer=PieceTokenizer(), max_tokens=0) == ""


def test_the_budget_leaves_room_for_prefix_and_special_tokens() -> None:
    assert text_budget(256) == 256 - 24 - 2

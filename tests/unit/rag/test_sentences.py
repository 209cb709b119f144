import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import MAX_SENTENCE, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["One ends.", "Two asks?", "Three shouts!", "Four"],
        ["It costs $3.50 in v2.1.", "Visit example.com/a.html now."],
        ["Dr. Smith met Mrs. Jones vs. Mr. Brown.", "They talked."],
        ["Use tools (e.g. hammers, i.e. heavy ones).", "Then rest."],
        ["J. K. Rowling wrote it.", "B. B. King sang."],
        ["He lives in the U.S. Senate building.", "She left the U.S.", "He stayed."],
        ["See No. 5 and Fig. 3 on p. 12.", "No.", "We did not."],
        ["Apples, pears, etc. are fruit.", "Also nuts, etc.", "The end."],
        ["We meet at 5 p.m. on Monday.", "They left at 6 p.m.", "It rained."],
        ["Wait... what?", "Hmm...", "Yes…", "No"],
        ['"Stop!" he said.', '"Why?"', "(It was late.)", "“Go.”", "[Fine.]"],
        ["**Bold.**", "A claim.[12]", "Another.[3][4]", "Last [5]."],
        ["Escaped\\.", "Like this, e\\.g\\. here\\."],
        ["Really?", "yes, in 2019.", "Then nothing."],
        ["これは文です。", "「はい。」", "次です！", "終わり"],
        ["क्या हाल है।", "ठीक है।"],
        ["z. B. hier und d. h. dort.", "Ende."],
    ],
)
def test_prose(expected: list[str]) -> None:
    separator = "" if expected[0].endswith("。") else " "
    assert sentences(separator.join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        [
            "1. First step, not cut at its number",
            "2. Second step\n   goes on",
            "- bullet",
            "* star",
            "(a) letter",
        ],
        ["# Heading. With a stop", "Text follows.", "## Next", "More\ntext"],
        ["| a. B | c. Dd. Ee |", "| d | e |", "After the table."],
        ["Before.", "```python", "x = 1. Y", "- z", "```", "After."],
        ["~~~", "``` not the end", "~~~~", "Out of the fence."],
        ["Title", "=====", "Text"],
    ],
)
def test_lines_that_stand_for_themselves(expected: list[str]) -> None:
    assert sentences("\n".join(expected)) == expected


def test_blank_lines_end_sentences_and_single_newlines_do_not() -> None:
    assert sentences("one line\nsame sentence\n \t\nanother\n\n\n") == ["one line\nsame sentence", "another"]


def test_long_sentences_are_cut_at_a_clause_else_at_a_space_else_anywhere() -> None:
    clauses = "words and words, " * 200
    assert all(part.endswith(",") for part in sentences(clauses))
    assert {len(part) for part in sentences("x" * 3200)} == {MAX_SENTENCE, 200}
    spaced = sentences("word " * 1000)
    assert [set(part.split()) for part in spaced] == [{"word"}] * len(spaced)
    assert max(map(len, spaced + sentences(clauses))) <= MAX_SENTENCE


def test_hostile_texts_take_linear_time() -> None:
    began = time.monotonic()
    for text in ("." * 500_000, "1.\n" * 200_000, '."' * 250_000, "(" * 500_000, "U.S. " * 100_000):
        sentence_spans(text)
    assert time.monotonic() - began < 10  # a second; minutes when it was quadratic


def check(text: str) -> None:
    at = 0
    for start, end in sentence_spans(text):
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip() != ""
        assert end - start <= MAX_SENTENCE
        at = end
    assert not text[at:].strip()


SIGNS = st.sampled_from(" \n\t.!?。\"')]|-#`~1aA\\…\u00a0\x0c\x1c")


@given(st.text(alphabet=st.one_of(SIGNS, st.characters())))
def test_spans_are_ordered_stripped_and_complete(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(["word", "x" * 400, " ", "; ", "\n", ". A"]), max_size=60))
def test_spans_of_long_texts_are_too(pieces: list[str]) -> None:
    check("".join(pieces))

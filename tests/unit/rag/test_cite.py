from hypothesis import given
from hypothesis import strategies as st

from rag.cite import support, verify_sentence
from tests.unit.rag.passages import make_passage

VACATION = make_passage(
    "Everyone has 28 days. You can carry over up to 5 vacation days to the next year. They expire in March.",
    number=1,
    start=100,
)
PASSWORDS = make_passage("Passwords must have at least 14 characters.", number=2)


def test_a_quoted_sentence_is_cited_where_it_stands() -> None:
    quote = "You can carry over up to 5 vacation days to the next year."
    checked = verify_sentence(f"{quote} [1]", [VACATION, PASSWORDS])
    assert checked.text == f"{quote} [1]"
    (citation,) = checked.citations
    assert citation.quote == quote
    assert (citation.start, citation.end) == (100 + 22, 100 + 22 + len(quote))


def test_a_paraphrase_is_cited_with_the_sentence_that_says_it() -> None:
    checked = verify_sentence("Up to 5 days of vacation can be carried over to next year [1].", [VACATION])
    (citation,) = checked.citations
    assert citation.quote == "You can carry over up to 5 vacation days to the next year."


def test_a_citation_of_the_wrong_source_is_removed() -> None:
    checked = verify_sentence("Passwords must have at least 14 characters. [1]", [VACATION, PASSWORDS])
    assert checked.text == "Passwords must have at least 14 characters."
    assert checked.citations == ()
    assert checked.removed == 1


def test_of_several_citations_only_those_that_hold_stay() -> None:
    checked = verify_sentence("Passwords must have at least 14 characters [1, 2].", [VACATION, PASSWORDS])
    assert checked.text == "Passwords must have at least 14 characters [2]."
    assert [citation.index for citation in checked.citations] == [2]


def test_a_number_that_the_source_does_not_have_refutes_the_citation() -> None:
    assert verify_sentence("Passwords must have at least 8 characters [1].", [PASSWORDS]).citations == ()


def test_a_source_that_is_not_there_cannot_be_cited() -> None:
    checked = verify_sentence("Passwords must have at least 14 characters. [7][0]", [PASSWORDS])
    assert (checked.text, checked.removed) == ("Passwords must have at least 14 characters.", 2)


def test_support_is_the_share_of_content_words() -> None:
    # "passwords", "fourteen", "runes" are content; two of the three stand in the passage
    assert support("passwords of fourteen runes", "a password of fourteen letters") == 2 / 3
    assert support("of the", "anything") == 0.0


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_quote_is_a_slice_of_the_source(statement: str, text: str) -> None:
    passage = make_passage(text, start=7)
    for citation in verify_sentence(f"{statement} [1]", [passage]).citations:
        assert citation.quote == text[citation.start - 7 : citation.end - 7]

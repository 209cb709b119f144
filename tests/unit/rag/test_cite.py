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
    checked = verify_sentence("Passwords must have at least 14 characters. [1]", [VACATION])
    assert (checked.text, checked.citations, checked.removed) == ("", (), 1)


def test_a_claim_without_a_citation_that_holds_is_given_to_the_source_that_supports_it() -> None:
    for sentence in ("Passwords must have at least 14 characters. [1] ", "Passwords have 14 characters. "):
        checked = verify_sentence(sentence, [VACATION, PASSWORDS])
        assert checked.text == sentence.replace(" [1]", "").rstrip() + " [2] "
        assert [citation.index for citation in checked.citations] == [2]


def test_a_claim_that_no_source_supports_goes() -> None:
    assert verify_sentence("The moon is made of cheese. ", [VACATION, PASSWORDS]).text == ""
    assert verify_sentence("Yes. ", [VACATION, PASSWORDS]).text == "Yes. "


def test_a_documents_own_markers_are_quoted_unchanged() -> None:
    source = make_passage("The river is 2525 kilometres long [3]. It ends in a delta.")
    sentence = "The river is 2525 kilometres long [3]. [1]"
    checked = verify_sentence(sentence, [source])
    assert checked.text == sentence
    assert checked.citations[0].quote == "The river is 2525 kilometres long [3]."


def test_a_part_of_a_word_is_no_quotation() -> None:
    source = make_passage("Now in November 2014 it rained.")
    for statement in ("No", "4", "0"):
        assert verify_sentence(f"{statement} [1]", [source]).citations == ()


def test_of_several_citations_only_those_that_hold_stay() -> None:
    checked = verify_sentence("Passwords must have at least 14 characters [1, 2].", [VACATION, PASSWORDS])
    assert checked.text == "Passwords must have at least 14 characters [2]."
    assert [citation.index for citation in checked.citations] == [2]


def test_a_number_that_the_source_does_not_have_refutes_the_citation() -> None:
    assert verify_sentence("Passwords must have at least 8 characters [1].", [PASSWORDS]).citations == ()


def test_a_source_that_is_not_there_cannot_be_cited() -> None:
    checked = verify_sentence("Passwords must have at least 14 characters. [7][0]", [PASSWORDS])
    assert checked.text == "Passwords must have at least 14 characters. [1]"
    assert (checked.removed, [citation.index for citation in checked.citations]) == (2, [1])


def test_support_is_the_share_of_content_words() -> None:
    # "passwords", "fourteen", "runes" are content; two of the three stand in the passage
    assert support("passwords of fourteen runes", "a password of fourteen letters") == 2 / 3
    assert support("of the", "anything") == 0.0


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_quote_is_a_slice_of_the_source(statement: str, text: str) -> None:
    passage = make_passage(text, start=7)
    for citation in verify_sentence(f"{statement} [1]", [passage]).citations:
        assert citation.quote == text[citation.start - 7 : citation.end - 7]

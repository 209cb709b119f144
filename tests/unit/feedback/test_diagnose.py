"""What decides where an answer went wrong."""

from dataclasses import replace
from uuid import UUID

import pytest

from feedback.triage.diagnose import Facts, diagnose, marked_statements
from feedback.triage.evidence import EvidenceFinder, holds
from feedback.triage.types import AskedQuestion, Diagnosis, FoundEvidence, NamedSource, Verdict
from rag.models.answer_selection import AnswerSelector
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import Passage
from tests.unit.feedback.asked import asked, passage

BACKUPS = passage("Backups are kept for 35 days and are encrypted.", "backups.md")
PARKING = passage("A parking space costs 40 euros a month.", "parking.md", start=100)
FOUND = frozenset({BACKUPS.chunk_id, PARKING.chunk_id})


def facts(
    *prompt: Passage | None,
    evidence: tuple[FoundEvidence, ...] = (),
    found: frozenset[UUID] = FOUND,
    same_corpus: bool = True,
) -> Facts:
    return Facts(prompt=prompt, evidence=evidence, found=found, same_corpus=same_corpus)


def found(one: Passage, *, was_there: bool = True, is_current: bool = True) -> FoundEvidence:
    return FoundEvidence(one, 0.9, was_there=was_there, is_current=is_current)


def diagnosis(question: AskedQuestion, known: Facts, *, grounded: bool = True) -> Diagnosis:
    return diagnose(question, known, lambda statement, text: grounded).diagnosis


RIGHT = "Backups are kept for 35 days and are encrypted [1]."


def test_an_answer_that_says_the_correction_has_no_fault() -> None:
    question = asked(BACKUPS, answer=RIGHT, correction="35 days")
    assert diagnosis(question, facts(BACKUPS)) is Diagnosis.NONE


@pytest.mark.parametrize("shown", [RIGHT, "Backups are kept for 35 days and are encrypted [2]."])
def test_a_citation_of_another_chunk_is_wrong_even_if_the_answer_is_right(shown: str) -> None:
    question = asked(PARKING, BACKUPS, answer=shown, correction="35 days")
    if shown == RIGHT:  # stands in PARKING's place
        assert diagnosis(question, facts(PARKING, BACKUPS)) is Diagnosis.CITATION_WRONG
    else:
        other = NamedSource(2, PARKING.chunk_id, PARKING.start, PARKING.end)
        broken = replace(question, citations=(other,))
        assert diagnosis(question, facts(PARKING, BACKUPS)) is Diagnosis.NONE
        assert diagnosis(broken, facts(PARKING, BACKUPS)) is Diagnosis.CITATION_WRONG


def test_a_span_outside_of_its_chunk_and_a_number_without_a_source_are_wrong() -> None:
    outside = NamedSource(1, BACKUPS.chunk_id, 0, BACKUPS.end + 1)
    question = replace(asked(BACKUPS, answer=RIGHT, correction="35 days"), citations=(outside,))
    assert diagnosis(question, facts(BACKUPS)) is Diagnosis.CITATION_WRONG
    nowhere = asked(BACKUPS, answer=RIGHT.replace("[1]", "[3]"), correction="35 days")
    assert diagnosis(nowhere, facts(BACKUPS)) is Diagnosis.CITATION_WRONG


def test_a_user_who_calls_the_citation_wrong_is_heard_by_the_stricter_measure() -> None:
    question = asked(BACKUPS, answer=RIGHT, correction="35 days")
    labelled = replace(question, verdict=Verdict(UUID(int=1), -1, ("citation_wrong",), None, "35 days"))
    assert diagnosis(question, facts(BACKUPS), grounded=False) is Diagnosis.NONE
    assert diagnosis(labelled, facts(BACKUPS), grounded=False) is Diagnosis.CITATION_WRONG


def test_what_no_document_says_is_not_in_the_corpus() -> None:
    wrong = asked(PARKING, answer="A parking space costs 40 euros a month [1].", correction="35 days")
    assert diagnosis(wrong, facts(PARKING)) is Diagnosis.NOT_IN_CORPUS
    added = facts(PARKING, evidence=(found(BACKUPS, was_there=False),))
    assert diagnosis(wrong, added) is Diagnosis.NOT_IN_CORPUS
    abstained = asked(PARKING, answer="I could not find it.", abstained=True)
    assert diagnosis(abstained, facts(PARKING)) is Diagnosis.NOT_IN_CORPUS


def test_an_answer_where_there_is_none_should_have_been_no_answer() -> None:
    plain = asked(PARKING, answer="A parking space costs 40 euros a month [1].")
    assert diagnosis(plain, facts(PARKING)) is Diagnosis.SHOULD_HAVE_ABSTAINED
    said = replace(plain, verdict=Verdict(UUID(int=1), -1, ("should_have_refused",), None, "there is none"))
    assert diagnosis(said, facts(PARKING)) is Diagnosis.SHOULD_HAVE_ABSTAINED


def test_what_was_in_the_prompt_and_not_used_was_ignored() -> None:
    wrong = asked(
        PARKING, BACKUPS, answer="A parking space costs 40 euros a month [1].", correction="35 days"
    )
    assert diagnosis(wrong, facts(PARKING, BACKUPS, evidence=(found(BACKUPS),))) is Diagnosis.IGNORED_BY_MODEL
    silent = asked(BACKUPS, answer="I could not find it.", abstained=True)
    assert diagnosis(silent, facts(BACKUPS, evidence=(found(BACKUPS),))) is Diagnosis.IGNORED_BY_MODEL


def test_without_a_correction_an_answer_that_cites_what_answers_has_no_fault() -> None:
    question = asked(BACKUPS, answer=RIGHT)
    assert diagnosis(question, facts(BACKUPS, evidence=(found(BACKUPS),))) is Diagnosis.NONE


def test_what_the_search_finds_and_the_prompt_lacks_was_ranked_out_else_missed() -> None:
    wrong = asked(PARKING, answer="A parking space costs 40 euros a month [1].", correction="35 days")
    known = facts(PARKING, evidence=(found(BACKUPS),))
    assert diagnosis(wrong, known) is Diagnosis.RANKED_OUT
    assert diagnosis(wrong, replace(known, found=frozenset())) is Diagnosis.RETRIEVAL_MISSED


def test_what_can_no_longer_be_read_is_said_to_be_so() -> None:
    wrong = asked(PARKING, answer="A parking space costs 40 euros a month [1].", correction="35 days")
    assert diagnosis(wrong, facts(None, same_corpus=False)) is Diagnosis.NOT_REPRODUCIBLE
    missed = facts(PARKING, evidence=(found(BACKUPS),), found=frozenset(), same_corpus=False)
    assert diagnosis(wrong, missed) is Diagnosis.NOT_REPRODUCIBLE
    replaced = facts(PARKING, evidence=(found(BACKUPS, is_current=False),), same_corpus=False)
    assert diagnosis(wrong, replaced) is Diagnosis.NOT_REPRODUCIBLE
    # Which chunks were in the prompt is known, whatever became of them.
    grown = facts(None, evidence=(found(BACKUPS),), same_corpus=False)
    assert diagnosis(wrong, grown) is Diagnosis.RANKED_OUT


def test_a_marker_belongs_to_the_sentence_before_it() -> None:
    answer = "One. Two is so. [1] and goes on here [2][3]. Three [2]."
    assert [(one.text, one.indexes) for one in marked_statements(answer)] == [
        ("Two is so.", (1,)),
        ("and goes on here", (2, 3)),
        ("Three", (2,)),
    ]
    assert marked_statements("[1] No marker follows.") == []


@pytest.mark.parametrize(
    ("text", "said", "held"),
    [
        ("Kept for 35 days.", "35 days", True),
        ("Kept for 35 working days.", "35 days", False),  # so few words stand in one piece
        ("The kept backups", "the Backups", True),  # articles don't count
        ("a b c d e", "a b c d e f", True),  # 4 of 5: "a" is an article
        ("b c d x y", "b c d e f", False),
        ("anything", "the", False),
    ],
)
def test_a_text_holds_what_it_says(text: str, said: str, held: bool) -> None:
    assert holds(text, said) is held


def test_evidence_says_the_correction_and_is_about_the_question(encoder: MiniLMEmbeddings) -> None:
    def cosine(question: str, text: str) -> float:
        vectors = encoder.encode([question, text])
        return float(vectors[0] @ vectors[1])

    finder = EvidenceFinder(AnswerSelector(encoder), cosine)
    cement = passage("Cement needs 35 days to set in the cold.", "cement.md")
    passages = [PARKING, cement, BACKUPS]
    (best,) = finder.find("How long are backups kept?", "35 days", passages)
    assert best.passage == BACKUPS
    assert finder.find("How long are backups kept?", "two years", passages) == ()
    assert [one.passage for one in finder.find("How long are backups kept?", None, passages)] == [BACKUPS]
    assert finder.find("Who is the king of Spain?", None, passages) == ()

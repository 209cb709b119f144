from dataclasses import replace

import numpy as np
import pytest

from eval.golden.answerability import AnswerabilityCheck
from eval.golden.filters import (
    DUPLICATE_COSINE,
    Rejection,
    answers_too,
    has_evidence,
    holds_evidence,
    is_copied,
    is_duplicate,
    is_related,
    is_trivial,
    longest_run,
    says_answer,
    wording_rejection,
)
from eval.golden.types import Draft, Intent
from rag.models.minilm import MiniLMEmbeddings
from tests.unit.eval.golden_chunks import passage

TEXT = "Backups are kept for 35 days and are encrypted. Application logs are kept for 90 days."
CHUNK = passage(TEXT, headings=("Keeping data",))
DRAFT = Draft(
    Intent.ATTRIBUTE,
    "How long are backups kept?",
    "for 35 days",
    "Backups are kept for 35 days and are encrypted.",
)


@pytest.mark.parametrize(
    "evidence", ["", "  ", "Backups are kept for 36 days.", "backups are kept for 35 days"]
)
def test_evidence_stands_in_the_chunk_character_by_character(evidence: str) -> None:
    assert has_evidence(DRAFT, CHUNK)
    assert not has_evidence(replace(DRAFT, evidence=evidence), CHUNK)


def test_a_comparison_needs_evidence_in_both_chunks() -> None:
    other = passage("Tapes are kept for ten years.", source="tapes.md")
    both = replace(DRAFT, other=other, other_evidence="Tapes are kept for ten years.")
    assert has_evidence(both, CHUNK)
    assert not has_evidence(replace(both, other_evidence=""), CHUNK)
    assert not has_evidence(replace(both, other_evidence=DRAFT.evidence), CHUNK)


def test_an_answer_is_said_if_the_texts_hold_four_fifths_of_its_words() -> None:
    assert says_answer("Backups are kept encrypted for 35 weeks", [TEXT])  # 4 of 5 content words
    assert not says_answer("Backups are kept encrypted for 36 weeks", [TEXT])  # 3 of 5
    assert says_answer("Backups and **tapes**", [TEXT, "Tapes, too"])
    assert not says_answer("", [TEXT])


def test_a_question_has_words_of_the_chunk() -> None:
    assert is_related("How long are backups kept?", TEXT)
    assert not is_related("Who won the last football match in Rome?", TEXT)


def test_a_question_may_name_things_but_not_repeat_a_sentence() -> None:
    text = "The primary on-call engineer acknowledges every page of the night within ten minutes."
    assert not is_copied("How fast does the primary on-call engineer answer at night?", text)
    assert is_copied("Does the primary on-call engineer acknowledge every page of the night?", text)


def test_a_question_must_not_say_its_answer() -> None:
    assert is_trivial("What is the purpose of Recon:EC2/Portscan?", "Recon")
    assert not is_trivial("Can I recover a lost key?", "You cannot recover a lost key.")
    assert not is_trivial("How long are backups kept?", "for 35 days")


def test_the_longest_run_is_of_neighbours_in_both() -> None:
    assert longest_run(["a", "b", "c", "d"], ["x", "b", "c", "a", "b"]) == 2
    assert longest_run(["a", "b", "c"], ["a", "b", "c"]) == 3
    assert longest_run([], ["a"]) == 0
    assert longest_run(["a"], []) == 0


def test_another_chunk_answers_if_it_says_the_answer_where_it_speaks_of_the_question() -> None:
    question, answer = DRAFT.question, DRAFT.answer
    assert answers_too(question, answer, passage("All backups are kept 35 days, then deleted."))
    assert not answers_too(question, answer, passage("All backups are kept 30 days, then deleted."))
    assert not answers_too(question, answer, passage("You get your money back for 35 days."))
    assert answers_too(question, answer, passage("They are kept for 35 days.", title="Backups"))
    far = "Backups are taken at night. One. Two. Three. Four. Coats are kept for 35 days."
    assert not answers_too(question, answer, passage(far))
    assert not answers_too(question, answer, passage(""))


def test_a_chunk_that_overlaps_in_the_evidence_is_no_other_one() -> None:
    neighbour = passage(f"{DRAFT.evidence} Tapes aren't.", start=40)
    copy = replace(neighbour, source_document_id="copy.md")
    assert holds_evidence(DRAFT, CHUNK, CHUNK)
    assert holds_evidence(DRAFT, CHUNK, neighbour)
    assert not holds_evidence(DRAFT, CHUNK, copy)
    assert not holds_evidence(DRAFT, CHUNK, passage("Tapes aren't.", start=60))
    assert holds_evidence(replace(DRAFT, other=copy), CHUNK, copy)


def test_duplicates_have_nearly_the_same_direction() -> None:
    one = np.array([1, 0], np.float32)
    near = np.array([DUPLICATE_COSINE, np.sqrt(1 - DUPLICATE_COSINE**2)], np.float32) + np.float32(1e-6)
    far = np.array([0.5, np.sqrt(0.75)], np.float32)
    assert is_duplicate(near, [far, one])
    assert not is_duplicate(far, [one])
    assert not is_duplicate(one, [])


def test_the_first_mistake_in_the_wording_is_named() -> None:
    assert wording_rejection(DRAFT, CHUNK) is None
    assert wording_rejection(replace(DRAFT, evidence="x"), CHUNK) is Rejection.NO_EVIDENCE
    assert wording_rejection(replace(DRAFT, question="Who won in Rome?"), CHUNK) is Rejection.UNRELATED
    assert wording_rejection(replace(DRAFT, answer="long kept"), CHUNK) is Rejection.TRIVIAL
    words = "Are backups kept 35 days and encrypted, application logs kept 90 days?"
    copied = replace(DRAFT, question=words, answer="Yes, they are")
    assert wording_rejection(copied, CHUNK) is Rejection.COPIED


@pytest.mark.parametrize(
    ("draft", "answered"),
    [
        (DRAFT, True),
        (replace(DRAFT, answer="Thirty-five days, in a safe in Zurich"), False),
        (replace(DRAFT, question="How long are application logs kept?"), False),  # the evidence is another's
    ],
)
def test_the_reader_must_find_the_answer_in_the_evidence(
    encoder: MiniLMEmbeddings, *, draft: Draft, answered: bool
) -> None:
    chunk = passage(f"{TEXT} Coffee is free for everybody. The canteen opens at noon.")
    assert AnswerabilityCheck(encoder).is_answered(draft, chunk) is answered

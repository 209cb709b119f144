"""Which requests are chosen, and what is written of them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.triage.cases import (
    file_name,
    make_case,
    parse_unannotated,
    read_unannotated,
    write_unannotated,
)
from feedback.triage.examine import Examined
from feedback.triage.redact import redactor
from feedback.triage.sample import SAME_QUESTION, distinct, spread
from feedback.triage.select import reformulated, select
from feedback.triage.types import (
    AskedQuestion,
    Diagnosed,
    Diagnosis,
    FoundEvidence,
    Reason,
    SelectedQuestion,
    Verdict,
)
from rag.errors import InvalidInputError
from rag.models.minilm import MiniLMEmbeddings
from rag.privacy import LocalDetector
from tests.unit.feedback.asked import NOON, asked, passage, unannotated

X, Y, Z = np.eye(3, dtype=np.float32)


def unrated(**changes: object) -> AskedQuestion:
    return replace(asked(), verdict=None, **changes)  # type: ignore[arg-type]


def test_each_reason_selects_and_the_strongest_comes_first() -> None:
    down, corrected, fine = asked(), asked(correction="35 days"), unrated()
    silent, loose, again = unrated(abstained=True), unrated(), unrated()
    everything = [fine, again, loose, silent, down, corrected]
    found = select(
        everything,
        answerable={silent.trace_id, fine.trace_id},  # `fine` did not abstain
        ungrounded={loose.trace_id},
        asked_again={again.trace_id, down.trace_id},
    )
    assert [one.asked for one in found] == [corrected, down, silent, loose, again]
    assert found[1].reasons == (Reason.DOWNVOTED, Reason.REFORMULATED)


def test_an_upvote_alone_selects_nothing() -> None:
    up = replace(asked(), verdict=Verdict(uuid4(), 1))
    assert select([up], answerable=(), ungrounded=(), asked_again=()) == []


@pytest.mark.parametrize(("minutes", "other", "found"), [(9, X, True), (11, X, False), (9, Y, False)])
def test_the_same_need_soon_again_in_one_conversation_is_a_reformulation(
    minutes: int, other: np.ndarray, found: bool
) -> None:
    talk = uuid4()
    first = unrated(conversation_id=talk)
    second = unrated(conversation_id=talk, asked_at=NOON + timedelta(minutes=minutes))
    vectors = np.stack([other, X])
    assert reformulated([second, first], vectors) == ({first.trace_id} if found else frozenset())
    elsewhere = replace(second, conversation_id=uuid4())
    assert reformulated([elsewhere, first], vectors) == frozenset()


def test_what_the_client_says_was_asked_again_was() -> None:
    told = unrated(was_reformulated=True)
    assert reformulated([told], np.stack([X])) == {told.trace_id}


def test_other_words_for_one_question_are_near(encoder: MiniLMEmbeddings) -> None:
    talk = uuid4()
    texts = ["How long are backups kept?", "For how long do you keep backups?", "What does parking cost?"]
    questions = [
        unrated(conversation_id=talk, query=text, asked_at=NOON + timedelta(minutes=at))
        for at, text in enumerate(texts)
    ]
    assert reformulated(questions, encoder.encode(texts)) == {questions[0].trace_id}


def test_copies_count_for_the_first_of_them() -> None:
    vectors = np.stack([X, X, Y, X])
    assert distinct(vectors) == [0, 2]
    chosen = spread(vectors, [0, 0, 0, 0], most=5, seed=0)
    assert [(one.place, one.stands_for) for one in chosen] == [(0, 3), (2, 1)]


def test_the_sample_lies_far_apart_and_takes_the_first_tier_first() -> None:
    near = np.array([0.9, np.sqrt(1 - 0.81), 0], np.float32)  # cosine 0.9 with X: no copy, but near
    vectors = np.stack([X, near, Y, Z])
    assert [one.place for one in spread(vectors, [0, 0, 1, 1], most=3, seed=0)][:2] == [0, 1]
    for seed in range(8):
        places = [one.place for one in spread(vectors, [0, 0, 0, 0], most=3, seed=seed)]
        assert not {0, 1} <= set(places)
    assert spread(np.zeros((0, 3), np.float32), [], most=3, seed=0) == []


@given(st.integers(1, 30), st.integers(1, 10), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_the_sample_stands_for_all(size: int, most: int, seed: int) -> None:
    vectors = np.random.default_rng(size).normal(size=(size, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = spread(vectors, [at % 2 for at in range(size)], most=most, seed=seed)
    assert len(chosen) == min(most, len(distinct(vectors)))
    assert sum(one.stands_for for one in chosen) == size
    assert all(one.stands_for >= 1 for one in chosen)
    assert chosen == spread(vectors, [at % 2 for at in range(size)], most=most, seed=seed)
    picked = vectors[[one.place for one in chosen]]
    assert ((picked @ picked.T - np.eye(len(picked))) < SAME_QUESTION).all()


BACKUPS = passage("Backups are kept for 35 days; ask ann@example.com.", "backups.md")
SICK = passage("Elsewhere it says the same.", "other.md")


def case_of(question: AskedQuestion, *prompt: object) -> object:
    examined = Examined(
        Diagnosed(Diagnosis.IGNORED_BY_MODEL, "it was there"),
        prompt,  # type: ignore[arg-type]
        (FoundEvidence(BACKUPS, 0.9), FoundEvidence(SICK, 0.8)),
    )
    selected = SelectedQuestion(question, (Reason.DOWNVOTED,))
    return make_case(selected, examined, stands_for=2, redact=redactor(LocalDetector()))


def test_a_case_has_the_fields_of_the_format_and_no_personal_data(tmp_path: Path) -> None:
    question = asked(
        BACKUPS,
        answer="Ask ann@example.com [1].",
        query="Does ann@example.com keep backups?",
        verdict=Verdict(UUID(int=5), -1, ("answer_wrong",), "call +49 30 901820", "bob@example.com knows"),
        filters={"metadata": {"owner": "ann@example.com"}},
    )
    case = case_of(question, BACKUPS)
    data = write_unannotated([case])  # type: ignore[list-item]
    assert b"example.com" not in data
    assert b"901820" not in data
    (path := tmp_path / "cases.jsonl").write_bytes(data)
    (read,) = read_unannotated(path)
    assert read == case
    assert read.query == "Does [EMAIL] keep backups?"
    assert (read.expected_answer, read.ground_truth_docs) == (None, ())
    origin = read.metadata
    assert (origin.feedback_id, origin.rating, origin.labels) == (UUID(int=5), -1, ("answer_wrong",))
    assert (origin.filters, origin.stands_for) == ({}, 2)
    shown = [(source.number, source.is_cited, source.is_evidence) for source in origin.sources]
    assert shown == [(1, True, True), (None, False, True)]


def test_an_answer_from_a_document_that_is_gone_is_not_repeated() -> None:
    case = case_of(asked(BACKUPS, SICK), BACKUPS, None)
    assert case.metadata.answer is None  # type: ignore[attr-defined]


def test_filters_without_personal_data_stay() -> None:
    case = case_of(asked(BACKUPS, filters={"language": "en"}), BACKUPS)
    assert case.metadata.filters == {"language": "en"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}\n", "line 1: query"),
        (b"nothing\n", "line 1"),
        (
            write_unannotated([unannotated()]).replace(b'"rating": -1', b'"rating": 0'),
            "line 1: metadata.rating",
        ),
        (write_unannotated([unannotated()]) * 2, "line 2: this request is there already"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_unannotated(data, place="cases.jsonl")


def test_files_sort_by_time() -> None:
    names = [file_name(NOON + timedelta(microseconds=step)) for step in (0, 1, 10**7)]
    assert names == sorted(names)
    assert names[0] == "unannotated_20260302T120000000000Z.jsonl"

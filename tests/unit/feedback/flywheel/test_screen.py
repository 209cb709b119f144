from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from feedback.flywheel.screen import TOO_NEAR, screen
from feedback.flywheel.sessions import Session, normal_form
from rag.errors import InvalidInputError
from rag.models.minilm import MiniLMEmbeddings
from rag.models.rerank_features import FEATURES

GOLDEN = (
    "How many vacation days can I carry over?",
    "What does a parking space cost?",
    "Who approves travel abroad?",
)
LEAKS = (
    "how many VACATION days can i carry over",  # by its words
    "How many  vacation days can I carry over ?!",
    "How many days of vacation can I carry over?",  # by what it means
    "What is the cost of a parking space?",
)
OTHERS = ("When is lunch served?", "How long are backups kept?", "Where do visitors get a badge?")


def test_no_golden_question_reaches_training_by_its_words_or_its_meaning(encoder: MiniLMEmbeddings) -> None:
    screened = screen([_session(question) for question in (*LEAKS, *OTHERS)], GOLDEN, encoder.encode)
    kept = [session.question for session in screened.sessions]
    assert (tuple(kept), screened.left_out) == (OTHERS, len(LEAKS))
    golden = encoder.encode(list(GOLDEN))
    assert float((encoder.encode(kept) @ golden.T).max()) < TOO_NEAR
    assert {normal_form(question) for question in kept}.isdisjoint(map(normal_form, GOLDEN))


def test_the_words_alone_keep_it_out_where_vectors_say_nothing() -> None:
    screened = screen([_session(LEAKS[0]), _session(OTHERS[0])], GOLDEN, _unlike)
    assert [session.question for session in screened.sessions] == [OTHERS[0]]


def test_where_all_is_golden_nothing_is_left_to_learn_from(encoder: MiniLMEmbeddings) -> None:
    with pytest.raises(InvalidInputError, match="all 3 sessions ask questions of the golden set"):
        screen([_session(question) for question in GOLDEN], GOLDEN, encoder.encode)


def test_without_golden_questions_there_is_no_training(encoder: MiniLMEmbeddings) -> None:
    with pytest.raises(InvalidInputError, match="without golden questions"):
        screen([_session(OTHERS[0])], (), encoder.encode)


def _unlike(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors at right angles for golden questions and others."""
    return np.array([[1.0, 0.0] if text in GOLDEN else [0.0, 1.0] for text in texts], np.float32)


def _session(question: str) -> Session:
    marks = np.array([True, False])
    return Session(question, ("a", "b"), 2, np.zeros((2, len(FEATURES))), marks, np.zeros(2, bool))

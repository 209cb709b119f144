from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.answer_metrics import embedding_relevance, exact_match, lexical_relevance, token_f1


def test_exact_match_forgives_case_punctuation_and_articles() -> None:
    assert exact_match("The 28 days.", ["28 Days"]) == 1.0
    assert exact_match("28 days a year", ["28 days"]) == 0.0
    assert exact_match("28", ["20", "28"]) == 1.0
    assert exact_match("28", []) == 0.0


def test_token_f1_is_the_best_over_the_expected_answers() -> None:
    # "28 vacation days" and "28 days" share two words: p = 2/3, r = 2/2.
    assert token_f1("28 vacation days", ["a year", "28 days"]) == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert token_f1("no no", ["no"]) == pytest.approx(2 * (1 / 2) / (1 / 2 + 1))
    assert token_f1("blue", ["red"]) == 0.0
    assert token_f1("", ["red"]) == 0.0
    assert token_f1("the", ["a"]) == 1.0
    assert token_f1("red", []) == 0.0


@given(st.text(), st.text())
def test_token_f1_is_symmetric_and_1_for_equals(one: str, other: str) -> None:
    assert token_f1(one, [other]) == token_f1(other, [one])
    assert token_f1(one, [one]) == 1.0


def test_lexical_relevance_is_the_share_of_the_question_taken_up() -> None:
    assert lexical_relevance("How long are backups kept?", "Backups are kept for 35 days.") == 2 / 3
    assert lexical_relevance("How long?", "Paris") == 0.0
    assert lexical_relevance("who is it", "it is") == 0.0


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    directions = {"question": (1.0, 0.0), "near": (0.6, 0.8), "far": (-1.0, 0.0)}
    return np.array([directions[text] for text in texts], np.float32)


def test_embedding_relevance_is_the_nearest_sentence_s_cosine() -> None:
    assert embedding_relevance("question", ["far", "near"], encode) == pytest.approx(0.6)
    assert embedding_relevance("question", ["far"], encode) == 0.0
    assert embedding_relevance("question", [], encode) == 0.0

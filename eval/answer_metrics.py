"""Pure measures of an answer: against what a right one says, and against the question."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.metrics import normalise_answer
from rag.words import content_words

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def exact_match(answer: str, expected: Iterable[str]) -> float:
    """1 if the answer is one of those expected, all normalised, else 0 (Rajpurkar et al., EMNLP 2016)."""
    return float(normalise_answer(answer) in set(map(normalise_answer, expected)))


def token_f1(answer: str, expected: Iterable[str]) -> float:
    """The best F1 of the normalised answer's words with an expected answer's; 0 if none is expected.

    F1 = 2 p r / (p + r), p and r the shares of the answer's and the expected answer's words that both have,
    repeated words counted as often as both have them. If one has no words, 1 if both have none, as in SQuAD
    2.0's script.
    """
    return max(
        (_f1(normalise_answer(answer).split(), normalise_answer(e).split()) for e in expected), default=0
    )


def answer_recall(answer: str, expected: Iterable[str]) -> float:
    """The best share of an expected answer's words that the answer has, normalised, and counted as above.

    An answer that quotes whole sentences is right without being short, which F1 would hold against it.
    """
    return max(
        (_recall(normalise_answer(answer).split(), normalise_answer(e).split()) for e in expected), default=0
    )


def _recall(said: Sequence[str], right: Sequence[str]) -> float:
    return (Counter(said) & Counter(right)).total() / len(right) if right else float(not said)


def _f1(said: Sequence[str], right: Sequence[str]) -> float:
    if not said or not right:
        return float(said == right)
    shared = (Counter(said) & Counter(right)).total()
    return 2 * shared / (len(said) + len(right))


def lexical_relevance(question: str, answer: str) -> float:
    """The share of the question's content words, cut to a prefix, that the answer takes up; 0 if none."""
    asked = set(content_words(question))
    return len(asked & set(content_words(answer))) / len(asked) if asked else 0.0


def embedding_relevance(question: str, sentences: Sequence[str], encode: Encode) -> float:
    """How near the question the answer's nearest sentence is, from 0 to 1: their cosine, if it is positive.

    Args:
        question: As asked.
        sentences: The answer's; 0 if there are none.
        encode: Gives vectors of length 1.
    """
    if not sentences:
        return 0.0
    vectors = encode([question, *sentences])
    return float(np.clip((vectors[1:] @ vectors[0]).max(), 0, 1))

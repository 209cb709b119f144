"""What the extractive answerer measures of a question and the sentences that may answer it.

Every measure is a column of one matrix, a row per sentence, in the order of `FEATURES`; `answer_weights`
holds their weights. Similarities come from late interaction (Khattab and Zaharia, "ColBERT", SIGIR 2020):
each question token meets its most similar token of the sentence, and the token states were computed over
the surrounding sentences too, so that "it" already knows what it stands for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_question import Floats, Question, Sentence
from rag.models.answer_text import (
    BACK_REFERENCE,
    FUNCTION_WORDS,
    NUMBER_LIKE,
    REASON_LIKE,
    TIME_LIKE,
    WORD,
    Expects,
)

FEATURES = (
    "similarity",  # weighted mean over question tokens of the best match in the sentence
    "similarity_with_previous",  # the same, where the sentence before may match at 0.9 of its worth
    "sentence_cosine",  # question vector against the mean of the sentence's token states
    "question_word",  # best match of "who", "where", ... itself
    "weakest_term",  # the question term that matches worst
    "rare_terms",  # share of question terms found, by rarity among the sources' sentences
    "other_terms",  # share of the terms found that are neither names nor numbers
    "previous_adds",  # share of terms found only in the sentence before
    "next_adds",  # share of terms found only in the sentence after
    "has_number", "has_time", "has_name", "has_reason",  # a new item of the kind asked for
    "back_reference",  # starts with "it", "they", "this", ...
    "length",  # log(1 + words)
    "source_similarity",  # weighted mean over question tokens of the best match in the whole source
)  # fmt: skip
"""Columns of the feature matrix."""

_PREVIOUS_WORTH = 0.9
_NAMED = (Expects.PERSON, Expects.PLACE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything measured.

    Attributes:
        matrix: A row per sentence, a column per entry of FEATURES.
        found: Which question terms each sentence holds, (n, m), 0 or 1.
        term_match: How well each question term matches in the sentence, (n, m), cosine.
    """

    matrix: NDArray[np.float64]
    found: Floats
    term_match: Floats


def found_terms(question: Question, sentences: Sequence[Sentence]) -> Floats:
    """Which question terms stand in each sentence, (n, m), 0 or 1."""
    found = np.zeros((len(sentences), len(question.stems)), np.float32)
    for row, sentence in enumerate(sentences):
        present = frozenset(sentence.stems)
        found[row] = [term in present for term in question.stems]
    return found


def share(found: Floats, weights: Floats) -> Floats:
    """Weighted share of the terms found, per row; 0 where no term has weight."""
    total = float(weights.sum())
    return (found * weights).sum(1) / total if total > 0 else np.zeros(len(found), np.float32)


def measure(question: Question, sentences: Sequence[Sentence], states: Sequence[Floats]) -> Evidence:
    """Measure every sentence. `states[i]` are sentence i's token states, (tokens, d), at least one row.

    The sentences of one source stand together and in order.
    """
    found = found_terms(question, sentences)
    best = _best_matches(question, states)
    sources = np.array([s.source for s in sentences])
    positions = np.array([s.position for s in sentences])
    first = np.r_[True, sources[1:] != sources[:-1]]
    gap = first | np.r_[True, positions[1:] != positions[:-1] + 1]
    before = np.where(gap[:, None], 0, np.roll(found, 1, axis=0))
    after = np.where(np.roll(gap, -1)[:, None], 0, np.roll(found, -1, axis=0))
    best_before = np.where(gap[:, None], 0, np.roll(best, 1, axis=0))
    whole = np.maximum.reduceat(best, np.flatnonzero(first), axis=0)[np.cumsum(first) - 1]
    term_match = _term_matches(question, best)
    weights, token_weights = question.weights, question.token_weights
    word_rows = list(question.question_words)
    columns = {
        "similarity": best @ token_weights,
        "similarity_with_previous": np.maximum(best, _PREVIOUS_WORTH * best_before) @ token_weights,
        "sentence_cosine": _cosines(question, states),
        "question_word": best[:, word_rows].mean(1) if word_rows else np.zeros(len(best)),
        "weakest_term": term_match.min(1) if term_match.shape[1] else np.zeros(len(best)),
        "rare_terms": share(found, weights * _rarity(found)),
        "other_terms": share(found, weights * (1 - question.is_name)),
        "previous_adds": share(np.maximum(before - found, 0), weights),
        "next_adds": share(np.maximum(after - found, 0), weights),
        **_surface(question, sentences),
        "source_similarity": whole @ token_weights,
    }
    return Evidence(
        np.column_stack([columns[name] for name in FEATURES]).astype(np.float64), found, term_match
    )


def _best_matches(question: Question, states: Sequence[Floats]) -> Floats:
    """For each sentence and question token the highest cosine to one of the sentence's tokens, (n, t)."""
    starts = np.r_[0, np.cumsum([len(s) for s in states])[:-1]]
    similarities = np.concatenate(states) @ question.tokens.T
    best: Floats = np.maximum.reduceat(similarities, starts, axis=0)
    return best


def _term_matches(question: Question, best: Floats) -> Floats:
    if not question.pieces:
        return np.zeros((len(best), 0), np.float32)
    return np.column_stack([best[:, list(at)].mean(1) for at in question.pieces])


def _cosines(question: Question, states: Sequence[Floats]) -> Floats:
    means = np.stack([s.mean(0) for s in states])
    norms = np.linalg.norm(means, axis=1)
    cosines: Floats = means @ question.vector / np.maximum(norms, 1e-9)
    return cosines


def _rarity(found: Floats) -> Floats:
    """Idf among the sentences at hand: log((n + 1) / (df + 0.5)), never negative."""
    rarity: Floats = np.log((len(found) + 1) / (found.sum(0) + 0.5)).clip(0).astype(np.float32)
    return rarity


def _surface(question: Question, sentences: Sequence[Sentence]) -> dict[str, Floats]:
    """The columns that need only the sentence's characters."""
    terms = frozenset(question.stems)
    asked = frozenset(m.group().lower() for m in WORD.finditer(question.text))
    kind = question.expects
    return {
        "has_number": _flags(kind is Expects.NUMBER, [_has_new(NUMBER_LIKE, s, asked) for s in sentences]),
        "has_time": _flags(kind is Expects.TIME, [_has_new(TIME_LIKE, s, asked) for s in sentences]),
        "has_name": _flags(kind in _NAMED, [_has_new_name(s, terms) for s in sentences]),
        "has_reason": _flags(kind is Expects.REASON, [bool(REASON_LIKE.search(s.text)) for s in sentences]),
        "back_reference": np.array([bool(BACK_REFERENCE.match(s.text)) for s in sentences], np.float32),
        "length": np.log1p([len(s.stems) for s in sentences]),
    }


def _flags(applies: bool, values: Sequence[bool]) -> Floats:
    return np.array(values, np.float32) * applies


def _has_new(pattern: re.Pattern[str], sentence: Sentence, asked: frozenset[str]) -> bool:
    return any(m.group().lower() not in asked for m in pattern.finditer(sentence.text))


def _has_new_name(sentence: Sentence, terms: frozenset[str]) -> bool:
    """A capitalised word that the question lacks; at the start only if another capital follows it."""
    words = [m.group() for m in WORD.finditer(sentence.text)]
    capitals = [w[0].isupper() and w.lower() not in FUNCTION_WORDS for w in words]
    for at, (is_capital, term) in enumerate(zip(capitals, sentence.stems, strict=True)):
        if is_capital and term not in terms and (at > 0 or any(capitals[1:2])):
            return True
    return False

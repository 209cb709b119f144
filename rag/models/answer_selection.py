"""The pure core of `local:extractive`: which sentences answer a question, and whether any does.

The sentences are weighed by a conditional logit (McFadden, 1974): share_i = exp(w·x_i) / Σ_j exp(w·x_j) over
all sentences of all sources, w and x as in `answer_weights` and `answer_features`. The quote is the pair that
holds most of the share in at most 60 words (`answer_quote`). The answerability is a logistic regression over
what the best sentence and its surroundings have and lack (`answerability`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_features import Evidence, found_terms, measure, share
from rag.models.answer_question import (
    Floats,
    Question,
    Sentence,
    SentenceEncoder,
    TokenStates,
    read_question,
    read_sentence,
)
from rag.models.answer_quote import Pick, choose
from rag.models.answer_text import word_count
from rag.models.answer_weights import DEFAULT, Weights
from rag.models.answerability import signals

__all__ = ["AnswerSelector", "Pick", "Reading", "Selection", "softmax"]

_ENCODED_WORDS = 420  # what the local encoder reads in some 60 ms on two cores
_WINDOW_WORDS = 130  # some 200 word pieces: sentences share their context, and the model's 256 are not passed
_NARROW_WORDS = 50  # smaller windows, to choose from, where not all can be encoded
_RANK_PENALTY = 0.1  # of a later source, per log(1 + rank), in shares of the question's terms


@dataclass(frozen=True, slots=True)
class Selection:
    """What answers the question.

    Attributes:
        picks: At most two quotes and 60 words in all, in reading order; empty if there is no sentence.
        answerable: Probability that the sources answer the question.
    """

    picks: tuple[Pick, ...]
    answerable: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A question and its sources' sentences, measured: what the weights are applied to."""

    question: Question
    sentences: tuple[Sentence, ...]
    evidence: Evidence

    def shares(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each sentence, the probability that it answers best; sum 1. Headings get none, if others do."""
        scores = self.evidence.matrix @ weights
        quotable = np.array([s.is_quotable for s in self.sentences])
        return softmax(np.where(quotable, scores, -np.inf) if quotable.any() else scores)


@dataclass(frozen=True, slots=True)
class _Window:
    """Consecutive sentences of one source that are encoded together."""

    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        return " ".join(s.text for s in self.sentences)


class AnswerSelector:
    """Chooses the sentences that answer a question.

    Args:
        encoder: Token states of texts, such as `MiniLMEmbeddings`.
        weights: Fitted by `python -m eval.fit_extractive`.
    """

    def __init__(self, encoder: SentenceEncoder, weights: Weights = DEFAULT) -> None:
        self._encoder = encoder
        self._weights = weights

    def select(self, question: str, sources: Sequence[Sequence[str]]) -> Selection:
        """Select from `sources`, each a list of sentences, best source first."""
        reading = self.read(question, sources)
        if reading is None:
            return Selection((), 0.0)
        shares = reading.shares(self._weights.sentence)
        evidence = signals(reading.question, reading.sentences, reading.evidence, shares)
        logit = float(evidence @ self._weights.answerable) + self._weights.bias
        return Selection(choose(reading.question, reading.sentences, shares), float(1 / (1 + np.exp(-logit))))

    def read(self, question: str, sources: Sequence[Sequence[str]]) -> Reading | None:
        """Measure the sentences worth it; None if there is no word to go by."""
        sentences = [
            read_sentence(i, j, text)
            for i, source in enumerate(sources)
            for j, text in enumerate(source)
            if text.strip()
        ]
        if not sentences or not question.strip():
            return None
        states = self._encoder.encode_tokens([question])[0]
        asked = read_question(question, states)
        windows = _windows(asked, sentences)
        encoded = self._encoder.encode_tokens([w.text for w in windows])
        kept = tuple(s for w in windows for s in w.sentences)
        tokens = [t for w, e in zip(windows, encoded, strict=True) for t in _by_sentence(w, e)]
        return Reading(asked, kept, measure(asked, kept, tokens))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def _windows(question: Question, sentences: Sequence[Sentence]) -> list[_Window]:
    """The windows to encode, in the order given."""
    if sum(_encoded_words(s.text) for s in sentences) <= _ENCODED_WORDS:
        return _pack(sentences, _WINDOW_WORDS)
    return _most_promising(question, _pack(sentences, _NARROW_WORDS))


def _pack(sentences: Sequence[Sentence], limit: int) -> list[_Window]:
    """Join neighbours of one source while they have at most `limit` words; a longer one stands alone."""
    windows: list[_Window] = []
    packed: list[Sentence] = []
    words = 0
    for sentence in sentences:
        count = _encoded_words(sentence.text)
        if packed and (sentence.source != packed[-1].source or words + count > limit):
            windows.append(_Window(tuple(packed)))
            packed, words = [], 0
        packed.append(sentence)
        words += count
    return [*windows, _Window(tuple(packed))]


def _encoded_words(text: str) -> int:
    """Words as the encoder's cost counts them: long identifiers and CJK characters are several pieces."""
    return max(word_count(text), len(text) // 6)


def _most_promising(question: Question, windows: Sequence[_Window]) -> list[_Window]:
    """The windows that hold most of the question's terms, weighted by rarity, until the budget is used."""
    found = np.stack([found_terms(question, w.sentences).max(0) for w in windows])
    rarity = np.log((len(windows) + 1) / (found.sum(0) + 0.5)).clip(0.1)
    ranks = np.array([w.sentences[0].source for w in windows])
    worth = share(found, question.weights * rarity) - _RANK_PENALTY * np.log1p(ranks)
    chosen: list[int] = []
    words = 0
    for at in np.argsort(-worth, kind="stable"):
        words += _encoded_words(windows[at].text)
        if chosen and words > _ENCODED_WORDS:
            break
        chosen.append(int(at))
    return [windows[i] for i in sorted(chosen)]


def _by_sentence(window: _Window, states: TokenStates) -> list[Floats]:
    """The window's token states, sentence by sentence; a zero row for one beyond the encoder's reach."""
    nothing = np.zeros((1, states.tokens.shape[1]), np.float32)
    parts: list[Floats] = []
    start = 0
    for sentence in window.sentences:
        end = start + len(sentence.text)
        inside = (states.offsets[:, 0] >= start) & (states.offsets[:, 1] <= end)
        parts.append(states.tokens[inside] if inside.any() else nothing)
        start = end + 1
    return parts

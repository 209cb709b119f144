"""A question and a sentence, taken apart for the extractive answerer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_text import FUNCTION_WORDS, QUESTION_WORDS, WORD, Expects, expects, stem

Floats = NDArray[np.float32]

_FUNCTION_WORD_WEIGHT = 0.08  # they carry grammar, not topic, but are not nothing to a late interaction
_MOST_NAMES = 0.75  # share of the content words; English questions of four words may hold three
_FIRST_WORD_PIECE = 1995  # BERT's uncased vocabulary lists whole words by falling frequency from "the", 1996
_VOCABULARY = 30_522


class TokenStates(Protocol):
    """One encoded text: its vector and its tokens' normalised last hidden states, without [CLS] and [SEP]."""

    @property
    def vector(self) -> Floats: ...
    @property
    def tokens(self) -> Floats: ...
    @property
    def ids(self) -> NDArray[np.integer]: ...
    @property
    def offsets(self) -> NDArray[np.integer]: ...


class SentenceEncoder(Protocol):
    """Encodes texts with a BERT-vocabulary model; what lies beyond its window is left out."""

    def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> Sequence[TokenStates]:
        """With `background` it makes way for who doesn't say that."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    Attributes:
        stems: The m content words' stems.
        weights: How telling each of them is, (m,), in (0, 1].
        is_name: Whether each is a name or a number, (m,), 0 or 1.
        pieces: The positions of each content word's tokens.
        tokens: Token states, (t, d).
        token_weights: Non-negative, sum 1, (t,).
        question_words: Positions of "who", "where", ... among the tokens.
    """

    text: str
    stems: tuple[str, ...]
    weights: Floats
    is_name: Floats
    pieces: tuple[tuple[int, ...], ...]
    vector: Floats
    tokens: Floats
    token_weights: Floats
    question_words: tuple[int, ...]
    expects: Expects


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a source with what later steps need of it."""

    source: int
    position: int
    text: str
    stems: tuple[str, ...]

    @property
    def is_quotable(self) -> bool:
        """A heading or a table's rule says nothing by itself; it only gives its neighbours context."""
        return bool(self.stems) and not self.text.lstrip().startswith("#")


def word_weight(piece_ids: Sequence[int]) -> float:
    """An idf stand-in from BERT's vocabulary, ordered by frequency: log(rank) / log(size), in (0, 1].

    A word of several pieces is rarer than any whole word of the vocabulary.
    """
    if len(piece_ids) > 1:
        return 1.0
    rank = piece_ids[0] - _FIRST_WORD_PIECE
    return 0.3 if rank < 1 else math.log(rank + 1) / math.log(_VOCABULARY - _FIRST_WORD_PIECE)


def read_question(text: str, states: TokenStates) -> Question:
    stems: list[str] = []
    weights: list[float] = []
    is_name: list[float] = []
    pieces: list[tuple[int, ...]] = []
    question_words: list[int] = []
    token_weights = np.zeros(len(states.ids), np.float32)
    for match in WORD.finditer(text):
        word = match.group()
        inside = (states.offsets[:, 0] >= match.start()) & (states.offsets[:, 1] <= match.end())
        at = tuple(int(i) for i in np.flatnonzero(inside))
        if not at:
            continue
        if word.lower() in QUESTION_WORDS:
            question_words.extend(at)
        if word.lower() in FUNCTION_WORDS:
            token_weights[list(at)] = _FUNCTION_WORD_WEIGHT / len(at)
            continue
        weight = word_weight([int(states.ids[i]) for i in at])
        token_weights[list(at)] = weight / len(at)
        stems.append(stem(word))
        weights.append(weight)
        is_name.append(float(word[0].isdigit() or (word[0].isupper() and match.start() > 0)))
        pieces.append(at)
    total = float(token_weights.sum())
    uniform = np.full(len(token_weights), 1 / max(1, len(token_weights)), np.float32)
    return Question(
        text=text,
        stems=tuple(stems),
        weights=np.array(weights, np.float32),
        is_name=np.array(_telling_capitals(is_name), np.float32),
        pieces=tuple(pieces),
        vector=states.vector,
        tokens=states.tokens,
        token_weights=token_weights / total if total > 0 else uniform,
        question_words=tuple(question_words),
        expects=expects(text),
    )


def _telling_capitals(is_name: Sequence[float]) -> Sequence[float]:
    """No names at all where most words look like one: German nouns, a headline, a list of figures."""
    return is_name if sum(is_name) <= _MOST_NAMES * len(is_name) else [0.0] * len(is_name)


def read_sentence(source: int, position: int, text: str) -> Sentence:
    return Sentence(source, position, text, tuple(stem(m.group()) for m in WORD.finditer(text)))

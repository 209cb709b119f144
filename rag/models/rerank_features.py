"""What the learned reranker sees of a question's candidates: a row of numbers for each passage.

Training and serving call the same function with all that a search found, for some columns compare a passage
with the others. Nothing but numbers comes out: no word of a question or passage reaches a model file.
"""

import math
import sys
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rag.analysis import analyse
from rag.fuse import RANK_CONSTANT
from rag.ports import RetrievedPassage
from rag.words import STOP_WORDS

FEATURES = (
    "vector_score",  # cosine; of a passage without a vector, the least of the others
    "vector_rank",  # k / (k + rank), 0 where that leg did not find it
    "lexical_score",  # log(1 + BM25)
    "lexical_share",  # BM25 over the highest of the candidates
    "lexical_rank",  # as for the vector leg
    "fused_share",  # from 0 for the lowest of the candidates to 1 for the highest
    "coverage",  # the share of the question's words that the passage has, weighted by how rare they are
    "frequency",  # the same with saturated counts, as BM25 has them, without regard to the length
    "title_coverage",  # in title and headings
    "pairs",  # neighbouring words of the question that are neighbours in the passage
    "closeness",  # the greatest coverage in any `WINDOW` words
    "neighbours",  # the mean of fused_share over the passages that are most like it
    "near_neighbours",  # the same over the nearest few
    "length",  # log(1 + words)
    "is_first",  # of its document's chunks
)
PREFIX = 6  # letters: joins most forms of a word without a stemmer for each language
SATURATION = 1.2  # BM25's k1
WINDOW = 24  # words: about a sentence
# Passages that say alike are relevant alike (Diaz, "Regularizing Ad Hoc Retrieval Scores", CIKM 2005).
NEIGHBOURS, NEAR_NEIGHBOURS = 10, 5
KEPT_TEXTS = 2048  # texts whose words are kept, about 13 KB each: the same passages are found again and again

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RerankCandidate:
    """A passage with what the search knew of it; `RetrievedPassage` says what each means."""

    text: str
    title: str
    heading_path: tuple[str, ...]
    chunk_index: int
    vector_rank: int | None
    vector_score: float | None
    lexical_rank: int | None
    lexical_score: float | None
    fused_score: float


@dataclass(frozen=True, slots=True)
class _Words:
    """A text's words, cut to their beginnings.

    Attributes:
        length: How many.
        places: Where each of them stands.
        keys: A number for each of `places`, the same in every text.
        weights: log(1 + count) of the same.
    """

    length: int
    places: dict[str, list[int]]
    keys: NDArray[np.int64]
    weights: Matrix


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The words of all candidates: their keys in order, and of each log(1 + n / df).

    The candidates stand in for the corpus, whose own figures are not at hand.
    """

    keys: NDArray[np.int64]
    rarity: Matrix
    size: int

    def weigh(self, word: str) -> float:
        key = _key(word)
        at = int(np.searchsorted(self.keys, key))
        known = at < len(self.keys) and int(self.keys[at]) == key
        return float(self.rarity[at]) if known else math.log1p(self.size)


def candidate_of(found: RetrievedPassage) -> RerankCandidate:
    """The same of a passage that a search returned."""
    passage = found.passage
    return RerankCandidate(
        text=passage.text,
        title=passage.title,
        heading_path=passage.heading_path,
        chunk_index=passage.chunk_index,
        vector_rank=found.vector_rank,
        vector_score=found.vector_score,
        lexical_rank=found.lexical_rank,
        lexical_score=found.lexical_score,
        fused_score=found.fused_score,
    )


def feature_matrix(question: str, candidates: Sequence[RerankCandidate]) -> Matrix:
    """The features of each candidate, in the order given: (n, len(FEATURES)).

    Args:
        question: In natural language.
        candidates: All that the search found, best first by its own ranking.
    """
    if not candidates:
        return np.zeros((0, len(FEATURES)))
    texts = [_words(candidate.text) for candidate in candidates]
    vocabulary, places = _vocabulary(texts)
    found = _of_search(candidates)
    worded = _of_words(question, candidates, texts, vocabulary)
    likeness = _likeness(texts, vocabulary, places)
    shares = found[FEATURES.index("fused_share")]
    near = [_mean_of_nearest(likeness, shares, many) for many in (NEIGHBOURS, NEAR_NEIGHBOURS)]
    return np.column_stack([*found, *worded, *near, *_of_place(candidates, texts)])


def _of_search(candidates: Sequence[RerankCandidate]) -> list[Matrix]:
    cosines = [c.vector_score for c in candidates]
    least = min((cosine for cosine in cosines if cosine is not None), default=0.0)
    lexical = np.array([c.lexical_score or 0.0 for c in candidates])
    fused = np.array([c.fused_score for c in candidates])
    spread = float(np.ptp(fused))
    return [
        np.array([least if cosine is None else cosine for cosine in cosines]),
        _nearness([c.vector_rank for c in candidates]),
        np.log1p(lexical),
        lexical / (float(lexical.max()) or 1.0),
        _nearness([c.lexical_rank for c in candidates]),
        (fused - fused.min()) / (spread or 1.0),
    ]


def _of_words(
    question: str, candidates: Sequence[RerankCandidate], texts: Sequence[_Words], vocabulary: _Vocabulary
) -> list[Matrix]:
    asked = _order(question)
    wanted = {word: vocabulary.weigh(word) for word in asked if word not in _STOPPED}
    total = sum(wanted.values()) or 1.0
    titles = [_words(" ".join((c.title, *c.heading_path))) for c in candidates]
    pairs = {pair for pair in pairwise(asked) if not _STOPPED.issuperset(pair)}
    return [
        np.array([_weight(wanted, text) / total for text in texts]),
        np.array([_saturated(wanted, text) / total for text in texts]),
        np.array([_weight(wanted, title) / total for title in titles]),
        np.array([_share_of_pairs(pairs, text) for text in texts]),
        np.array([_best_window(wanted, text) / total for text in texts]),
    ]


def _vocabulary(texts: Sequence[_Words]) -> tuple[_Vocabulary, NDArray[np.int64]]:
    """All words, and the place among them of each word of each text, one text after the other."""
    keys, places = np.unique(np.concatenate([text.keys for text in texts]), return_inverse=True)
    rarity = np.log1p(len(texts) / np.bincount(places, minlength=len(keys)))
    return _Vocabulary(keys, rarity, len(texts)), places


def _likeness(texts: Sequence[_Words], vocabulary: _Vocabulary, places: NDArray[np.int64]) -> Matrix:
    """Cosine of each two texts by log(1 + tf) · rarity, (n, n); with itself 0: none is its own neighbour."""
    rarity = np.where(np.isin(vocabulary.keys, _STOPPED_KEYS), 0.0, vocabulary.rarity)
    rows = np.repeat(np.arange(len(texts)), [len(text.keys) for text in texts])
    table = np.zeros((len(texts), len(vocabulary.keys)))
    table[rows, places] = np.concatenate([text.weights for text in texts]) * rarity[places]
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), _NOTHING)
    likeness: Matrix = table @ table.T
    np.fill_diagonal(likeness, 0.0)
    return likeness


def _mean_of_nearest(likeness: Matrix, shares: Matrix, many: int) -> Matrix:
    kept = min(many, len(shares))
    least = np.partition(likeness, -kept, axis=1)[:, -kept]
    near = np.where(likeness >= least[:, None], likeness, 0.0)
    means: Matrix = near @ shares / np.maximum(near.sum(axis=1), _NOTHING)
    return means


def _of_place(candidates: Sequence[RerankCandidate], texts: Sequence[_Words]) -> list[Matrix]:
    return [
        np.log1p([text.length for text in texts]),
        np.array([float(candidate.chunk_index == 0) for candidate in candidates]),
    ]


_NOTHING = 1e-9  # below any length or sum that says something


@lru_cache(maxsize=KEPT_TEXTS)
def _words(text: str) -> _Words:
    order = _order(text)
    places = defaultdict[str, list[int]](list)
    for at, word in enumerate(order):
        places[word].append(at)
    keys = np.array([_key(word) for word in places], np.int64)
    counts = np.array([len(listed) for listed in places.values()], float)
    return _Words(len(order), dict(places), keys, np.log1p(counts))


def _order(text: str) -> list[str]:
    """A text's words as they stand; equal ones are one object, for thousands of texts are kept."""
    return [sys.intern(word[:PREFIX]) for word in analyse(text).split()]


def forget_words() -> None:
    """Forget what is kept of passages."""
    _words.cache_clear()


def _key(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


_STOPPED = frozenset(word[:PREFIX] for word in STOP_WORDS)
_STOPPED_KEYS = np.array(sorted(map(_key, _STOPPED)), np.int64)


def _nearness(ranks: Sequence[int | None]) -> Matrix:
    return np.array([0.0 if rank is None else RANK_CONSTANT / (RANK_CONSTANT + rank) for rank in ranks])


def _weight(wanted: dict[str, float], text: _Words) -> float:
    return sum(weight for word, weight in wanted.items() if word in text.places)


def _saturated(wanted: dict[str, float], text: _Words) -> float:
    """The sum of weight · tf / (tf + k1)."""
    found = ((weight, len(text.places[word])) for word, weight in wanted.items() if word in text.places)
    return sum(weight * count / (count + SATURATION) for weight, count in found)


def _share_of_pairs(pairs: set[tuple[str, str]], text: _Words) -> float:
    if not pairs:
        return 0.0
    places = text.places
    there = [pair for pair in pairs if pair[0] in places and pair[1] in places]
    found = [any(at + 1 in places[second] for at in places[first]) for first, second in there]
    return sum(found) / len(pairs)


def _best_window(wanted: dict[str, float], text: _Words) -> float:
    """The greatest sum of weights of different words that stand within `WINDOW` words."""
    stands = sorted((at, word) for word in wanted for at in text.places.get(word, ()))
    best, weight, first = 0.0, 0.0, 0
    inside = dict.fromkeys(wanted, 0)
    for at, word in stands:
        while at - stands[first][0] >= WINDOW:
            gone = stands[first][1]
            inside[gone] -= 1
            weight -= 0.0 if inside[gone] else wanted[gone]
            first += 1
        weight += 0.0 if inside[word] else wanted[word]
        inside[word] += 1
        best = max(best, weight)
    return best

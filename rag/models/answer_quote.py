"""Which two sentences to quote, and which part of them, within 60 words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_question import Question, Sentence
from rag.models.answer_text import FUNCTION_WORDS, WORD, Expects, stem, word_count

QUOTE_WORDS = 60
_CONTENDERS = 5  # sentences beyond the fifth hold under 1 % of the share
_SHORTEST_PART = 8  # words; less of a sentence says nothing
_CLAUSE_SLACK = 0.1  # of a part's worth, given up to start at a clause
_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Pick:
    """A quote: `text == sources[source][sentence][start : start + len(text)]`, character by character."""

    source: int
    sentence: int
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A verbatim part of a sentence and the share of the answer it is likely to hold."""

    start: int
    text: str
    worth: float


def choose(
    question: Question, sentences: Sequence[Sentence], shares: NDArray[np.float64]
) -> tuple[Pick, ...]:
    """The one or two quotes that hold the largest share in QUOTE_WORDS, in reading order."""
    contenders = [int(i) for i in np.argsort(-shares, kind="stable")[:_CONTENDERS]]
    best: tuple[float, dict[int, _Part]] = (-1.0, {})
    for parts in _options(question, sentences, contenders):
        worth = float(sum(shares[i] * part.worth for i, part in parts.items()))
        if worth > best[0]:
            best = (worth, parts)
    order = sorted(best[1], key=lambda i: (sentences[i].source, sentences[i].position))
    picks = ((sentences[i], best[1][i]) for i in order)
    return tuple(Pick(s.source, s.position, part.start, part.text) for s, part in picks)


def _options(
    question: Question, sentences: Sequence[Sentence], contenders: Sequence[int]
) -> Iterator[dict[int, _Part]]:
    """Each contender alone, each pair, and of a pair too long, either one whole and a part of the other."""
    for i in contenders:
        yield {i: _part(question, sentences[i].text, QUOTE_WORDS)}
    lengths = {i: word_count(sentences[i].text) for i in contenders}
    for i, j in combinations(contenders, 2):
        if lengths[i] + lengths[j] <= QUOTE_WORDS:
            yield {k: _part(question, sentences[k].text, QUOTE_WORDS) for k in (i, j)}
            continue
        for whole, cut in ((i, j), (j, i)):
            left = QUOTE_WORDS - lengths[whole]
            if left >= _SHORTEST_PART:
                yield {
                    whole: _part(question, sentences[whole].text, QUOTE_WORDS),
                    cut: _part(question, sentences[cut].text, left),
                }


def _part(question: Question, sentence: str, limit: int) -> _Part:
    """The part of at most `limit` words that holds most of the answer; all of it, stripped, if that fits."""
    spans = [m.span() for m in _TOKEN.finditer(sentence)]
    if word_count(sentence) <= limit:
        return _Part(spans[0][0], sentence[spans[0][0] : spans[-1][1]], 1.0)
    if len(spans) <= limit:  # long by its CJK characters, which stand without spaces
        spans = [m.span() for m in WORD.finditer(sentence)]
    likely = _answer_likelihood(question, sentence, spans)
    first = _best_start(sentence, spans, likely, limit)
    last = min(first + limit, len(spans))
    start = spans[first][0]
    while last > first + 1 and word_count(sentence[start : spans[last - 1][1]]) > limit:
        last -= 1  # CJK characters among the words count as well
    return _Part(start, sentence[start : spans[last - 1][1]], float(likely[first:last].sum()))


def _best_start(
    sentence: str, spans: Sequence[tuple[int, int]], likely: NDArray[np.float64], limit: int
) -> int:
    """Where the window of `limit` words begins: at a clause if that costs little, else at the most worth."""
    sums = np.r_[0.0, np.cumsum(likely)]
    last = max(0, len(spans) - limit)
    worth = np.array([sums[min(k + limit, len(spans))] - sums[k] for k in range(last + 1)])
    clauses = [
        0,
        *(k for k in range(1, last + 1) if sentence[spans[k][0] - 2 : spans[k][0] - 1] in tuple(",;:–—")),
    ]
    at_clause = max(clauses, key=lambda k: (worth[k], -k))
    anywhere = int(worth.argmax())
    return at_clause if worth[at_clause] >= worth[anywhere] - _CLAUSE_SLACK else anywhere


def _answer_likelihood(
    question: Question, sentence: str, spans: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """How likely each word is the answer, sum 1: new content words, near to words of the question."""
    terms = frozenset(question.stems)
    words = [[m.group() for m in WORD.finditer(sentence[a:b])] for a, b in spans]
    asked = np.array([any(stem(w) in terms for w in group) for group in words])
    empty = np.array([all(w.lower() in FUNCTION_WORDS for w in group) for group in words])
    wanted = np.array([any(_is_wanted(question.expects, w) for w in group) for group in words])
    at = np.arange(len(spans))
    near = (
        np.abs(at[:, None] - np.flatnonzero(asked)[None, :]).min(1) if asked.any() else np.zeros(len(spans))
    )
    weights = np.where(asked | empty, 0.35, 1.0) * np.where(wanted & ~asked, 1.5, 1.0) / (1.0 + near)
    likely: NDArray[np.float64] = weights / weights.sum()
    return likely


def _is_wanted(expected: Expects, word: str) -> bool:
    if expected in (Expects.NUMBER, Expects.TIME):
        return word[0].isdigit()
    return expected in (Expects.PERSON, Expects.PLACE) and word[0].isupper()

"""BM25 in memory, for evaluations that need a lexical ranking without a database."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_text import FUNCTION_WORDS, WORD, stem

K1 = 0.9  # Lucene-style settings of the BEIR baselines (Thakur et al., 2021)
B = 0.4


def bm25_scores(documents: Sequence[str], queries: Sequence[str]) -> NDArray[np.float64]:
    """Robertson and Zaragoza's BM25, (queries, documents).

    score = Σ_t idf · tf (k1 + 1) / (tf + k1 (1 − b + b · length / mean length)),
    idf = log(1 + (N − df + 0.5) / (df + 0.5))
    """
    counts = [Counter(stem(m.group()) for m in WORD.finditer(d)) for d in documents]
    lengths = np.array([c.total() for c in counts])
    norms = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean())))
    postings: dict[str, list[tuple[int, int]]] = {}
    for at, count in enumerate(counts):
        for term, frequency in count.items():
            postings.setdefault(term, []).append((at, frequency))
    scores = np.zeros((len(queries), len(documents)))
    for row, query in enumerate(queries):
        for term in {
            stem(m.group()) for m in WORD.finditer(query) if m.group().lower() not in FUNCTION_WORDS
        }:
            listed = postings.get(term, [])
            idf = math.log(1 + (len(documents) - len(listed) + 0.5) / (len(listed) + 0.5))
            for at, frequency in listed:
                scores[row, at] += idf * frequency * (K1 + 1) / (frequency + norms[at])
    return scores

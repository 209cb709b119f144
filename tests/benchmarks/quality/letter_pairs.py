"""Counts the table of `rag.quality.letter_pairs` anew, in the even half of the good documents.

python -m tests.benchmarks.quality.letter_pairs
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality.good import good_documents

# What each group of sources weighs. In the first, each language weighs the same, however long its text is.
_WEIGHTS = {("udhr",): 0.5, ("xquad.en", "xquad.de", "xquad.es"): 0.25, ("aws",): 0.25}
_WORD = re.compile("(?<![A-Za-z0-9])[a-z\u00c0-\u024f\u1e00-\u1eff]{2,40}(?![A-Za-z0-9])", re.IGNORECASE)
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LETTERS = slice(ord("a"), ord("z") + 1)
_ENOUGH = 50  # pairs; languages in other scripts have a few at most
_EVEN, _HIGHEST = 6, 9  # the digit of a pair that is as common as all are on average, and the largest digit


def letter_pair_table() -> list[str]:
    """26 rows of 26 digits."""
    texts: dict[str, list[str]] = {}
    for good in good_documents():
        if good.half == 0:
            texts.setdefault(good.source, []).append(good.document.text)
    shares = sum(weight * _shares(sources, texts) for sources, weight in _WEIGHTS.items())
    with np.errstate(divide="ignore"):  # a pair that does not occur has the lowest digit
        levels = np.round(_EVEN + np.log2(shares * 26 * 26)).clip(0, _HIGHEST).astype(int)
    return ["".join(map(str, row)) for row in levels]


def _shares(sources: Sequence[str], texts: Mapping[str, list[str]]) -> NDArray[np.float64]:
    """Of all pairs of letters, each pair's; on average over languages, or else in all texts together."""
    counts = [_pairs(text) for source in sources for text in texts[source]]
    if sources != ("udhr",):
        counts = [np.sum(counts, axis=0)]
    shares: NDArray[np.float64] = np.mean([c / c.sum() for c in counts if c.sum() >= _ENOUGH], axis=0)
    return shares


def _pairs(text: str) -> NDArray[np.float64]:
    plain = _ACCENTS.sub("", unicodedata.normalize("NFD", " ".join(_WORD.findall(text)).lower()))
    codes = np.frombuffer(plain.encode("ascii", "replace"), np.uint8)
    counts = np.zeros((128, 128))
    np.add.at(counts, (codes[:-1], codes[1:]), 1)
    return counts[_LETTERS, _LETTERS]


if __name__ == "__main__":
    print("\n".join(letter_pair_table()))

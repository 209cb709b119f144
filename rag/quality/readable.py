"""Whether the text is made of words, or of glyph numbers, noise of an OCR or letters that were exchanged.

Two statistics of each block decide. The share of visible characters that stand in something that reads as a
word, a number or another script: prose has 0.9, code over 0.55, noise 0.2 to 0.5. And how common the pairs of
letters are in its different Latin words: `letter_pairs` tells any language from letters that were shifted or
exchanged, which keep the shapes of words. Blocks with little text, or with few such words, are not judged.
"""

import re
import unicodedata
from collections.abc import Sequence
from string import digits

import numpy as np

from rag.quality.letter_pairs import pair_scores
from rag.quality.rules import QualityRules
from rag.quality.wordiness import wordiness

MIN_WORDY = 0.5
MIN_VISIBLE = 250  # characters; of a shorter text, which may be a formula, less has to be words
_FEW_VISIBLE = 60
_MANY_DIGITS = 0.2  # of the visible characters: part numbers, keys, tables of figures
MIN_PAIRS = 80  # of letters; fewer may be names, or abbreviations
MIN_SCORE = 5.0  # good text of any language has 5.2 or more, 98 of 100 with exchanged letters less than 4.9
_FEW_PAIRS = 20  # enough if the score is lower still and the block is hardly wordy
_LOW_SCORE = 4.5
_HARDLY_WORDY = 0.6
_CROSSES = 3  # different "words", such as x and o
_MIN_LENGTH = 5.3  # characters of a word and a space on average; abbreviations are shorter, languages longer
_NO_WORDS = re.compile(  # a molecule, in SMILES; an empty value
    r"(?<!\S)(?:[BCFHIKNOPSbcelnoprs0-9()=#\[\]@+\\/.%-]{8,}|[nN]/?[aA]|NaN|#N/A)(?!\S)"
)
RUN = re.compile(r"[^\W_]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_SHORT, _LONG = 2, 41  # letters; words that short are mostly variables or units, words that long are data


def find_unreadable(blocks: Sequence[str], rules: QualityRules) -> str | None:
    """Says so when more of the text than allowed is no words."""
    share = unreadable_share(blocks)
    if share <= rules.max_unreadable:
        return None
    return (
        f"{share:.0%} of the text does not consist of words; it may come from a font without a character map "
        "or from the recognition of a poor scan"
    )


def unreadable_share(blocks: Sequence[str]) -> float:
    """Of the letters and digits, those in blocks that do not read as text."""
    total = bad = 0
    for block in blocks:
        runs = RUN.findall(block)
        weight = sum(map(len, runs))
        total += weight
        bad += 0 if is_text(block, runs) else weight
    return bad / max(1, total)


def is_text(block: str, runs: Sequence[str]) -> bool:
    """Whether a block, whose runs of letters and digits are given, reads as text or is too short to tell."""
    wordy, visible = wordiness(block)
    if visible < _FEW_VISIBLE:
        return True
    least = MIN_WORDY * min(1, visible / MIN_VISIBLE)
    if wordy < least:
        return _is_special(block, least)
    if sum(map(block.count, digits)) > _MANY_DIGITS * visible:
        return True
    score, pairs = pair_score(runs)
    if pairs >= MIN_PAIRS:
        return score >= MIN_SCORE
    return pairs < _FEW_PAIRS or score >= _LOW_SCORE or wordy >= _HARDLY_WORDY


def _is_special(block: str, least: float) -> bool:
    """Whether a block without words is a table of crosses, formulas of molecules, or mostly empty values."""
    letters = {run.lower() for run in RUN.findall(block) if run.isalpha()}
    if len(letters) <= _CROSSES:
        return True
    wordy, visible = wordiness(_NO_WORDS.sub(" ", block))
    return visible < _FEW_VISIBLE or wordy >= least


def pair_score(runs: Sequence[str]) -> tuple[float, int]:
    """How common the pairs of letters in the different Latin words are on average, and their number.

    No pairs if most words are in another script or are abbreviations.
    """
    words = [word for word in set(runs) if _SHORT < len(word) < _LONG and word.isalpha()]
    latin = [word for word in words if word.isascii() or _LATIN.fullmatch(word)]
    text = " ".join(latin)
    if 2 * len(latin) < len(words) or len(text) < _MIN_LENGTH * len(latin):
        return 0.0, 0
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    scores = pair_scores()[codes[:-1], codes[1:]]
    counted = scores[scores >= 0]
    return (float(counted.mean()), len(counted)) if len(counted) else (0.0, 0)

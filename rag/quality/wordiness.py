"""How much of a text stands in words and numbers.

A letter stands in a word if the letter before or after it goes with it: small letters with small ones,
capitals with capitals, a capital with two small letters after it. So do most letters of prose and of code,
and few of those that glyph numbers or noise yield. Digits and the letters of other scripts than plain Latin
always stand in a word, for glyph numbers do not look like them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_LAST = 0x2FFFF  # no character is written beyond the third plane
_SPACE, _SIGN, _SMALL, _CAPITAL, _DIGIT, _OTHER_LETTER = range(6)  # kinds of characters
_OTHER_LETTERS = (  # whole ranges: the marks that belong to letters are in them
    (0x00C0, 0x1FFF),
    (0x2C00, 0x2DFF),
    (0x3005, 0x3005),
    (0x3040, 0xD7FF),
    (0xF900, 0xFDFF),
    (0xFE70, 0xFFDC),
    (0x10000, 0x1EFFF),
    (0x20000, _LAST),
    (0x2600, 0x27BF),  # emoji, which are meant
    (0x1F000, 0x1FAFF),
)
_IN_NUMBERS = ".,:/%-"  # after a digit


def wordiness(text: str) -> tuple[float, int]:
    """The share of visible characters in words and numbers, and the number of visible characters.

    A sign that follows the same sign is not counted: rules, borders of tables, leaders to a page number.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    kinds = _kinds()[np.minimum(codes, _LAST)]
    seen = kinds != _SPACE
    visible, visible_kinds = codes[seen], kinds[seen]
    repeated = (visible[1:] == visible[:-1]) & (visible_kinds[1:] == _SIGN)
    count = len(visible) - int(repeated.sum())
    return min(1.0, _in_words(codes, kinds) / max(1, count)), count


def _in_words(codes: NDArray[np.uint32], kinds: NDArray[np.uint8]) -> int:
    """How many characters stand in words and numbers."""
    small, capital, digit = kinds == _SMALL, kinds == _CAPITAL, kinds == _DIGIT
    words = _beside_its_like(small) | _beside_its_like(capital)
    words[:-2] |= capital[:-2] & small[1:-1] & small[2:]
    words |= digit | (kinds == _OTHER_LETTER)
    words[1:] |= digit[:-1] & _in_numbers()[np.minimum(codes[1:], 127)]
    return int(words.sum())


def _beside_its_like(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a value is true and so is the one before or after it."""
    pairs = mask[1:] & mask[:-1]
    result = np.zeros_like(mask)
    result[1:] |= pairs
    result[:-1] |= pairs
    return result


@cache
def _kinds() -> NDArray[np.uint8]:
    """The kind of each character by its code."""
    kinds = np.full(_LAST + 1, _SIGN, np.uint8)
    for space in (*range(9, 14), *range(28, 33), 0x85, 0xA0, *range(0x2000, 0x200C), 0x2028, 0x2029, 0x3000):
        kinds[space] = _SPACE
    for first, last in _OTHER_LETTERS:
        kinds[first : last + 1] = _OTHER_LETTER
    kinds[[ord("|"), ord('"')]] = _SPACE  # borders of cells, and quotation marks, of which JSON is full
    kinds[ord("a") : ord("z") + 1] = _SMALL
    kinds[ord("A") : ord("Z") + 1] = _CAPITAL
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    return kinds


@cache
def _in_numbers() -> NDArray[np.bool_]:
    """Which ASCII characters belong to a number when a digit stands before them."""
    return np.isin(np.arange(128), [ord(sign) for sign in _IN_NUMBERS])

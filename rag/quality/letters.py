"""Which letters a text uses: read in a wrong encoding of its own script, it uses unlikely ones.

Text of a double-byte encoding becomes ideographs, but seldom ones that are in use. Common ones are those in
the first levels of GB 2312, Big5 and JIS X 0208, which were compiled by frequency, and the 2,350 syllables of
KS X 1001. Text in Cyrillic becomes other Cyrillic, with vowels where consonants were.
"""

import re
from functools import cache

_IDEOGRAPHS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_SYLLABLES = re.compile("[\uac00-\ud7af]+")
_CYRILLIC = re.compile("[\u0400-\u052f]+")
_VOWELS = re.compile("[аеёиоуыэюяіїєѝүұөәӑӓӕӗӛӣӥӧөӯӱӳӹѣ]", re.IGNORECASE)
_ENOUGH_CYRILLIC = 150  # letters
_ENOUGH = 20  # characters; fewer may be a name
# Python's name of the encoding; the first and the last of its lead bytes.
_FIRST_LEVELS = (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF))
_HANGUL = ("euc_kr", 0xB0, 0xC8)


def rare_share(text: str) -> float:
    """Of the ideographs, or of the Hangul syllables if these are more, those that are hardly ever used."""
    if text.isascii():
        return 0.0
    ideographs, syllables = "".join(_IDEOGRAPHS.findall(text)), "".join(_SYLLABLES.findall(text))
    found, common = ideographs, _common_ideographs
    if len(syllables) > len(ideographs):
        found, common = syllables, _common_syllables
    if len(found) < _ENOUGH:
        return 0.0
    return sum(character not in common() for character in found) / len(found)


def vowel_share(text: str) -> float:
    """Of the letters of a text that is mostly in Cyrillic, the vowels; 1 for little or no such text."""
    cyrillic = "".join(_CYRILLIC.findall(text))
    if len(cyrillic) < max(_ENOUGH_CYRILLIC, len(text) / 2):
        return 1.0
    return len(_VOWELS.findall(cyrillic)) / len(cyrillic)


@cache
def _common_ideographs() -> frozenset[str]:
    return frozenset().union(*(_characters(*level) for level in _FIRST_LEVELS))


@cache
def _common_syllables() -> frozenset[str]:
    return _characters(*_HANGUL)


def _characters(codec: str, first: int, last: int) -> frozenset[str]:
    """All characters whose first byte is of a range."""
    pairs = (bytes([lead, trail]) for lead in range(first, last + 1) for trail in range(0x40, 0xFF))
    return frozenset("".join(pair.decode(codec, "ignore") for pair in pairs))

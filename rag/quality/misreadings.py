"""What text looks like that was written in one encoding and read in another, and other signs of broken text.

Such text comes out as pairs and runs of characters that no language has: as Windows-1252, "für" in UTF-8 is
read as "fÃ¼r", and "мир" in Windows-1251 as "ìèð". Which ones follows from the encodings' tables, and the
patterns are made of Python's. A byte of UTF-8 that leads a character of two, three or four bytes is followed
by one, two or three of 0x80 to 0xBF (RFC 3629).
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a word is broken."""

    ENCODING = "encoding"
    PUNCTUATION = "punctuation"  # an encoding too, but only a quotation mark, a dash or a space
    FONT = "font"
    DAMAGE = "damage"


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that good text does not hold.

    Attributes:
        pattern: It, beginning with a class of characters, so that the search skips whatever is none of them.
        starts: The characters of that class; None if they are too many.
        cause: What it is a sign of.
    """

    pattern: re.Pattern[str]
    starts: frozenset[str] | None
    cause: Cause


_NO_BREAK_SPACE = "\xa0"
_QUOTE_LEAD = "€\x80"  # 0x80 in Windows-1252 and in Latin-1
_CLOSING = "”“’‘–—…»«\xa0"  # what follows a capital Ä or Å at the end of a word in good text


def _following(codec: str) -> str:
    """What the bytes 0x80 to 0xBF are in an 8-bit encoding; one without a meaning is mostly kept as it is."""
    return "".join(bytes([byte]).decode(codec, "ignore") or chr(byte) for byte in range(0x80, 0xC0))


def _class(characters: str, *, without: str = "") -> str:
    return f"[{re.escape(''.join(sorted(set(characters) - set(without))))}]"


def _span(first: str, last: str) -> str:
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


def _sign(cause: Cause, starts: str, rest: str) -> Sign:
    return Sign(re.compile(_class(starts) + rest), frozenset(starts), cause)


# As Windows-1252 and as Latin-1, in which 0x80 to 0x9F are control characters.
_WESTERN_BYTES = _following("cp1252") + _span("\x80", "\x9f")
_WESTERN = _class(_WESTERN_BYTES)
_WESTERN_SEEN = _class(_WESTERN_BYTES, without=_NO_BREAK_SPACE)  # "é »" is good French
_CENTRAL = _class(_following("cp1250"))
_CYRILLIC = _class(_following("cp1251"))
_DOS = _class(_following("cp437"), without="│┤║┐╗")  # frames drawn with lines are good
_MAC = _class(_following("mac_roman"))
_TWO_BYTES = "ÎÏÐÑ×ØÙÚÛ"  # what leads Greek, Cyrillic, Hebrew and Arabic letters

# U+2000 to U+203F and the no-break space in UTF-8, read as something else.
_PUNCTUATION = (
    ("â", f"[{_QUOTE_LEAD}]{_WESTERN}"),
    ("Â", _NO_BREAK_SPACE),
    ("в", f"Ђ{_CYRILLIC}"),
    ("‚", "Ä[ôúùìîò¶¢]"),  # Mac
    ("Γ", "Ç."),  # DOS
)
_FROM_UTF8 = (
    ("Ã", _WESTERN),
    ("Â", _WESTERN_SEEN),
    ("ÄÅ", _class(_WESTERN_BYTES, without=_CLOSING)),
    (_TWO_BYTES, f"{_WESTERN}[{_TWO_BYTES}]{_WESTERN}"),
    ("àá" + _span("ã", "ï"), _WESTERN_SEEN + _WESTERN),
    ("â", _class(_WESTERN_BYTES, without=_NO_BREAK_SPACE + _QUOTE_LEAD) + _WESTERN),
    ("ðñòóô", _WESTERN_SEEN + _WESTERN + _WESTERN),
    ("ĂĹ", _CENTRAL),
    ("ĐŃ", f"{_CENTRAL}[ĐŃ]{_CENTRAL}"),
    ("РС", f"{_CYRILLIC}[РС]{_CYRILLIC}"),
    (_span("в", "н"), f"{_CYRILLIC}{_CYRILLIC}[в-н]{_CYRILLIC}{_CYRILLIC}"),
    ("пя", "[\u2500-\u25a0°²·÷√≈≤≥⌠⌡]"),  # KOI8-R
    ("╨╤", ".[╨╤]."),  # DOS, Cyrillic
    ("√", _MAC),
    ("├┬", _DOS),
    ("锟", "斤拷"),  # GBK, of characters that were lost before
)
# 8-bit encodings that were read as another, and as Windows-1252 those of two bytes a character.
_FROM_8_BIT = (
    (_span("À", "ÿ"), "[¡-ÿ]{3,}"),
    (_span("¡", "¿"), "[À-ÿ][¡-ÿ]{2,}"),
    ("ƒ‚", r"\S[ƒ‚]\S[ƒ‚]"),  # Shift JIS
    (_span("а", "я") + "ё", "[А-ЯЁ]{3,}"),  # KOI8-R has capitals where Windows-1251 has small letters
    (_span("\u2552", "\u256c") + "┐┘┤┬┴┼░▒▓", r"[^\W\d_]"),  # DOS
)
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010fffd"

GLYPH_NUMBER = Sign(re.compile(r"\(cid:\d+\)"), frozenset("("), Cause.FONT)  # as pdfminer writes it
# 0x85 is a line end.
CONTROL = Sign(re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"), None, Cause.DAMAGE)
# In rising order of weight: a word that shows several counts as the last.
ANYWHERE = (
    CONTROL,
    GLYPH_NUMBER,
    Sign(re.compile(f"[{_PRIVATE}][{_PRIVATE}]"), None, Cause.FONT),
    _sign(Cause.DAMAGE, "\ufffd\ufffe\uffff", ""),
    *(_sign(Cause.PUNCTUATION, *pattern) for pattern in _PUNCTUATION),
    *(_sign(Cause.ENCODING, *pattern) for pattern in (*_FROM_UTF8, *_FROM_8_BIT)),
)
BETWEEN_LETTERS = (
    _sign(Cause.ENCODING, "¤¦§¨©ª«¬¯±³¶¸¹º»¼½¾¿¡¢£¥†‡‰‹›ƒ", r"(?=[^\W\d_])"),
    _sign(Cause.ENCODING, "®√№", "(?=[а-яё])"),  # DOS; ® follows the names of products in other scripts
    Sign(re.compile(rf"[{_PRIVATE}](?=[^\W\d_])"), None, Cause.FONT),  # alone it is a bullet, or an icon
)
BESIDE_LATIN = (_sign(Cause.ENCODING, "ГВД", _CYRILLIC),)

"""Finding a text that must stay in here inside another one, whatever it was made to look like."""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import lru_cache

from rag.safety.characters import letters

WORDS = 8  # in a row: fewer may be a coincidence
LONGEST = 2000  # characters before a sentence that are looked at with it
_WORD = re.compile(r"[^\W\d_]+")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){16,}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(_ALPHABET, _ALPHABET[13:] + _ALPHABET[:13])


def repeats(text: str, secret: str) -> bool:
    """Whether the text has eight words of `secret` in a row.

    Case, accents, punctuation, digits and spaces don't count; turned round, in ROT13, in base64 or in
    hexadecimal they are the same words.
    """
    runs = _runs(secret)
    return any(run in form for form in _forms(text) for run in runs) if runs else False


@lru_cache(maxsize=64)
def _runs(secret: str) -> tuple[str, ...]:
    found = [letters(word) for word in _WORD.findall(secret)]
    return tuple("".join(found[at : at + WORDS]) for at in range(len(found) - WORDS + 1))


def _forms(text: str) -> Iterator[str]:
    plain = letters(text)
    yield plain
    yield plain[::-1]
    yield plain.translate(_ROT13)
    for run in _HEXADECIMAL.findall(text):
        yield letters(bytes.fromhex(re.sub(r"[\s:]", "", run)).decode("utf-8", "ignore"))
    for run in _ENCODED.findall(text):
        for shift in range(4):  # where the code begins is not known
            yield letters(_from_base64(run[shift:]))


def _from_base64(text: str) -> str:
    whole = text[: len(text) // 4 * 4]
    try:
        return base64.b64decode(whole, altchars=b"-_" if set(whole) & set("-_") else None).decode(
            "utf-8", "ignore"
        )
    except binascii.Error:
        return ""

"""Whether there is any text, and enough of it."""

import re

from rag.documents import ParsedDocument
from rag.quality.rules import QualityRules

_WORD_CHARACTER = re.compile(r"[^\W_]")
# Chinese, Japanese, Korean: a character says about as much as three letters.
_SYLLABLE = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_WORTH = 3


def find_empty(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when the text holds no letter and no digit."""
    if _WORD_CHARACTER.search(document.text):
        return None
    if _PRIVATE.search(document.text):
        return "the document holds no words, only signs of a font without a character map"
    if document.text.strip():
        return "the document holds signs only, no words and no numbers"
    return "the document is empty"


def find_too_short(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when there is some text, but hardly any."""
    if not 0 < count_letters(document.text, at_most=rules.min_letters) < rules.min_letters:
        return None  # enough, or empty, which is a rule of its own
    shown = " ".join(document.text.split())[:100]
    return f'the document holds hardly any text: "{shown}"'


def count_letters(text: str, *, at_most: int) -> int:
    """The letters and digits, one of Chinese, Japanese or Korean as three."""
    letters = 0
    for found in _WORD_CHARACTER.finditer(text):
        letters += _WORTH if _SYLLABLE.match(found[0]) else 1
        if letters >= at_most:
            break
    return letters

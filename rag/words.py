"""Words as the verifier compares them: content words cut to a prefix; pairs of characters without spaces."""

import re
import unicodedata

PREFIX = 5  # letters: joins "retain", "retained", "retention" well enough without a stemmer per language
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]+"
)
_ENGLISH_STOP_WORDS = """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has
    have having he her here hers him his how i if in into is it its itself just me more most my no
    nor not of off on once only or other our out over own same she should so some such than that
    the their them then there these they this those through to too under until up very was we were
    what when where which while who whom why will with would you your
"""
STOP_WORDS = frozenset(_ENGLISH_STOP_WORDS.split())


def content_words(text: str) -> list[str]:
    """The words of `text` that carry meaning, normalised for comparison, in order, with repetitions."""
    folded = unicodedata.normalize("NFKC", text).lower()
    words: list[str] = []
    for word in WORD.findall(folded):
        words.extend(_keys(word))
    return words


def _keys(word: str) -> list[str]:
    if UNSPACED.search(word):
        return [word[i : i + 2] for i in range(max(len(word) - 1, 1))]
    if word in STOP_WORDS:
        return []
    if word.isdigit():
        return [word]
    stem, _, _ = word.replace("’", "'").partition("'")
    return [stem[:PREFIX]]

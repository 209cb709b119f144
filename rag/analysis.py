"""Text analysis for lexical search: from text to plain words, which a Postgres configuration then stems.

The same function prepares chunks and questions. What it gives holds nothing but lower-case words and single
spaces, so that Postgres' parser, which would see hosts, paths and signed numbers, has nothing to decide.
"""

import hashlib
import re
import unicodedata

# ISO 639-1 to Postgres' built-in text search configurations. Any other language is indexed unstemmed, as
# `simple`; Chinese, Japanese, Korean and Thai so as pairs of characters, see `analyse`.
CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
UNSTEMMED = "simple"
DEFAULT_CONFIGURATION = "english"  # of text in no language: code and tables, whose words mostly are English

# Scripts written without spaces, or, as Korean, with particles stuck to the words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_WORD_CATEGORIES = frozenset("LMN")  # letters, the marks that belong to them, numbers


def configuration_of(language: str | None) -> str:
    """The Postgres text search configuration for a language (ISO 639-1); None is text in no language."""
    if language is None:
        return DEFAULT_CONFIGURATION
    return CONFIGURATIONS.get(language, UNSTEMMED)


def analyse(text: str) -> str:
    """The words of `text` in lower case, one space apart.

    A run of Chinese, Japanese, Korean or Thai becomes its overlapping pairs of characters (McNamee and
    Mayfield, "Character N-Gram Tokenization for European Language Text Retrieval", 2004, and Lucene's
    CJKAnalyzer): no dictionary is needed, and a question's pairs are found in any longer run.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    plain = folded.translate(_SEPARATORS)
    if _UNSPACED.search(plain):
        plain = _UNSPACED.sub(_pairs, plain)
    return " ".join(plain.split())


def fingerprint(text: str) -> int:
    """64 bits that are the same for texts that differ in nothing but case, white space and Unicode form."""
    plain = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _pairs(run: re.Match[str]) -> str:
    characters = run.group()
    if len(characters) == 1:
        return f" {characters} "
    return " " + " ".join(characters[i : i + 2] for i in range(len(characters) - 1)) + " "


class _Separators(dict[int, str]):
    """A table for `str.translate` that puts a space for whatever belongs to no word, filled as it is used."""

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        self[codepoint] = character if unicodedata.category(character)[0] in _WORD_CATEGORIES else " "
        return self[codepoint]


_SEPARATORS = _Separators()

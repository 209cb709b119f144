"""Which language a text is in, by py3langid (Lui and Baldwin, "langid.py", ACL 2012), model included."""

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

from rag.analysis import CONFIGURATIONS

SAMPLE = 5000  # characters: enough to be certain, and 1 ms
CERTAIN = 0.95  # probability from which a chunk may differ from its document
SHORTEST = 100  # characters of a chunk that are worth a look of their own
PLAIN = 0.1  # share of words that English alone has: 0.19 in English prose; in German none but in quotations
# Languages that lexical search treats in their own way. Small ones are often seen in what is bad English, so
# that one that is not among these is believed only when it is certain.
KNOWN = frozenset(CONFIGURATIONS) | {"zh", "ja", "ko", "th"}
_ENGLISH_WORDS = """
    about and are because been between but can could does each from has if into it its not only other should
    such than that the their them there these they this those were what when where which while with would you
    your
"""
_ENGLISH_ALONE = frozenset(_ENGLISH_WORDS.split())
_loading = threading.Lock()
NO_LANGUAGE = "zxx"  # ISO 639-2 for code, tables of numbers and the like


def document_language(text: str) -> str | None:
    """The document's language as ISO 639-1 or 639-3; None if it has none (code, numbers) or is uncertain."""
    language, probability = _identify(text[:SAMPLE])
    return language if language in KNOWN or probability >= CERTAIN else None


def chunk_languages(document_text: str, chunks: Sequence[str]) -> tuple[str | None, list[str | None]]:
    """The document's language, and each chunk's: the document's unless the chunk clearly is in another."""
    language = document_language(document_text)
    return language, [_chunk_language(chunk, language) for chunk in chunks]


def _chunk_language(text: str, document: str | None) -> str | None:
    if len(text) < SHORTEST or (document == "en" and _is_plainly_english(text)):
        return document
    language, probability = _identify(text)
    return language if language in KNOWN and probability >= CERTAIN else document


def _is_plainly_english(text: str) -> bool:
    """What a look at the words tells, at a ninth of what the identifier takes."""
    words = text.lower().split()
    return sum(map(_ENGLISH_ALONE.__contains__, words)) >= PLAIN * len(words)


def _identify(text: str) -> tuple[str | None, float]:
    language, probability = _identifier().classify(text)
    return (None if language in (None, NO_LANGUAGE) else str(language)), float(probability)


def _identifier() -> Any:
    """Loaded on first use: it takes a second, and a service that only answers never needs it."""
    with _loading:  # else each thread that comes meanwhile loads its own
        return _loaded()


@cache
def _loaded() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

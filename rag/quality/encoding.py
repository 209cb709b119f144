"""Words that were read in a wrong encoding, or whose characters mean nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rag.quality.letters import rare_share, vowel_share
from rag.quality.misreadings import ANYWHERE, BESIDE_LATIN, BETWEEN_LETTERS, Cause, Sign
from rag.quality.rules import QualityRules
from rag.words import UNSPACED

_MIN_BROKEN = 3  # words; one or two stray characters make no document unreadable
_LONGEST_WORD = 20  # characters; longer ones were several before they were broken
_OF_PUNCTUATION = 0.5  # of a word: "don’t" with three signs for its apostrophe can still be read
_MAX_RARE = 0.25  # of the ideographs; good text has up to 0.1, in Vietnamese 0.21, misread text 0.3 to 0.9
_MIN_VOWELS = 0.33  # of Cyrillic letters; good text of any language has over 0.4, misread text under 0.32
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal, in logs
_LAYOUT = str.maketrans("\t\n\f\r", "    ")
_EXPLAINED = {
    Cause.ENCODING: "it looks like text that was read in the wrong encoding",
    Cause.PUNCTUATION: "it looks like text that was read in the wrong encoding",
    Cause.FONT: "it looks like text in a font without a character map",
    Cause.DAMAGE: "characters were lost, or are not characters of a text",
}


def find_wrong_encoding(blocks: Sequence[str], rules: QualityRules) -> str | None:
    """Says so when more of the words than allowed are broken, or the letters are ones that nobody uses."""
    text = _one_line(blocks)
    causes = list(_broken_words(text).values())
    share = _share(causes, text)
    if share > rules.max_broken_words:
        cause = Counter(causes).most_common(1)[0][0]
        return f"{share:.0%} of the words are unreadable; {_EXPLAINED[cause]}"
    rare = rare_share(text)
    if rare > _MAX_RARE:
        return f"{rare:.0%} of the characters are hardly ever used; {_EXPLAINED[Cause.ENCODING]}"
    if vowel_share(text) < _MIN_VOWELS:
        return f"the words have hardly any vowels; {_EXPLAINED[Cause.ENCODING]}"
    return None


def broken_share(blocks: Sequence[str]) -> float:
    """Of the words, those that are broken; 0 if they are only one or two."""
    text = _one_line(blocks)
    return _share(list(_broken_words(text).values()), text)


def _one_line(blocks: Sequence[str]) -> str:
    """The text with spaces for tabs and line ends, but not for no-break spaces: broken letters hold them."""
    return _COLOUR.sub("", " ".join(blocks).translate(_LAYOUT))


def _share(causes: Sequence[Cause], text: str) -> float:
    """What the broken words are of all words; of scripts without spaces, two characters are a word."""
    if len(causes) < _MIN_BROKEN:
        return 0.0
    broken = sum(_OF_PUNCTUATION if cause is Cause.PUNCTUATION else 1.0 for cause in causes)
    words = len(text.split()) + sum(map(len, UNSPACED.findall(text))) / 2
    return min(1.0, broken / words)


def _broken_words(text: str) -> dict[int, Cause]:
    """Where each broken word begins, and why it is broken; of several reasons, the last."""
    if text.isascii() and text.isprintable() and "(cid:" not in text:
        return {}
    characters = frozenset(text)
    broken: dict[int, Cause] = {}
    for sign in _worth_a_search(ANYWHERE, characters):
        for found in sign.pattern.finditer(text):
            broken[_word_start(text, found.start())] = sign.cause
    for sign in _worth_a_search(BETWEEN_LETTERS, characters):
        for found in sign.pattern.finditer(text):
            if text[found.start() - 1 : found.start()].isalpha():
                broken[_word_start(text, found.start())] = sign.cause
    for sign in _worth_a_search(BESIDE_LATIN, characters):
        for found in sign.pattern.finditer(text):
            beside = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
            if any(letter.isascii() and letter.isalpha() for letter in beside):
                broken[_word_start(text, found.start())] = sign.cause
    return broken


def _worth_a_search(signs: Iterable[Sign], characters: frozenset[str]) -> Iterator[Sign]:
    return (sign for sign in signs if sign.starts is None or not sign.starts.isdisjoint(characters))


def _word_start(text: str, at: int) -> int:
    """Where the word at a place begins; in a script without spaces, the place itself."""
    if UNSPACED.match(text, max(0, at - 1)) or UNSPACED.match(text, min(at + 1, len(text) - 1)):
        return at
    start = text.rfind(" ", 0, at) + 1
    return at - (at - start) % _LONGEST_WORD

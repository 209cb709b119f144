"""How far two readers of a file agree on its words.

Words are runs of letters and digits, without regard to case, as multisets: F1 = 2·|A ∩ B| / (|A| + |B|). Both
texts are brought to the same form first, by rules that hold for every file:

- Unicode's compatibility forms are one (NFKC): a ligature is its letters. Soft hyphens are nothing.
- A hyphen inside a word is nothing, with or without a line's end behind it.
- Underscores part words: in Markdown they emphasise, in formulas they lower.
- Our own words for what something is ("Header: ", "Comment (…): ", "[x]" of a ticked box) are left out.
- What a merged cell says may be said once more for each cell that it covers, or not.
- Letters of formulas are compared one by one: there is no one way to write a formula in a line.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

_LABEL = re.compile(r"^(?:Header|Footer|Comment|Notes)(?= \(|:)", re.MULTILINE)
_TICK = re.compile(r"\[[x ]\]")
_HYPHEN = re.compile(r"(?<=\w)[-‐]\s*(?=\w)")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class OtherText:
    """What another reader says: the text without its formulas, these, and what merged cells may repeat."""

    text: str
    formulas: str = ""
    repeats: str = ""


def word_f1(ours: str, other: OtherText) -> float:
    """1 if both say the same words."""
    mine, theirs = words(ours), words(other.text)
    mine -= (mine - theirs) & words(other.repeats)
    letters = Counter("".join(words(other.formulas).elements()))
    for word in (mine - theirs).elements():
        if Counter(word) <= letters:
            letters -= Counter(word)
            mine[word] -= 1
    count = mine.total() + theirs.total() + letters.total()
    return 2 * (mine & theirs).total() / count if count else 1.0


def words(text: str) -> Counter[str]:
    plain = unicodedata.normalize("NFKC", _TICK.sub(" ", _LABEL.sub("", text))).casefold().replace("\xad", "")
    return Counter(_WORD.findall(_HYPHEN.sub("", plain)))

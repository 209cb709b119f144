"""What is measured of a sentence of an answer and the sentences of its sources that may support it.

The measures look for what is *not* supported: words that the evidence lacks, meaning that no word piece of it
comes near to (late interaction, Khattab and Zaharia, "ColBERT", SIGIR 2020, turned round: each piece of the
claim meets its most similar one), and the small differences that words alone hardly tell, such as another
number or a "not".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_question import TokenStates, word_weight
from rag.models.answer_text import CJK, FUNCTION_WORDS, stem

FEATURES = (
    "missing",  # log(1 + content words that it lacks)
    "unmatched",  # log(1 + words by rarity, each by how far the nearest piece of the evidence is)
    "function_words",  # share of the function words that the evidence has; of all words if there is none
    "negation",  # a negation that the evidence doesn't make
    "missing_numbers",  # up to 2
    "missing_names",  # capitalised words within the sentence that the evidence lacks, up to 3
    "displaced_numbers",  # up to 2 that stand only in another sentence than the one with most of the words
    "first_person",  # the writer's own experience or opinion, which the evidence doesn't tell
)
"""Entries of a sentence's row."""

EVIDENCE = 3  # sentences of the sources at most: answers join two facts, seldom more
_FUNCTION_WORD_WEIGHT = 0.08  # as in questions
_NUMBER_WEIGHT = 0.5  # less than a word's: the other words tell which sentence ought to have the number
_WORTH_ADDING = 0.5  # content words that a further sentence of evidence must add
_MOST_NUMBERS, _MOST_NAMES = 2, 3  # more of them say no more

# Digits apart from letters, so that "5GB" meets "5 GB"; else as `answer_text.WORD`.
_WORD = re.compile(rf"[{CJK}]|\d+(?:[.,]\d+)*|[^\W\d_{CJK}]+(?:['’](?!s\b)[^\W_{CJK}]+)?")
_NUMERALS = {
    name: str(number)
    for number, name in enumerate("two three four five six seven eight nine ten eleven twelve".split(), 2)  # noqa: SIM905
}
_NEGATION = re.compile(
    r"\b(?:not|no|never|without|neither|nor|none|nobody|nothing|cannot|\w*n['’]t)\b", re.IGNORECASE
)
_INTERJECTIONS = frozenset("yes yeah yea yep no nope oh ok okay well sure hi hello thanks sorry".split())  # noqa: SIM905
_NO_CLAIM = FUNCTION_WORDS | _INTERJECTIONS
_FIRST_PERSON = frozenset({"i", "my", "me", "mine", "i'm", "i've", "i'd", "i’m", "i’ve", "i’d"})

Row = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence taken apart, word by word.

    Attributes:
        spans: Start and end of each word in the text.
        lowered: The words in lower case.
        keys: What they are compared by: their stems, and digits for small numerals.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    lowered: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def is_claim(self) -> bool:
        """Whether it says something that could be supported: more than function words and interjections."""
        return any(word not in _NO_CLAIM for word in self.lowered)

    def masks(self) -> tuple[Mask, Mask, Mask]:
        """Which words are function words, which are numbers, and which are names."""
        function = np.array([word in FUNCTION_WORDS for word in self.lowered], bool)
        number = np.array([key[0].isdigit() for key in self.keys], bool)
        capital = np.array([self.text[start].isupper() for start, _ in self.spans], bool)
        capital[:1] = False  # a sentence's first word is always capitalised
        return function, number, capital & ~function


def read_words(sentence: str) -> Words:
    found = list(_WORD.finditer(sentence))
    lowered = tuple(m.group().lower() for m in found)
    keys = tuple(_NUMERALS.get(word) or stem(word) for word in lowered)
    return Words(sentence, tuple(m.span() for m in found), lowered, keys)


def choose_evidence(claim: Words, sources: Sequence[Words]) -> list[Words]:
    """At most `EVIDENCE` sentences, each the one that adds most of the claim's words: the best one first."""
    if not claim.keys:
        return []
    function, number, _ = claim.masks()
    weights = np.select([function, number], [_FUNCTION_WORD_WEIGHT, _NUMBER_WEIGHT], 1.0)
    found = np.array([_found(claim, [source]) for source in sources]).reshape(-1, len(claim.keys))
    missing = np.ones(len(claim.keys))
    chosen: list[int] = []
    while len(chosen) < min(EVIDENCE, len(sources)):
        gains = (found * missing) @ weights
        best = int(gains.argmax())
        if gains[best] < (_WORTH_ADDING if chosen else _FUNCTION_WORD_WEIGHT / 2):
            break
        chosen.append(best)
        missing *= ~found[best]
    return [sources[at] for at in chosen]


def measure_support(
    claim: Words, evidence: Sequence[Words], claim_states: TokenStates, states: Sequence[TokenStates]
) -> Row:
    """The row of a claim, in the order of FEATURES.

    Args:
        claim: Has at least one content word.
        evidence: What `choose_evidence` gave.
        claim_states: The claim's token states.
        states: Those of each sentence of the evidence.
    """
    function, number, name = claim.masks()
    lacks = ~_found(claim, evidence)
    elsewhere = ~lacks & ~_found(claim, evidence[:1])
    grammar = function if function.any() else ~function
    said = " ".join(source.text for source in evidence)
    closeness, weights = _closeness(claim, function, claim_states, states)
    told = {word for source in evidence for word in source.lowered}
    values = {
        "missing": float(np.log1p(lacks[~function].sum())),
        "unmatched": float(np.log1p(((1 - closeness) * weights).sum())),
        "function_words": 1 - float(lacks[grammar].mean()),
        "negation": float(bool(_NEGATION.search(claim.text)) and not _NEGATION.search(said)),
        "missing_numbers": float(min(lacks[number].sum(), _MOST_NUMBERS)),
        "missing_names": float(min(lacks[name].sum(), _MOST_NAMES)),
        "displaced_numbers": float(min(elsewhere[number].sum(), _MOST_NUMBERS)),
        "first_person": float(bool(_FIRST_PERSON & set(claim.lowered)) and not _FIRST_PERSON & told),
    }
    return np.array([values[feature] for feature in FEATURES])


def _found(claim: Words, sources: Sequence[Words]) -> Mask:
    """Which of the claim's words the sources have."""
    present = {key for source in sources for key in source.keys}
    return np.array([key in present for key in claim.keys], bool)


def _closeness(
    claim: Words, function: Mask, claim_states: TokenStates, states: Sequence[TokenStates]
) -> tuple[Row, Row]:
    """For each word the mean cosine of its pieces to their nearest ones in the evidence, and its rarity."""
    closeness, weights = np.zeros(len(claim.keys)), np.ones(len(claim.keys))
    nearest = np.zeros(len(claim_states.ids))
    if any(len(state.tokens) for state in states):
        nearest = (claim_states.tokens @ np.concatenate([state.tokens for state in states]).T).max(1)
    starts, ends = claim_states.offsets[:, 0], claim_states.offsets[:, 1]
    for at, (start, end) in enumerate(claim.spans):
        pieces = np.flatnonzero((starts >= start) & (ends <= end))
        if len(pieces):
            closeness[at] = nearest[pieces].mean()
            weights[at] = word_weight([int(claim_states.ids[piece]) for piece in pieces])
    weights[function] = _FUNCTION_WORD_WEIGHT
    return closeness, weights

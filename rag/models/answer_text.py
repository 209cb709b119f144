"""Words as the extractive answerer sees them: stems, function words, and what a question asks for."""

import re
from enum import StrEnum
from functools import lru_cache

CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"

# One CJK character, a number with its separators and unit, or a run of letters with inner apostrophes.
WORD = re.compile(rf"[{CJK}]|\d+(?:[.,]\d+)*(?:[^\W\d_{CJK}]+)?|[^\W_{CJK}]+(?:['’](?!s\b)[^\W_{CJK}]+)?")
_CJK_CHARACTER = re.compile(f"[{CJK}]")

_FUNCTION_WORDS = """
a an the of to in on at by for from with as is are was were be been being am do does did doing has have
had having can could may might must shall should will would and or but if then than that this these
those it its it's he she they them his her their him we you i my your our me us who whom whose what
which when where why how there here s t not no nor so such also into onto about over under between
through during before after up down out off again same other some any all each both more most own too
very just
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

QUESTION_WORDS = frozenset(["who", "whom", "whose", "what", "which", "when", "where", "why", "how"])

_NEGATION = re.compile(
    r"\b(?:not|no|never|without|neither|nor|none|nobody|nothing|cannot|\w+n['’]t|fail\w*|except|refus\w*"
    r"|lack\w*|(?<!at )least|unlike\w*|un(?!der|til|less|to\b|cle|i[^dmn])\w{4,}"
    r"|dis(?![tcpk]|eas)\w{4,}|non\w{4,})\b",
    re.IGNORECASE,
)

# Words of one line exclude each other, so that a sentence with one doesn't answer a question with another.
_OPPOSITES = tuple(
    frozenset(line.split())
    for line in (
        "first last", "before after", "increase decrease", "increased decreased", "most least",
        "more fewer less", "largest smallest", "large small", "larger smaller", "highest lowest",
        "high low", "higher lower", "oldest youngest", "older younger newer", "old new",
        "early late", "earlier later", "earliest latest", "north south", "northern southern",
        "east west", "eastern western", "above below", "top bottom", "begin end", "began ended",
        "started stopped ended", "start stop", "win lose", "won lost defeated", "support oppose",
        "supported opposed", "accept reject", "accepted rejected", "agree disagree",
        "allow prevent prohibit forbid", "allowed prevented prohibited banned", "best worst",
        "better worse", "good bad", "strong weak", "stronger weaker", "similar different",
        "same different", "public private", "always never", "rich poor", "male female", "men women",
        "internal external", "major minor", "maximum minimum", "easy difficult hard", "common rare",
        "include exclude", "included excluded", "create destroy delete",
        "created destroyed deleted", "built demolished", "gain loss", "gained lost", "raise reduce",
        "raised lowered", "positive negative", "add remove", "added removed", "enable disable",
        "enabled disabled", "encourage discourage", "with without", "left right", "buy sell",
        "longest shortest", "long short", "longer shorter", "fast slow", "faster slower",
        "many few", "arrive leave", "arrived left", "open close", "opened closed",
        "majority minority", "improve worsen", "rise fall", "rose fell", "legal illegal",
        "possible impossible", "known unknown", "formal informal", "direct indirect",
        "dependent independent", "encrypted unencrypted", "synchronous asynchronous",
        "manual automatic",
    )
)  # fmt: skip

# Longest first: the first suffix that leaves three letters is removed.
_SUFFIXES = (
    ("ations", "at"), ("ation", "at"), ("ingly", ""), ("edly", ""), ("ness", ""), ("ment", ""), ("ments", ""),
    ("ities", ""), ("ity", ""), ("ies", "y"), ("ing", ""), ("ied", "y"), ("ed", ""), ("ers", "er"),
    ("ly", ""), ("es", ""), ("s", ""),
)  # fmt: skip
_STEM_LENGTH = 6


class Expects(StrEnum):
    """The kind of thing that a question asks for."""

    NUMBER = "number"
    TIME = "time"
    PERSON = "person"
    PLACE = "place"
    REASON = "reason"
    MANNER = "manner"
    THING = "thing"


_KINDS_OF_PLACE = "city|country|state|county|place|town|region|river|continent|location|area|province"
_KINDS_OF_MEASURE = "many|much|long|old|far|large|big|tall|high|often|fast|deep|wide"

_EXPECTS = tuple(
    (kind, re.compile("|".join(patterns), re.IGNORECASE))
    for kind, patterns in (
        (
            Expects.NUMBER,
            [
                rf"\bhow (?:{_KINDS_OF_MEASURE})\b",
                r"\bhow \w+ people\b",
                r"\b(?:what|which) (?:number|percent|percentage)\b",
                r"\bwhat is (?:the )?(?:population|number|maximum|minimum|max|min|limit)\b",
            ],
        ),
        (Expects.TIME, [r"\bwhen\b", r"\b(?:what|which) (?:year|date|day|month|decade|century|time)\b"]),
        (Expects.PERSON, [r"\bwho(?:m|se)?\b"]),
        (Expects.PLACE, [r"\bwhere\b", rf"\b(?:what|which) (?:{_KINDS_OF_PLACE})\b"]),
        (Expects.REASON, [r"\bwhy\b"]),
        (Expects.MANNER, [r"\bhow\b"]),
    )
)

NUMBER_LIKE = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million"
    r"|billion|half|once|twice|both|several|first|second|third|quarter)s?\b",
    re.IGNORECASE,
)
TIME_LIKE = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|century"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|today|now|years?|decade|days?|before|after"
    r"|during|until|since)\b",
    re.IGNORECASE,
)
REASON_LIKE = re.compile(
    r"\b(?:because|due|since|therefore|so|caus\w+|reasons?|order|result\w*|thus|led|to)\b", re.IGNORECASE
)
BACK_REFERENCE = re.compile(r"(?:it|he|she|they|this|these|his|her|their|its|that|such)\b", re.IGNORECASE)


@lru_cache(maxsize=65_536)  # a vocabulary's worth; texts repeat their words
def stem(word: str) -> str:
    """A crude stem: lower case, one suffix off, at most six letters. Numbers keep every digit."""
    lowered = word.lower()
    if lowered[:1].isdigit():
        return lowered.replace(",", "")
    for suffix, replacement in _SUFFIXES:
        if lowered.endswith(suffix) and len(lowered) - len(suffix) >= 3:  # noqa: PLR2004  # a stem of three
            lowered = lowered.removesuffix(suffix) + replacement
            break
    if lowered.endswith("e") and len(lowered) > 4:  # noqa: PLR2004  # "compute" meets "computing"
        lowered = lowered[:-1]
    return lowered[:_STEM_LENGTH]


def word_count(text: str) -> int:
    """Words between spaces; two CJK characters, which stand without spaces, count as one more."""
    return len(text.split()) + len(_CJK_CHARACTER.findall(text)) // 2


def expects(question: str) -> Expects:
    """The kind of answer that an English question word announces; THING for all else."""
    return next((kind for kind, pattern in _EXPECTS if pattern.search(question)), Expects.THING)


def is_negated(text: str) -> bool:
    return _NEGATION.search(text) is not None


def contradicts(question: str, sentence: str) -> bool:
    """Whether the sentence has the opposite of a word of the question, and not the word itself."""
    asked = frozenset(m.group() for m in WORD.finditer(question.lower()))
    said = frozenset(m.group() for m in WORD.finditer(sentence.lower()))
    return any((line & asked) - said and (line & said) - asked for line in _OPPOSITES)

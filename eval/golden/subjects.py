"""Which words can name the subject of a question, understood by somebody who doesn't see the document."""

import re
from collections.abc import Sequence

from eval.golden.wording import base_of, points_elsewhere

MAX_SUBJECT = 7  # words; longer ones are clauses
MAX_TOPIC = 8
FEW_WORDS = 2  # without a name, they may be a heading of any page
_WORD = re.compile(r"[\w.+#/'’&-]*\w[\w.+#/'’&-]*")
_PARENTHESIS = re.compile(r"\s*\([^()]*\)")
_NOT_IN_A_NAME = re.compile(
    r"\b(?:if|when|while|because|since|although|as|which|who|whose|where|what|how|why|whether|can|could|may|"
    r"might|must|should|will|would|has|have|had|does|do|did|be|been|was|were|is|are|not|only|all|any|some|each|"
    r"every|no|many|most|several|another|other|others|you|i|and|or|but|so|result|results|common|typical|your|"
    r"popular|important|typically|usually|generally|often|normally|currently|optionally)\b",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(
    r"^(?:to|purpose|reason|goal|difference|default|value|name|option|rest|list|set|number|type|kind|way)\b",
    re.IGNORECASE,
)
_TITLE_OF_A_PAGE = re.compile(
    r"^(?:(?:how|what|why|when|where|step|about|using|welcome|introduction|overview|getting|see|more|note|"
    r"examples?|document|appendix|chapter|part)\b|\d|\W)|\b(?:parameters?|versions?|requirements?|prerequisites|"
    r"contents?|limits|errors|request|response|syntax|summary|settings|details|elements)\b",
    re.IGNORECASE,
)
_INITIAL_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


def subject_of(text: str) -> str | None:
    """The words as a subject, without parentheses; None if they aren't one that stands by itself."""
    bare = _PARENTHESIS.sub("", text).strip()
    without = _INITIAL_ARTICLE.sub("", bare)
    words = without.split()
    if not 1 <= len(words) <= MAX_SUBJECT or not all(_WORD.fullmatch(word) for word in words):
        return None
    is_doubled = words[: len(words) // 2] == words[len(words) // 2 :]
    if is_doubled or _SAYS_NOTHING.match(without) or without.isdigit():
        return None
    if points_elsewhere(bare) or _NOT_IN_A_NAME.search(without):
        return None
    return bare


def is_name(subject: str) -> bool:
    """Whether it holds a proper name, an abbreviation or a code word, and so is understood everywhere."""
    words = _INITIAL_ARTICLE.sub("", subject).split()
    capitals = [word for word in words if any(character.isupper() for character in word)]
    return bool(capitals) and (len(words) > 1 or words[0][1:] != words[0][1:].lower())


def topic_of(title: str, headings: Sequence[str]) -> str | None:
    """What the chunk is about, as a noun phrase that may stand behind "for" or "in", if a title is one."""
    for heading in (*reversed(headings), title):
        topic = heading.strip(" .:*`")
        words = topic.split()
        is_noun = words and base_of(words[0]) is None and not _TITLE_OF_A_PAGE.match(topic)
        is_noun = is_noun and not points_elsewhere(topic)
        if is_noun and len(words) <= MAX_TOPIC and (is_name(topic) or len(words) > FEW_WORDS):
            return topic
    return None


def is_subject_of_the_page(subject: str, title: str, headings: Sequence[str]) -> bool:
    """Whether the headings speak of it."""
    bare = _INITIAL_ARTICLE.sub("", subject).lower().rstrip("s")
    return any(bare in heading.lower() for heading in (title, *headings))

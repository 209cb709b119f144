"""Whether a question asks what a pinned one asks, where their vectors lie near each other."""

import re
from collections import Counter

from rag.words import content_words

# Of all words of both (Jaccard's index). Another wording of a question seldom shares so many and lacks one of
# its words; a near miss often does: bench_feedback has the shares.
MOSTLY = 0.5
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def may_ask(question: str, pinned: str) -> bool:
    """False if the numbers differ, or if most words are the same and one of the pinned question's is missing.

    "How long are logs kept?" lies as near "How long are backups kept?" as another wording of it does.
    """
    return _numbers(question) == _numbers(pinned) and not _lacks_a_word(question, pinned)


def _numbers(text: str) -> Counter[str]:
    return Counter(_NUMBER.findall(text))


def _lacks_a_word(question: str, pinned: str) -> bool:
    words, wanted = set(content_words(question)), set(content_words(pinned))
    return not wanted <= words and len(words & wanted) >= MOSTLY * len(words | wanted)

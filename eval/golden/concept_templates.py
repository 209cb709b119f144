"""Templates for sentences that say what something is, does, is for or needs."""

import re

from eval.golden.template_parts import (
    Found,
    Place,
    Template,
    standing_subject,
)
from eval.golden.types import Intent

_DEFINITION = re.compile(r"^(?P<subject>[^,;:]{2,80}?) (?P<be>is|are) (?P<answer>(?:an?|the) [^:]{15,})\.$")
_NOT_A_DEFINITION = re.compile(
    r"^(?:the same|the case|a good|the following|the only|the default|a must|the best|an example|a problem|"
    r"the result|the highest|the lowest|the most|a required|an optional|the first|the last|the next|a few|"
    r"a lot|the name of|the value of)\b"
)
_ENABLES = re.compile(
    r"^(?P<subject>[^,;:]{2,60}?) (?:lets|allows|enables|helps) you (?:to )?(?P<answer>[a-z][^:]{10,})\.$"
)
_USED_FOR = re.compile(r"^(?P<subject>[^,;:]{2,60}?) (?P<be>is|are) used (?P<answer>(?:to|for) [^:]{8,})\.$")
_REQUIRES = re.compile(r"^(?P<subject>[^,;:]{2,60}?) (?P<verb>requires?) (?P<answer>[a-z][^:]{8,})\.$")


def define(text: str, place: Place) -> Found | None:
    match = _DEFINITION.match(text)
    if not match or _NOT_A_DEFINITION.match(match["answer"]):
        return None
    subject = standing_subject(match["subject"], place)
    if subject is None:
        return None
    return Found(Intent.CONCEPTUAL, f"What {match['be']} {subject}?", match["answer"])


def _enable(text: str, place: Place) -> Found | None:
    match = _ENABLES.match(text)
    subject = match and standing_subject(match["subject"], place)
    if not match or not subject or subject.split()[0].endswith("ing"):
        return None
    return Found(Intent.CONCEPTUAL, f"What can I do with {subject}?", match["answer"])


def _use_for(text: str, place: Place) -> Found | None:
    match = _USED_FOR.match(text)
    subject = match and standing_subject(match["subject"], place)
    if not match or not subject:
        return None
    return Found(Intent.CONCEPTUAL, f"What {match['be']} {subject} used for?", match["answer"])


def _require(text: str, place: Place) -> Found | None:
    match = _REQUIRES.match(text)
    subject = match and standing_subject(match["subject"], place)
    if not match or not subject:
        return None
    does = "does" if match["verb"].endswith("s") else "do"
    return Found(Intent.ATTRIBUTE, f"What {does} {subject} require?", match["answer"])


# Best first.
CONCEPTS: tuple[Template, ...] = (
    define,
    _enable,
    _use_for,
    _require,
)

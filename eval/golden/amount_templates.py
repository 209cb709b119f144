"""Templates for sentences that say how many, how long, how soon or how large."""

import re

from eval.golden.subjects import subject_of
from eval.golden.template_parts import (
    NUMBER,
    UNIT,
    VAGUE,
    Found,
    Place,
    Template,
    fits,
)
from eval.golden.types import Intent
from eval.golden.wording import BASE_VERBS, asked_by_me, lower_first, points_elsewhere

_BOUND = r"(?:up to|at least|at most|no more than|a maximum of|a minimum of|as many as)"
_AMOUNT = re.compile(rf"\b{NUMBER}\b|`|\"|\btrue\b|\bfalse\b", re.IGNORECASE)
_KEPT_FOR = re.compile(
    rf"^(?P<subject>[^,;:]{{2,60}}?) (?P<be>is|are) (?P<verb>[a-z]+(?:ed|pt|ld|nt)) "
    rf"(?P<answer>(?P<how>for|within|after|every) (?:up to |at least |at most )?{NUMBER} {UNIT}\b)"
)
_COUNTED_BY_ME = re.compile(
    rf"^You (?P<modal>can|may|must) (?P<verb>[a-z]+(?: over| in| out| up)?) (?P<answer>{_BOUND} {NUMBER} "
    rf"(?P<unit>[\w-]+(?: [\w-]+)?s))(?P<rest>(?: (?:to|per|in|for|at|with|on|of|from)\b[^,;:]*)?)\.$"
)
_COUNTED = re.compile(
    rf"^(?P<subject>[^,;:]{{2,60}}?) (?P<modal>must|can|may) (?P<verb>[a-z]+) "
    rf"(?P<answer>{_BOUND} {NUMBER} (?P<unit>[\w-]+(?: [\w-]+)?s))\b(?P<rest>[^,;:.]*)\.$"
)
_HAS_COUNT = re.compile(
    rf"^(?P<subject>[^,;:]{{2,60}}?s) have (?P<answer>{NUMBER} (?P<unit>[\w-]+(?: [\w-]+)?s))"
    rf"(?P<rest>(?: (?:in|per|of|for) [^,;:.]*)?)\.$"
)
_MEASURE = re.compile(
    r"^(?P<subject>(?:The )?(?:default|maximum|minimum|highest|lowest|total)(?: [\w-]+){1,8}) (?P<be>is|are) "
    r"(?P<answer>[^,;:]{1,60})\.$",
    re.IGNORECASE,
)
_LASTS = re.compile(
    rf"^(?P<subject>[^,;:]{{2,60}}?) lasts? (?P<answer>(?:for )?(?:up to |at least )?{NUMBER} {UNIT})\b"
)
_WITHIN = re.compile(
    rf"^(?P<verb>[A-Z][a-z]+) (?P<what>[^,;:]+?) (?P<answer>within {NUMBER} {UNIT}(?: of [^,;:.]+)?)"
    rf"(?=[\s.,;])"
)
_COUNTED_LIST = re.compile(
    rf"^There are (?P<number>{NUMBER}) (?P<what>[^:;,]{{3,60}}): (?P<answer>[^:]{{8,}})\.$", re.IGNORECASE
)


def _keep(text: str, place: Place) -> Found | None:
    match = _KEPT_FOR.match(text)
    subject = match and subject_of(match["subject"])
    if not match or not subject:
        return None
    asked = {"for": "How long", "within": "How soon", "after": "When", "every": "How often"}[match["how"]]
    return Found(
        Intent.ATTRIBUTE, f"{asked} {match['be']} {lower_first(subject)} {match['verb']}?", match["answer"]
    )


def _count_by_me(text: str, place: Place) -> Found | None:
    match = _COUNTED_BY_ME.match(text)
    if not match or points_elsewhere(match["rest"]):
        return None
    rest = asked_by_me(match["rest"])
    return Found(
        Intent.ATTRIBUTE,
        f"How many {match['unit']} {match['modal']} I {match['verb']}{rest}?",
        match["answer"],
    )


def _count(text: str, place: Place) -> Found | None:
    match = _COUNTED.match(text)
    subject = match and subject_of(match["subject"])
    if not match or not subject or points_elsewhere(match["rest"]):
        return None
    asked = (
        f"How many {match['unit']} {match['modal']} {lower_first(subject)} {match['verb']}{match['rest']}?"
    )
    return Found(Intent.ATTRIBUTE, asked, match["answer"])


def _has_count(text: str, place: Place) -> Found | None:
    match = _HAS_COUNT.match(text)
    subject = match and subject_of(match["subject"])
    if not match or not subject or points_elsewhere(match["rest"]):
        return None
    asked = f"How many {match['unit']} do {lower_first(subject)} have{match['rest']}?"
    return Found(Intent.ATTRIBUTE, asked, match["answer"])


def _measure(text: str, place: Place) -> Found | None:
    match = _MEASURE.match(text)
    if not match or match["subject"].endswith(" value") or not _AMOUNT.search(match["answer"]):
        return None
    if points_elsewhere(match["subject"]) or VAGUE.search(match["subject"]):
        return None
    subject = lower_first(match["subject"])
    subject = subject if subject.startswith("the ") else f"the {subject}"
    asked = f"What {match['be']} {subject}"
    if re.search(r" (?:of|for|per|in) ", subject):
        return Found(Intent.ATTRIBUTE, f"{asked}?", match["answer"])
    topic = place.topic
    return Found(Intent.ATTRIBUTE, f"{asked} for {topic}?", match["answer"]) if topic else None


def _last(text: str, place: Place) -> Found | None:
    match = _LASTS.match(text)
    subject = match and subject_of(match["subject"])
    if not match or not subject:
        return None
    does = "does" if text[match.end("subject") :].startswith(" lasts") else "do"
    return Found(Intent.ATTRIBUTE, f"How long {does} {lower_first(subject)} last?", match["answer"])


def _within(text: str, place: Place) -> Found | None:
    match = _WITHIN.match(text)
    if not match or match["verb"].lower() not in BASE_VERBS or not fits(match["what"]):
        return None
    return Found(
        Intent.ATTRIBUTE,
        f"How soon do I have to {match['verb'].lower()} {asked_by_me(match['what'])}?",
        match["answer"],
    )


def _counted_list(text: str, place: Place) -> Found | None:
    match = _COUNTED_LIST.match(text)
    if not match or points_elsewhere(match["what"]):
        return None
    return Found(
        Intent.CONCEPTUAL, f"What are the {match['number'].lower()} {match['what']}?", match["answer"]
    )


# Best first.
AMOUNTS: tuple[Template, ...] = (
    _count_by_me,
    _count,
    _has_count,
    _keep,
    _last,
    _within,
    _measure,
    _counted_list,
)

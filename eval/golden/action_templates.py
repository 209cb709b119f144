"""Templates for sentences that say what somebody does, must do or may not do, and what then happens."""

import re

from eval.golden.subjects import is_name
from eval.golden.template_parts import (
    SPECIFIC_WORDS,
    Found,
    Place,
    Template,
    fits,
)
from eval.golden.types import Intent
from eval.golden.wording import BASE_VERBS, asked_by_me
from rag.words import content_words

LEAST_CONDITION = 4  # words: a subject and what it does
_PURPOSE_FIRST = re.compile(r"^To (?P<verb>[a-z]+)(?P<rest> [^,:;]+), (?P<answer>[^:]{10,})\.$")
_USE = re.compile(
    r"^(?:You (?P<modal>can |must |should )?use|Use) (?P<answer>(?:the |an? |your )?[^,:;]{3,60}?) "
    r"(?P<purpose>to (?P<verb>[a-z]+) [^,:;]+)\.$"
)
_BY_DOING = re.compile(
    r"^You can (?:also )?(?P<verb>[a-z]+) (?P<rest>[^,:;]+?) (?P<answer>by [a-z]+ing [^:;]+)\.$"
)
_CONDITION = re.compile(r"^(?P<word>If|When) (?P<condition>[^,:;]+), (?P<answer>[^:]{10,})\.$")
_WISH = re.compile(r"you (?:want|need|would like|wish) to (?P<wish>.+)")
_HAS_SUBJECT = re.compile(r"^(?:you|your|an?|the|any|no|all|[A-Z])\b|^[a-z]+s\b")
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|isn't|aren't|doesn't|don't|does|do|can|can't|cannot|must|fails?|you \w+|"
    r"[a-z]+(?:s|ed))\b"
)
_JUST_DOES = re.compile(r"^you (?!can |must |should |need to |have to |might |will )")
_ADVICE = re.compile(r"^(?:do not|don't|never|always|try|(?:on|in|under|from|at) the [^,;]+, [a-z]+ )\b")
_TO_ACT = re.compile(
    r"^(?:first,? |simply )?(?:you (?:can |must |should |need to |have to |will |first |also |either )*)?"
    r"(?P<verb>[a-z]+)\b"
)
_REST_OF_A_LIST = re.compile(r"^[\w ]{1,30}, (?:[\w ]{1,30}, )*(?:and|or) ")
_WILL_DO = re.compile(
    r"^(?P<who>you )?(?P<modal>can |must |should |need to |have to |might need to )?(?P<verb>[a-z]+)\b"
)
_REFUSED = re.compile(r"^You (?:can't|cannot|can not|may not|must not) (?P<rest>[^:;]{10,})\.$")
_DUE = re.compile(r"^You (?:must|need to|have to) (?P<rest>[^:;,]{10,})\.$")


def _purpose_first(text: str, place: Place) -> Found | None:
    match = _PURPOSE_FIRST.match(text)
    if not match or match["verb"] in {"be", "learn", "see", "do"} or not _tells_to_act(match["answer"]):
        return None
    asked = match["verb"] + match["rest"]
    return Found(Intent.QUESTION, f"How do I {asked_by_me(asked)}?", match["answer"]) if fits(asked) else None


def _use(text: str, place: Place) -> Found | None:
    match = _USE.match(text)
    if not match or match["verb"] not in BASE_VERBS or not fits(match["purpose"]):
        return None
    if re.match(r"(?:the )?following|this|these|it\b", match["answer"]):
        return None
    modal = "can" if match["modal"] == "can " or text.startswith("Use") else "do"
    return Found(Intent.ATTRIBUTE, f"What {modal} I use {asked_by_me(match['purpose'])}?", match["answer"])


def _by_doing(text: str, place: Place) -> Found | None:
    match = _BY_DOING.match(text)
    if not match or match["verb"] not in BASE_VERBS:
        return None
    asked = f"{match['verb']} {match['rest']}"
    return (
        Found(Intent.QUESTION, f"How can I {asked_by_me(asked)}?", match["answer"]) if fits(asked) else None
    )


def _condition(text: str, place: Place) -> Found | None:
    match = _CONDITION.match(text)
    if not match:
        return None
    condition = match["condition"]
    stands = (
        _HAS_SUBJECT.match(condition)
        and _FINITE.search(condition)
        and len(condition.split()) >= LEAST_CONDITION
    )
    if not stands or not fits(condition):
        return None
    if match["word"] == "When" and _JUST_DOES.match(match["answer"]):
        return None
    answer = match["answer"].removeprefix("then ")
    if _REST_OF_A_LIST.match(answer):
        return None
    if wish := _WISH.match(condition):
        return Found(Intent.QUESTION, f"How do I {asked_by_me(wish['wish'])}?", answer)
    asked = f"{_asked_for(answer)} {match['word'].lower()} {asked_by_me(condition)}?"
    return Found(Intent.QUESTION, asked, answer)


def _asked_for(consequence: str) -> str:
    """The question that such a consequence answers: something to do, or something that happens."""
    match = _WILL_DO.match(consequence)
    if _ADVICE.match(consequence):
        return "What should I do"
    if match is None or not (match["who"] or match["verb"] in BASE_VERBS):
        return "What happens"
    if match["who"] and not match["modal"]:
        return "What happens"
    return "What can I do" if match["modal"] == "can " else "What should I do"


def _tells_to_act(consequence: str) -> bool:
    """Whether it says what to do, and not what must be so."""
    match = _TO_ACT.match(consequence)
    is_amount = re.search(r"\buse at (?:least|most)\b", consequence)
    return match is not None and match["verb"] in BASE_VERBS and not is_amount


def _refuse(text: str, place: Place) -> Found | None:
    match = _REFUSED.match(text)
    if not match or not fits(match["rest"]):
        return None
    return Found(Intent.QUESTION, f"Can I {asked_by_me(match['rest'])}?", text)


def _owe(text: str, place: Place) -> Found | None:
    match = _DUE.match(text)
    if not match or not fits(match["rest"]) or match["rest"].startswith("be "):
        return None
    if len(set(content_words(match["rest"]))) <= SPECIFIC_WORDS and not is_name(match["rest"]):
        return None
    return Found(Intent.QUESTION, f"Do I have to {asked_by_me(match['rest'])}?", text)


# Best first.
ACTIONS: tuple[Template, ...] = (
    _purpose_first,
    _condition,
    _by_doing,
    _use,
    _refuse,
    _owe,
)

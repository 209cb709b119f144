"""English as templates need it: who speaks, which words point elsewhere, and forms of common verbs."""

import re

# What they mean stands in another sentence, or is shown on the page.
_POINTING = re.compile(
    r"\b(?:this|that|these|those|it|its|they|them|their|he|she|his|her|itself|themselves|following|above|"
    r"below|here|there|previous|previously|earlier|preceding|such|same|steps?|examples?|tutorial|"
    r"procedure|screenshot|diagram|former|latter|one|ones|otherwise|then|instead|first|second|last|see|"
    r"etc|also|now|too|both|either|i\.e|e\.g|respectively|we|our|us|current|specified|requested|new|others?|"
    r"another|additional|remaining|relevant|appropriate|corresponding|in question|complete set|various|"
    r"certain|"
    r"(?:the|in|on|next) (?:section|page|topic|guide|chapter|figure|table|note))\b",
    re.IGNORECASE,
)
_PERSONS = (
    (re.compile(r"\byou're\b", re.IGNORECASE), "I'm"),
    (re.compile(r"\byou've\b", re.IGNORECASE), "I've"),
    (re.compile(r"\byou'll\b", re.IGNORECASE), "I'll"),
    (re.compile(r"\byou are\b", re.IGNORECASE), "I am"),
    (re.compile(r"\byourself\b", re.IGNORECASE), "myself"),
    (re.compile(r"\byours\b", re.IGNORECASE), "mine"),
    (re.compile(r"\byour\b", re.IGNORECASE), "my"),
)
_BEFORE_OBJECT = re.compile(
    r"\b(?:for|to|with|by|of|from|on|let|lets|allow|allows|enable|enables|help|helps|give|gives|tell|tells|"
    r"send|sends|show|shows|require|requires|cost|notify|notifies|charge|charges|warn|warns|want|ask|asks)"
    r" you\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\byou\b", re.IGNORECASE)
_VERBS = """
    access acknowledge activate add adjust allow analyze apply approve archive arrange ask assign
    associate attach authenticate authorize back block book build calculate call cancel change check
    choose claim clean clear click clone close collect combine compare compile complete compress compute
    configure confirm connect contact control convert copy count create customize debug declare decode
    decrease decrypt define delete deploy deregister describe detach detect determine develop disable
    disconnect discover display download drag edit enable encode encrypt enroll ensure enter estimate
    evaluate examine exclude execute export extend extract fetch filter find fix format generate get
    give grant group hand handle identify implement import improve include increase initialize inspect
    install instrument integrate invoke join launch leave limit link list load lock log look maintain
    make manage map mark measure merge migrate modify monitor mount move navigate open optimize order
    override package pass pause perform plan plot prepare press prevent process protect provide
    provision publish pull push put query reactivate read reboot rebuild receive reconfigure reconnect
    recover redeploy reduce refresh register reinstall reject remove rename renew reopen repair replace
    replicate report request require reset resolve respond restart restore restrict resume retrieve
    retry return review revoke rewrite rotate route run save scale schedule search secure select send
    set share show sign specify split start stop store stream submit subscribe swap switch sync
    synchronize tag take test track train transfer transform travel troubleshoot try tune turn type
    understand undo uninstall unlock unsubscribe update upgrade upload use validate verify view
    visualize wait watch withdraw work write
"""
BASE_VERBS = frozenset(_VERBS.split())
_DOUBLED = frozenset(
    {"get", "put", "run", "set", "stop", "tag", "log", "map", "plan", "plot", "split", "swap"}
)


def points_elsewhere(text: str) -> bool:
    """Whether a word of it can only be understood with what stands around it."""
    return _POINTING.search(text) is not None


def asked_by_me(text: str) -> str:
    """What is said to "you", as the one who is meant would say it."""
    for pattern, replacement in _PERSONS:
        text = pattern.sub(replacement, text)
    text = _BEFORE_OBJECT.sub(lambda found: found[0][:-3] + "me", text)
    return _SUBJECT.sub("I", text)


def base_of(gerund: str) -> str | None:
    """The verb of a form in -ing, if it is a common one."""
    return _GERUNDS.get(gerund.lower())


def base_of_third_person(verb: str) -> str:
    """`supports` → `support`."""
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    if verb == "has":
        return "have"
    return verb[:-2] if verb.endswith(("sses", "shes", "ches", "xes")) else verb[:-1]


def lower_first(text: str) -> str:
    """The text within a sentence: its first letter small, unless it seems to be a name's."""
    first, _, rest = text.partition(" ")
    is_article = first.lower() in {"a", "an", "the"}
    is_word = first[1:].isalpha() and first[1:].islower()
    is_plain = rest == rest.lower() or rest.split(" ", 1)[0] in {"to", "of", "for", "from", "in", "on"}
    return text[:1].lower() + text[1:] if is_article or (is_word and is_plain) else text


def _gerund(verb: str) -> str:
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing"
    if verb.endswith("e") and not verb.endswith("ee"):
        return f"{verb[:-1]}ing"
    return f"{verb}ing"


_GERUNDS = {_gerund(verb): verb for verb in BASE_VERBS}

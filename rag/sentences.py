"""Where sentences begin and end, by rule.

First lines are gathered into blocks: a list item starts one, a blank line ends one, and a table row, a
Markdown heading, a rule and a line of fenced code are each a whole one, not cut further. Other line ends are
white space in running prose. Then a block is cut after full stops, question and exclamation marks that are
followed by white space and not by a small letter, unless the word before is an abbreviation, an initial or
the list item's own number. Chinese and Japanese stops need no white space. What is still longer than
`MAX_SENTENCE` characters is cut at a clause, else at white space, else anywhere.
"""

import re

Span = tuple[int, int]

MAX_SENTENCE = 1500  # characters; about 330 English word pieces, more than an embedder's chunk

_FENCE = re.compile(r"(`{3,}|~{3,})")
_OWN_LINE = re.compile(r"\||#{1,6}[ \t]|(?:[=_*-][ \t]*){3,}$")  # a table row, a heading, a rule
_LIST_ITEM = re.compile(r"(?:[-+*•‣◦▪●–]|\(?(?:\d{1,4}|[a-zA-Z]|[ivxIVX]{1,5})\\?[.)])[ \t]")
_STOP = re.compile(
    r"(?:[。！？｡．]+[」』”’）)\]】》]*"
    r"|[.!?…؟।॥۔](?<![.!?…][.!?…])[.!?…]*+[\"'”’»)\]}*_`]*+(?:\[\d{1,3}\])*+(?=\s))"
)
_WIDE = frozenset("。！？｡．")
_LAST_WORD = re.compile(r"[^\s(\[{\"'“‘«¿¡*_/—–]{1,20}$")
_NEXT = re.compile(r"[\s(\[{\"'“‘«¿¡*_`]*(\w+)?")
_LONGEST_ABBREVIATION = 20  # characters looked at before a full stop
_LONGEST_INDENT = 20  # characters before a list item's number

# Never the end of a sentence: something must follow.
_OPEN = frozenset(
    "mr mrs ms dr prof rev hon gen col capt lt sgt cmdr adm gov sen rep pres st mt messrs mme mlle sr. "  # noqa: SIM905
    "e.g eg i.e ie vs v cf viz approx ca resp incl excl esp al. fr hr z.b d.h u.a bzw ggf usw. vgl nr "
    "sig sra srta ud p.ej m".split()
)
# Not the end when a number follows.
_NUMBERED = frozenset(
    "no nos nr fig figs vol vols p pp ch chap art eq eqs sec sect para ref refs tab tbl app ver pt "  # noqa: SIM905
    "op pos § art jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# The end only when a word follows that often opens a sentence.
_CLOSED = frozenset(
    "etc inc ltd co corp llc plc bros dept univ assn est jr sr esq ph.d phd m.d b.a m.a a.m p.m u.s u.k u.n "  # noqa: SIM905
    "e.u d.c al ave blvd rd usw gmbh".split()
)
_OPENERS = frozenset(
    "a an the this that these those it he she we they i you his her its our their my your there here "  # noqa: SIM905
    "in on at by for from to with as if when while after before since because although though however "
    "but and or so then thus therefore also both all any some many most each every no not "
    "what who why how where which is are was were do does did can could should would may might".split()
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_CLAUSE = re.compile(r"[;:,—–؛،、；，](?=\s|[^\x00-\u2fff])")


def sentence_spans(text: str) -> list[Span]:
    """The sentences of `text` as `[start, end)` character offsets.

    They are in order, do not overlap, neither begin nor end with white space, are at most `MAX_SENTENCE`
    characters long, and hold every character that is not white space.
    """
    spans: list[Span] = []
    for start, end, whole in _blocks(text):
        at = start
        for stop in () if whole else _stops(text, start, end):
            _append(spans, text, at, stop)
            at = stop
        _append(spans, text, at, end)
    return spans


def _blocks(text: str) -> list[tuple[int, int, bool]]:
    """Runs of lines that belong together, and whether one is to stay whole; blank lines stand in none."""
    blocks: list[tuple[int, int, bool]] = []
    open_at = -1  # start of the block that is being gathered
    fence = ""
    at = 0
    for line in text.split("\n"):
        end = at + len(line)
        bare = line.strip()
        fence_here = _FENCE.match(bare)
        marker = fence_here[1] if fence_here else ""
        whole = bool(fence or marker) or _OWN_LINE.match(bare) is not None
        if open_at >= 0 and (not bare or whole or _LIST_ITEM.match(bare)):
            blocks.append((open_at, at, False))
            open_at = -1
        if whole and bare:
            blocks.append((at, end, True))
        elif bare and open_at < 0:
            open_at = at
        fence = _next_fence(fence, marker, bare)
        at = end + 1
    if open_at >= 0:
        blocks.append((open_at, len(text), False))
    return blocks


def _next_fence(fence: str, marker: str, bare: str) -> str:
    """The code fence that is open after a line: it ends with as many of the same sign, and nothing else."""
    if not fence:
        return marker
    return "" if marker.startswith(fence) and marker == bare else fence


def _stops(text: str, start: int, end: int) -> list[int]:
    """The offsets in a block after which a new sentence begins."""
    return [
        found.end()
        for found in _STOP.finditer(text, start, end)
        if found[0][0] in _WIDE or _ends_sentence(text, start, found)
    ]


def _ends_sentence(text: str, start: int, found: re.Match[str]) -> bool:
    following = _NEXT.match(text, found.end())
    word = (following[1] or "") if following else ""
    if word[:1].islower():
        return found[0][0] in "!?؟" and len(found[0]) == 1
    if found[0][0] != "." or found[0].startswith(".."):
        return True
    before = text[max(start, found.start() - _LONGEST_ABBREVIATION) : found.start()]
    last = _LAST_WORD.search(before)
    if last is None:
        return True
    name = last[0].replace("\\", "")
    number_at = found.start() - len(last[0])
    if name.isdigit() and number_at - start < _LONGEST_INDENT and not text[start:number_at].strip("([ \t\n"):
        return False  # the number of a list item
    return not _abbreviates(name, word)


def _abbreviates(name: str, following: str) -> bool:
    lower = name.lower()
    if lower in _OPEN:
        return True
    if lower in _NUMBERED:
        return following[:1].isdigit()
    if lower in _CLOSED or _INITIALS.fullmatch(name):
        return following.lower() not in _OPENERS
    return False


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    """Add the stripped span, in pieces when it is too long."""
    piece = text[start:end]
    bare = piece.strip()
    if not bare:
        return
    at = start + len(piece) - len(piece.lstrip())
    end = at + len(bare)
    while end - at > MAX_SENTENCE:
        cut = _cut(text, at, at + MAX_SENTENCE)
        stripped = text[at:cut].rstrip()
        spans.append((at, at + len(stripped)))
        at = cut
        while text[at].isspace():
            at += 1
    spans.append((at, end))


def _cut(text: str, start: int, limit: int) -> int:
    """Where to cut between `start` and `limit`: after the last clause or white space of the second half."""
    middle = start + (limit - start) // 2
    cut = -1
    for found in _CLAUSE.finditer(text, middle, limit):
        cut = found.end()
    if cut > 0:
        return cut
    for at in range(limit, middle, -1):
        if text[at - 1].isspace() or text[at].isspace():
            return at
    return limit

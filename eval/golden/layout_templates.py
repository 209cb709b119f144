"""Questions from a chunk's layout: steps below a heading, announced lists, terms and tables."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from eval.golden.plain import Statement, plain
from eval.golden.subjects import is_name, subject_of
from eval.golden.template_parts import MAX_ANSWER, Found, Place, is_fit, is_specific
from eval.golden.types import Intent
from eval.golden.wording import (
    BASE_VERBS,
    asked_by_me,
    base_of,
    base_of_third_person,
    lower_first,
    points_elsewhere,
)
from rag.words import content_words

Located = tuple[Found, int, int]  # with the place in the chunk of what says the answer

LEAST_ITEMS = 2  # fewer are no list
MOST_STEPS, MOST_ITEMS = 4, 12
LEAD = 3  # statements between a heading and its first step
LEAST_NEW = 3  # content words that a term's explanation must add to it
MAX_CELL = 25  # words
MAX_LABEL = 6  # words of a table's header, and of the first cell of a row
_TO = re.compile(r"^(?:How to|To)\s+", re.IGNORECASE)
ABBREVIATION = 5  # capitals; longer words are only set in them
MAX_HEADING = 12  # words
_TWO_THINGS = re.compile(r"[:?;]| and \w+ing\b")
_TAIL = re.compile(r"\s*[:.]$|\s+\((?:console|cli|api|optional)\)$", re.IGNORECASE)
_FOLLOWING = re.compile(
    r"^(?P<subject>[^,;:]{2,60}?) (?P<verb>supports?|includes?|contains?|"
    r"provides?|has|have|accepts?|requires?|offers?) "
    r"the following (?P<what>[a-z][\w-]*(?: [\w-]+){0,3})(?: \(.*\))?:$"
)
_I_CAN = re.compile(
    r"^You can (?P<verb>[a-z]+) (?:any of |one of )?the following (?P<what>[a-z][\w-]*(?: [\w-]+){0,3}?)"
    r"(?P<rest> (?:to|for|with|in|from|on|of) [^,;:]+)?:$"
)
_TERM = re.compile(r"^(?P<term>[^–—:]{2,60}?)(?: \([^()]*\))?(?: [–—-]+ |: )(?P<answer>.{15,})$")
_BEHIND_TERM = re.compile(r" [–—-]+ |: ")
# A noun phrase, not a sentence: no finite verb before a relative clause.
_SAYS_WHAT = re.compile(
    r"^(?:An?|The) (?!(?:(?!that |which )\S+ ){0,8}(?:can|must|will|should|may|is|are|was|were|has|have) )"
)
_CELL = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"^[\s|:-]+$")
_HEADER = re.compile(r"^[A-Z][\w-]*(?: \w[\w-]*){0,4}$")
_NOT_AN_ATTRIBUTE = re.compile(
    r"^(?:descriptions?|meanings?|definitions?|notes?|comments?|details?|examples?|yes|no|more|values?|link|"
    r"type|data type|change|date|names?)$",
    re.IGNORECASE,
)


def layout_questions(text: str, said: Sequence[Statement], place: Place) -> Iterator[Located]:
    """What a chunk's layout asks and answers, best first."""
    yield from table_questions(text)
    yield from step_questions(said)
    yield from list_questions(text, said, place)
    yield from term_questions(said, place)


def step_questions(said: Sequence[Statement]) -> Iterator[Located]:
    """A heading that names something to do, and the steps right below it."""
    for at, heading in enumerate(said):
        asked = _to_do(heading.text) if heading.is_heading else None
        steps = _steps(said[at + 1 :]) if asked else []
        answer = " ".join(step.text for step in steps)
        if asked and steps and len(answer.split()) <= MAX_ANSWER * 2:
            yield (
                Found(Intent.QUESTION, f"How do I {asked_by_me(asked)}?", answer),
                steps[0].start,
                steps[-1].end,
            )


def _to_do(heading: str) -> str | None:
    """The heading as what somebody does, from its verb on."""
    bare = _TAIL.sub("", _TO.sub("", heading))
    first, _, rest = bare.partition(" ")
    verb = base_of(first) or (first.lower() if first.lower() in BASE_VERBS else None)
    is_fit = is_specific(bare.lower()) and len(rest.split()) <= MAX_HEADING and not _TWO_THINGS.search(rest)
    return f"{verb} {rest}" if verb and is_fit and not points_elsewhere(rest) else None


def _steps(said: Sequence[Statement]) -> list[Statement]:
    """The numbered items near the beginning, until the next heading; none if there are fewer than two."""
    steps: list[Statement] = []
    for at, statement in enumerate(said):
        if statement.is_heading or (not steps and at >= LEAD):  # an announcement may stand between
            break
        if statement.is_step or steps:
            steps.append(statement)
    numbered = sum(step.is_step for step in steps)
    return steps if LEAST_ITEMS <= numbered <= MOST_STEPS else []


def list_questions(text: str, said: Sequence[Statement], place: Place) -> Iterator[Located]:
    """A sentence that announces a list, and the list, if it ends before the chunk does."""
    for at, lead in enumerate(said):
        asked = _asked_of(lead.text, place)
        items = _items(said[at + 1 :]) if asked else []
        ends_here = items and text[items[-1].end :].strip()
        answer = "; ".join(_term_of(item.text) for item in items)
        if (
            asked
            and ends_here
            and LEAST_ITEMS <= len(items) <= MOST_ITEMS
            and len(answer.split()) <= MAX_ANSWER * 2
        ):
            yield Found(Intent.CONCEPTUAL, asked, answer), lead.start, items[-1].end


def _asked_of(lead: str, place: Place) -> str | None:
    if match := _I_CAN.match(lead):
        rest = match["rest"] or ""
        has_point = rest and match["verb"] in BASE_VERBS and not points_elsewhere(rest)
        return f"Which {match['what']} can I {match['verb']}{asked_by_me(rest)}?" if has_point else None
    match = _FOLLOWING.match(lead)
    subject = match and subject_of(match["subject"])
    if not match or not subject:
        return None
    if not (is_name(subject) or re.match(r"an? ", subject, re.IGNORECASE)):
        return None
    is_single = match["verb"] == "has" or (match["verb"].endswith("s"))
    verb = base_of_third_person(match["verb"]) if is_single else match["verb"]
    return f"Which {match['what']} {'does' if is_single else 'do'} {lower_first(subject)} {verb}?"


def _items(said: Sequence[Statement]) -> list[Statement]:
    """The items that follow at once, each by its first sentence."""
    items: list[Statement] = []
    for statement in said:
        if statement.is_heading or (not statement.is_item and not items):
            break
        if statement.is_item:
            items.append(statement)
    return items


def _term_of(item: str) -> str:
    return _BEHIND_TERM.split(item, maxsplit=1)[0].rstrip(".;, ")


def term_questions(said: Sequence[Statement], place: Place) -> Iterator[Located]:
    """List items of the form "term – what it is"."""
    topic = place.topic
    for statement in said if topic else ():
        match = _TERM.match(statement.text) if statement.is_item and statement.marked else None
        if match and _is_term(match["term"], statement) and _SAYS_WHAT.match(match["answer"]):
            term, known = match["term"], f"{match['term']} {topic}"
            new_words = set(content_words(match["answer"])) - set(content_words(known))
            asked = (
                f"What is {term}?" if term.lower() in str(topic).lower() else f"What is {term} in {topic}?"
            )
            found = Found(Intent.ATTRIBUTE, asked, match["answer"])
            if len(new_words) >= LEAST_NEW and is_fit(found):
                yield found, statement.start, statement.end


def _is_term(text: str, statement: Statement) -> bool:
    """Whether the item begins with it, set in bold or as code."""
    is_marked = statement.marked[0].strip(" :–") == text
    return is_marked and len(text.split()) <= MAX_LABEL and not points_elsewhere(text)


def table_questions(text: str) -> Iterator[Located]:
    """Cells of tables, asked for by their row's first cell, if no other has it, and their column's header."""
    rows = list(_rows(text))
    labels = Counter(cells[0].lower() for _, cells, _, _ in rows)
    for header, cells, start, end in rows:
        if labels[cells[0].lower()] == 1:
            yield from _row_questions(header, cells, start, end)


def _rows(text: str) -> Iterator[tuple[list[str], list[str], int, int]]:
    """Each table row with its header and its place."""
    header: list[str] = []
    at = 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        is_row = line.strip().startswith("|")
        cells = [plain(cell) for cell in _CELL.split(line.strip().strip("|"))] if is_row else []
        if len(cells) < LEAST_ITEMS:
            header = []
        elif not header:
            header = cells
        elif not _RULE.match(line) and len(cells) == len(header):
            yield header, cells, start, start + len(line)


def _row_questions(header: Sequence[str], cells: Sequence[str], start: int, end: int) -> Iterator[Located]:
    label = cells[0]
    if not _is_label(label) or not _HEADER.match(header[0]):
        return
    for name, cell in zip(header[1:], cells[1:], strict=True):
        is_attribute = (
            _HEADER.match(name) and not _NOT_AN_ATTRIBUTE.match(name) and not points_elsewhere(name)
        )
        is_value = cell and cell.strip("-–—") and 1 <= len(cell.split()) <= MAX_CELL
        if (
            is_attribute
            and is_value
            and any(map(str.isalnum, cell))
            and cell.lower() not in {"yes", "no", "n/a"}
        ):
            be = "are" if name.endswith("s") and not name.endswith("ss") else "is"
            asked = f"What {be} the {_as_words(name)} for {lower_first(label)}?"
            found = Found(Intent.ATTRIBUTE, asked, cell.rstrip("*"))
            if is_fit(found):
                yield found, start, end


def _as_words(header: str) -> str:
    """A header as it is said: small letters, but for abbreviations."""
    return " ".join(
        word.lower() if word[1:].islower() or len(word) > ABBREVIATION else word for word in header.split()
    )


def _is_label(text: str) -> bool:
    words = text.split()
    return 0 < len(words) <= MAX_LABEL and not points_elsewhere(text) and any(map(str.isalpha, text))

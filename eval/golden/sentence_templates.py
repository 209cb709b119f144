"""Questions from single sentences: each template knows one form of sentence, and leaves all others alone."""

import re
from collections.abc import Iterator

from eval.golden.action_templates import ACTIONS
from eval.golden.amount_templates import AMOUNTS
from eval.golden.concept_templates import CONCEPTS, define
from eval.golden.plain import Statement
from eval.golden.template_parts import Found, Place, Template, is_fit, without_reference

# Best first: what asks for one fact is sure of it, and yes or no comes last.
TEMPLATES: tuple[Template, ...] = (*AMOUNTS, *CONCEPTS, *ACTIONS)


def questions_of(statement: Statement, place: Place) -> Iterator[tuple[int, Found]]:
    """What each template makes of a sentence, with the template's rank: the lower, the better."""
    for rank, template in enumerate(TEMPLATES):
        found = template(without_reference(statement.text), place)
        if found and is_fit(found):
            yield rank, found


def definition_of(statement: Statement, place: Place) -> tuple[str, Found] | None:
    """What the sentence defines, without an article, and the question for it."""
    found = define(without_reference(statement.text), place)
    if found is None or not is_fit(found):
        return None
    return re.sub(r"^What (?:is|are) (?:an? |the )?", "", found.question)[:-1], found

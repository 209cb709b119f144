"""Questions without a language model: forms of English sentences and of layout, turned round by rule.

After Heilman and Smith, "Good Question! Statistical Ranking for Question Generation", NAACL 2010, without a
parser: a template that isn't sure of a sentence leaves it alone, so that there are few questions, but such as
can be asked. The answer is always a part of the text.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from db.repositories.golden_set import StoredChunk
from eval.golden.layout_templates import layout_questions
from eval.golden.plain import statements
from eval.golden.sentence_templates import definition_of, questions_of
from eval.golden.template_parts import Found, Place
from eval.golden.types import Draft, Intent, Written
from rag.ports import Passage
from rag.words import content_words

VERSION = "template-1"
KIND_WORDS = 3  # content words that a definition begins with
LANGUAGES = frozenset({None, "en"})  # a chunk in no language, such as a table, mostly has English words


class TemplateWriter:
    """`QuestionWriter` that needs no model. Of chunks in other languages than English it makes nothing."""

    name = "template"
    version = VERSION

    def looks_for(self, chunk: StoredChunk) -> str:
        """The first thing that the chunk defines; nothing, if it defines none."""
        return next((draft.question for _, draft in _definitions(chunk.passage)), "")

    async def write(
        self, chunk: StoredChunk, others: Sequence[Passage], intents: Collection[Intent]
    ) -> Written:
        """Questions of these intents, each sentence used once."""
        if chunk.language not in LANGUAGES:
            return Written()
        drafts = [*_own(chunk.passage), *_comparisons(chunk.passage, others)]
        return Written([draft for draft in drafts if draft.intent in intents])


def _own(passage: Passage) -> Iterator[Draft]:
    """What the chunk alone says, the surest templates first."""
    place = Place.of(passage)
    said = statements(passage.text)
    ranked = sorted(
        (
            (rank, at, found)
            for at, statement in enumerate(said)
            if not statement.is_heading
            for rank, found in questions_of(statement, place)
        ),
        key=lambda each: each[:2],
    )
    used: set[int] = set()
    for _, at, found in ranked:
        if at not in used:
            used.add(at)
            yield _draft(found, passage, said[at].start, said[at].end)
    for found, start, end in layout_questions(passage.text, said, place):
        yield _draft(found, passage, start, end)


def _draft(found: Found, passage: Passage, start: int, end: int) -> Draft:
    return Draft(found.intent, found.question, found.answer, passage.text[start:end])


def _comparisons(passage: Passage, others: Sequence[Passage]) -> Iterator[Draft]:
    """What differs between something that the chunk defines and something that another chunk does."""
    own = next(_definitions(passage), None)
    if own is None:
        return
    name, draft = own
    for other in others:
        for other_name, theirs in _definitions(other):
            if _are_comparable(draft, theirs) and not _overlap(name, other_name):
                yield replace(
                    draft,
                    intent=Intent.COMPARATIVE,
                    question=f"What is the difference between {_named(draft)} and {_named(theirs)}?",
                    answer=f"{_said(draft)} {_said(theirs)}",
                    other=other,
                    other_evidence=theirs.evidence,
                )
                return


def _definitions(passage: Passage) -> Iterator[tuple[str, Draft]]:
    place = Place.of(passage)
    for statement in statements(passage.text):
        found = None if statement.is_heading else definition_of(statement, place)
        if found:
            yield found[0], _draft(found[1], passage, statement.start, statement.end)


def _are_comparable(own: Draft, theirs: Draft) -> bool:
    """Whether they are of one kind: a definition begins with what kind of thing it is."""
    if own.answer == theirs.answer:
        return False
    kinds = (frozenset(content_words(each.answer)[:KIND_WORDS]) for each in (own, theirs))
    return bool(frozenset.intersection(*kinds))


def _overlap(name: str, other: str) -> bool:
    return name.lower().rstrip("s") in other.lower() or other.lower().rstrip("s") in name.lower()


def _named(definition: Draft) -> str:
    """The subject as its question names it: behind "What is" or "What are"."""
    return definition.question.split(" ", 2)[2].rstrip("?")


def _said(definition: Draft) -> str:
    verb = definition.question.split(" ", 2)[1]
    subject = _named(definition)
    return f"{subject[:1].upper()}{subject[1:]} {verb} {definition.answer}."

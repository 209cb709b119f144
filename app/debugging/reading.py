"""Reads a question's passages again with the local model, to tell which of them answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from app.debugging.causes import BestPassage, Place, Reading
from rag.cite import support
from rag.models.answer_selection import AnswerSelector, Selection
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.ports import Passage
from rag.sentences import sentence_spans

SAME = 0.6  # share of its words that an answer holds which says the same
READ = 12  # passages of each place: the nearest


@dataclass(frozen=True, slots=True)
class PlacedPassage:
    """A passage, and where it was when the question was asked; `causes.BestPassage` says what the rest is.

    `score` is its similarity to the question in a search of today.
    """

    passage: Passage
    place: Place
    rank: int | None = None
    left_out_by: str | None = None
    score: float | None = None


Select = Callable[[Sequence[PlacedPassage]], Selection]


def read_passages(
    selector: AnswerSelector,
    question: str,
    answer: str,
    cited: Sequence[str],
    passages: Sequence[PlacedPassage],
) -> Reading | None:
    """How likely the passages answer, and which of them best; None without a passage.

    Args:
        selector: The local model.
        question: As it was asked.
        answer: As it was given; empty for an abstention.
        cited: Ids of the chunks that it cites.
        passages: All that are known, nearest first.
    """
    known = [each for place in Place for each in [p for p in passages if p.place is place][:READ]]
    if not known:
        return None
    known.sort(key=lambda each: each.rank or len(known))  # the local model prefers what comes first
    prompt = [each for each in known if each.place is Place.PROMPT]
    select = partial(_select, selector, question)
    overall = select(known)
    in_prompt = select(prompt).answerable if prompt else 0.0
    return Reading(
        in_prompt=in_prompt,
        overall=overall.answerable,
        threshold=ANSWER_THRESHOLD,
        best=_best(select, overall, known, answer, cited),
    )


def _best(
    select: Select,
    selection: Selection,
    known: Sequence[PlacedPassage],
    answer: str,
    cited: Sequence[str],
) -> BestPassage | None:
    """The passage that answers best by itself, of the one or two that are picked from."""
    if not selection.picks:
        return None
    picked = [known[at] for at in sorted({pick.source for pick in selection.picks})]
    found = max(picked, key=lambda each: select([each]).answerable)
    chunk_id = str(found.passage.chunk_id)
    quotes = [pick.text for pick in selection.picks if known[pick.source] is found]
    says_it = any(support(quote, answer) >= SAME for quote in quotes)
    return BestPassage(
        chunk_id=chunk_id,
        source_document_id=found.passage.source_document_id,
        place=found.place,
        rank=found.rank,
        left_out_by=found.left_out_by,
        is_used=chunk_id in cited or says_it,
    )


def _select(selector: AnswerSelector, question: str, passages: Sequence[PlacedPassage]) -> Selection:
    texts = [each.passage.text for each in passages]
    return selector.select(question, [[text[a:b] for a, b in sentence_spans(text)] for text in texts])

"""Which answers are worth a person's look.

- downvoted: its user said so.
- abstained_but_answerable: it says that there is no answer, and what a search finds today answers.
- low_groundedness: what it cites supports it less likely than not.
- reformulated: the client says so, or the next question of the conversation, within ten minutes, means nearly
  the same.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from feedback.triage.types import AskedQuestion, Reason, SelectedQuestion

SOON = timedelta(minutes=10)
# Cosine of MiniLM between two questions. It finds under half of all rewordings, and takes some near misses
# for one (docs/feedback.md, "Curated answers"): a person sees what comes of it.
SAME_NEED = 0.75


def reformulated(questions: Sequence[AskedQuestion], vectors: NDArray[np.float32]) -> frozenset[UUID]:
    """Traces of the questions that were asked again soon, in other words or the same.

    Args:
        questions: In any order.
        vectors: One of length 1 for each of them.
    """
    conversations: dict[UUID, list[int]] = defaultdict(list)
    for at, asked in enumerate(questions):
        if asked.conversation_id is not None:
            conversations[asked.conversation_id].append(at)
    found = {asked.trace_id for asked in questions if asked.was_reformulated}
    for members in conversations.values():
        members.sort(key=lambda at: questions[at].asked_at)
        for first, second in pairwise(members):
            soon = questions[second].asked_at - questions[first].asked_at <= SOON
            if soon and float(vectors[first] @ vectors[second]) >= SAME_NEED:
                found.add(questions[first].trace_id)
    return frozenset(found)


def select(
    questions: Sequence[AskedQuestion],
    *,
    answerable: Collection[UUID],
    ungrounded: Collection[UUID],
    asked_again: Collection[UUID],
) -> list[SelectedQuestion]:
    """Those with a reason, the strongest reason first, and of the same one the newest.

    Args:
        questions: All that are looked at.
        answerable: Traces of abstentions whose question can be answered today.
        ungrounded: Traces of answers that their sources don't support.
        asked_again: Traces of questions that were asked again.
    """
    found = []
    for asked in questions:
        holds = {
            Reason.DOWNVOTED: asked.is_downvoted,
            Reason.ABSTAINED_BUT_ANSWERABLE: asked.abstained and asked.trace_id in answerable,
            Reason.LOW_GROUNDEDNESS: not asked.abstained and asked.trace_id in ungrounded,
            Reason.REFORMULATED: asked.trace_id in asked_again,
        }
        if reasons := tuple(reason for reason in Reason if holds[reason]):
            found.append(SelectedQuestion(asked, reasons))
    newest = sorted(found, key=lambda one: (one.asked.asked_at, one.asked.request_id), reverse=True)
    return sorted(newest, key=strength)


def strength(selected: SelectedQuestion) -> tuple[int, bool]:
    """Sorts the strongest reason first, and first of all what comes with a correction."""
    return list(Reason).index(selected.reasons[0]), selected.asked.correction is None

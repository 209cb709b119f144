"""Which passages go into the prompt."""

from collections.abc import Sequence

from rag.ports import RetrievedPassage

# Delimiters, number and title around each source in the prompt.
SOURCE_OVERHEAD = 30


def fill_budget(passages: Sequence[RetrievedPassage], *, budget: int) -> list[RetrievedPassage]:
    """The passages that fit into `budget` tokens together, in their order; one too large is passed over.

    The best passage always goes in: a budget below its size is a wrong setting, not a reason to be silent.
    """
    chosen: list[RetrievedPassage] = []
    left = budget
    for passage in passages:
        cost = passage.passage.token_count + SOURCE_OVERHEAD
        if not chosen or cost <= left:
            chosen.append(passage)
            left -= cost
    return chosen


def enough_evidence(passages: Sequence[RetrievedPassage], *, floor: float) -> bool:
    """Whether the nearest passage is near enough to be worth a model's time.

    Args:
        passages: What goes into the prompt.
        floor: Least cosine similarity of the best passage. Where no vector search ran, the words that
            matched are the evidence.
    """
    if not passages:
        return False
    cosines = [p.vector_score for p in passages if p.vector_score is not None]
    return not cosines or max(cosines) >= floor or any(p.vector_score is None for p in passages)

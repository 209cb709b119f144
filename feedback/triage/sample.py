"""A few questions that stand for all: copies left out, and the rest chosen to lie far apart.

Greedy k-centre: each next one is that which is farthest from those chosen already, which covers the rest at
most twice as far as the best choice of as many would (Gonzalez: "Clustering to minimize the maximum
intercluster distance", Theoretical Computer Science 1985). The first of each tier is chosen by chance.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAME_QUESTION = 0.93  # cosine of MiniLM; as for generated sets


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of the sample: its place among all, and how many of them it stands for, itself counted."""

    place: int
    stands_for: int


def distinct(vectors: Floats) -> list[int]:
    """Places of the vectors that are no copy of an earlier one, in order."""
    kept: list[int] = []
    for at in range(len(vectors)):
        if not kept or float((vectors[kept] @ vectors[at]).max()) < SAME_QUESTION:
            kept.append(at)
    return kept


def spread(vectors: Floats, tiers: Sequence[int], *, most: int, seed: int) -> list[Chosen]:
    """At most so many of the vectors, of the lowest tier as far as there is room, then of the next.

    Args:
        vectors: Of length 1, (n, d).
        tiers: One for each of them.
        most: How many to choose.
        seed: Of the choice.
    """
    places = distinct(vectors)
    chosen: list[int] = []
    for tier in sorted({tiers[at] for at in places}):
        members = [at for at in places if tiers[at] == tier]
        chosen += _farthest(vectors, members, chosen, most - len(chosen), seed)
    if not chosen:
        return []
    nearest = (vectors @ vectors[chosen].T).argmax(axis=1)
    counts = np.bincount(nearest, minlength=len(chosen))
    found = [Chosen(place, int(count)) for place, count in zip(chosen, counts, strict=True)]
    return sorted(found, key=lambda one: one.place)


def _farthest(
    vectors: Floats, members: Sequence[int], chosen: Sequence[int], room: int, seed: int
) -> list[int]:
    """So many of the members, each the farthest from `chosen` and those before it."""
    left, added = list(members), list[int]()
    while left and len(added) < room:
        centres = [*chosen, *added]
        if centres:
            nearness = (vectors[left] @ vectors[centres].T).max(axis=1)
            at = int(nearness.argmin())
        else:
            at = random.Random(seed).randrange(len(left))  # noqa: S311 - not a secret
        added.append(left.pop(at))
    return added

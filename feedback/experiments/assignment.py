"""Which variant of an experiment a subject gets: computed, never stored, so every process gives the same.

Hashes decide, salted with the experiment's salt and key, so that none says anything of another: one whether a
subject takes part, and one for each variant. A subject gets the variant with the lowest −ln(u) / weight, u
being its fraction for that variant (weighted rendezvous hashing). A variant's share is its weight / the sum
of weights.

A change of weights moves a subject only to a variant whose weight grew relative to that of the one it leaves.
If only one variant's weight changes, and its share by d, then exactly d of all subjects move, all of them to
it or from it; cumulative ranges would move more as soon as there are three. The order of the variants does
not matter, and a new one takes its subjects from all others alike.

Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 1998; with weights:
Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005.
"""

from collections.abc import Mapping
from hashlib import sha256
from math import isfinite, log

from rag.errors import InvalidInputError

_BITS = 53  # of a double's fraction, so that it stays below 1


def assign(experiment: str, salt: str, subject: str, weights: Mapping[str, float]) -> str:
    """The variant of a subject.

    Args:
        experiment: Key of the experiment.
        salt: The experiment's own; another one shuffles its subjects anew.
        subject: Who is assigned.
        weights: Of each variant, not necessarily adding up to 1; a weight of 0 gets nobody.

    Raises:
        InvalidInputError: A weight is negative or not a number, or none is above 0.
    """
    checked = positive_weights(weights)
    return min(checked, key=lambda variant: _arrival(salt, experiment, subject, variant) / checked[variant])


def takes_part(experiment: str, salt: str, subject: str, share: float) -> bool:
    """Whether a subject is one of the share that takes part; a larger share only adds subjects.

    Raises:
        InvalidInputError: The share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise InvalidInputError(f"share of traffic is {share}, not between 0 and 1")
    return _fraction("traffic", salt, experiment, subject) < share


def positive_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights without zeros.

    Raises:
        InvalidInputError: A weight is negative or not a number, or none is above 0.
    """
    for variant, weight in weights.items():
        if not isfinite(weight) or weight < 0:
            raise InvalidInputError(f"weight of {variant} is {weight}, not a number of 0 or more")
    positive = {variant: float(weight) for variant, weight in weights.items() if weight > 0}
    if not positive:
        raise InvalidInputError("no variant has a weight above 0")
    return positive


def _arrival(salt: str, experiment: str, subject: str, variant: str) -> float:
    """An exponentially distributed time: the earliest of several, each divided by its weight, wins."""
    return -log(1 - _fraction("variant", salt, experiment, subject, variant))


def _fraction(*parts: str) -> float:
    """A number from 0 to below 1, uniform over subjects. Lengths keep ("ab", "c") and ("a", "bc") apart."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    # A lone surrogate, which JSON can carry, has no UTF-8; it must not stop an answer.
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    whole = int.from_bytes(digest[:8], "big") >> (64 - _BITS)
    return whole / float(2**_BITS)

"""A drift state as bytes, some 40 KB of them at most, and back."""

import io
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from feedback.quality.drift import DriftState, Tally

VERSION = 1  # of the shapes below; a state of another version is begun anew
ARRAYS = ("centroids", "sizes", "products", "statistics")


def dump(state: DriftState) -> bytes:
    """Sums keep their full precision: differences of large ones matter."""
    tallies = [state.reference, *state.recent]
    columns = {each.name: np.array([getattr(one, each.name) for one in tallies]) for each in fields(Tally)}
    arrays = {name: getattr(state, name) for name in ARRAYS}
    written = io.BytesIO()
    numbers = {"version": np.array(VERSION), "compared": np.array(state.compared)}
    np.savez_compressed(written, allow_pickle=False, **numbers, **arrays, **columns)
    return written.getvalue()


def load(stored: bytes) -> DriftState:
    """The state; a new one where nothing, or another version's, is stored."""
    if not stored:
        return DriftState()
    with np.load(io.BytesIO(stored), allow_pickle=False) as read:
        if int(read["version"]) != VERSION:
            return DriftState()
        reference, *recent = _tallies({each.name: read[each.name] for each in fields(Tally)})
        return DriftState(
            reference=reference,
            recent=recent,
            compared=int(read["compared"]),
            **{name: read[name] for name in ARRAYS},
        )


def _tallies(columns: Mapping[str, NDArray[np.float64]]) -> list[Tally]:
    return [
        _tally({name: column[at] for name, column in columns.items()}) for at in range(len(columns["count"]))
    ]


def _tally(row: Mapping[str, NDArray[np.float64]]) -> Tally:
    return Tally(
        count=int(row["count"]),
        total=row["total"],
        clusters=row["clusters"],
        scores=row["scores"],
        scored=int(row["scored"]),
        low=int(row["low"]),
    )

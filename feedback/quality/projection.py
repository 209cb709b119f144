"""A question's vector in fewer dimensions, the same in every process and version.

Distances survive a projection onto random signs (Achlioptas, "Database-friendly random projections", 2003).
The signs come from a hash, so that a state that was stored yesterday fits the vectors of today.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of `DIMENSIONS` numbers for rows of any; squared lengths stay the same on average."""
    return vectors.astype(np.float64) @ _signs(vectors.shape[1])


@lru_cache(maxsize=4)
def _signs(dimensions: int) -> NDArray[np.float64]:
    drawn = hashlib.shake_256(b"projection of questions").digest(dimensions * DIMENSIONS // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(dimensions, DIMENSIONS)
    signs: NDArray[np.float64] = (2.0 * bits - 1.0) / np.sqrt(DIMENSIONS)
    return signs

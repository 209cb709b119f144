"""What training learns from: a question, the passages that were shown for it, and what was done with them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.analysis import analyse
from rag.models.rerank_features import FEATURES

DIGITS = 6  # of each feature, in the version of the data: the last bits differ from machine to machine
KEY_LENGTH = 16  # hexadecimal digits

Matrix = NDArray[np.float64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One answer, as somebody saw it.

    Attributes:
        question: Without personal data. It is compared with golden sets, and goes no further.
        passages: Names of what was shown, in the order on the screen, each once; then of what was found, not
            shown, and judged right later.
        shown: How many of them were shown.
        features: A row of `FEATURES` for each of these: (n, f).
        clicked: Which of them were used: clicked, copied, bought. Whoever did it saw the first more often.
        approved: Which of them a person judged right, by whatever else: cited in an answer that was rated
            good, or gold of a promoted case. Places have no part in that.
    """

    question: str
    passages: tuple[str, ...]
    shown: int
    features: Matrix
    clicked: Marks
    approved: Marks

    @property
    def key(self) -> str:
        """The same for the same question, whoever asks it and however it is typed."""
        return hashlib.sha256(normal_form(self.question).encode()).hexdigest()[:KEY_LENGTH]

    @property
    def is_telling(self) -> bool:
        """Whether something was used and something else was not."""
        used = self.clicked | self.approved
        return bool(used.any() and not used.all())


def normal_form(question: str) -> str:
    """The words of a question: neither case, punctuation, spaces nor Unicode forms make it another one."""
    return analyse(question)


def data_version(sessions: Sequence[Session]) -> str:
    """SHA-256 of all that training reads, in whatever order it was collected."""
    lines = sorted(json.dumps(_canonical(session)) for session in sessions)
    return hashlib.sha256("\n".join((*FEATURES, *lines)).encode()).hexdigest()


def _canonical(session: Session) -> list[object]:
    return [
        session.key,
        session.passages,
        session.shown,
        np.round(session.features, DIGITS).tolist(),
        session.clicked.tolist(),
        session.approved.tolist(),
    ]

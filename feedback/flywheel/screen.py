"""Keeping golden questions out of training: whoever learned them by heart would pass any gate.

`Screened` is the only thing that training takes, and `screen` the only thing that makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.answer_metrics import Encode
from feedback.flywheel.sessions import Session, normal_form
from rag.errors import InvalidInputError

# Cosine of MiniLM. Well below what counts as the same question elsewhere (0.93): a training question too few
# costs little, a golden one too many makes the gate's figures worthless.
TOO_NEAR = 0.80
_BATCH = 1024  # questions compared at a time


@dataclass(frozen=True, slots=True)
class Screened:
    """Sessions without golden questions, how many were left out, and the golden questions themselves."""

    sessions: tuple[Session, ...]
    left_out: int
    golden: tuple[str, ...]


def screen(sessions: Sequence[Session], golden: Sequence[str], encode: Encode) -> Screened:
    """Leave out sessions whose question is, or nearly is, a golden one.

    Args:
        sessions: All that were collected.
        golden: Questions of every set that decides about the model.
        encode: Gives vectors of length 1.

    Raises:
        InvalidInputError: There is no golden question, or nothing is left.
        ModelError: The encoder failed.
    """
    if not golden:
        raise InvalidInputError("without golden questions there is nothing to decide by")
    forms = {normal_form(question) for question in golden}
    asked = list(dict.fromkeys(session.question for session in sessions))
    unlike = [question for question in asked if normal_form(question) not in forms]
    near = _near(unlike, golden, encode)
    allowed = {question for question, is_near in zip(unlike, near, strict=True) if not is_near}
    kept = tuple(session for session in sessions if session.question in allowed)
    if sessions and not kept:
        raise InvalidInputError(f"all {len(sessions)} sessions ask questions of the golden set")
    return Screened(kept, len(sessions) - len(kept), tuple(golden))


def _near(questions: Sequence[str], golden: Sequence[str], encode: Encode) -> list[bool]:
    if not questions:
        return []
    judged = np.asarray(encode(list(golden)))
    found: list[bool] = []
    for start in range(0, len(questions), _BATCH):
        vectors = np.asarray(encode(list(questions[start : start + _BATCH])))
        found += ((vectors @ judged.T).max(axis=1) >= TOO_NEAR).tolist()
    return found

"""What may be asked and answered at all, judged by somebody else than the model that answers."""

from enum import StrEnum
from typing import Protocol


class Side(StrEnum):
    """Whose text it is."""

    QUESTION = "question"
    ANSWER = "answer"


class Guardrail(Protocol):
    """Judges texts."""

    async def check(self, text: str, side: Side) -> None:
        """Raises: BlockedError when the text must not pass."""
        ...

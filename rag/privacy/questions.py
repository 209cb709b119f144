"""Personal data in questions: taken out before they are stored, or before any model sees them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rag.errors import InvalidInputError
from rag.privacy.entities import DEFAULT_KINDS, PersonalDataDetector
from rag.privacy.redact import redact_text


class QuestionMode(StrEnum):
    """What becomes of personal data in a question."""

    OFF = "off"  # nothing
    LOG = "log"  # it is not stored
    MODEL = "model"  # nor does a model see it


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it may be used.

    Attributes:
        asked: What is looked for, and what models are told.
        stored: What may be kept.
        redacted: Which kinds of personal data were taken out.
    """

    asked: str
    stored: str
    redacted: tuple[str, ...] = ()


class QuestionRedactor:
    """Redacts questions.

    Args:
        detector: Finds personal data; nothing leaves the machine.
        mode: For tenants without a setting of their own.
    """

    def __init__(self, detector: PersonalDataDetector, mode: QuestionMode) -> None:
        self._detector = detector
        self._mode = mode

    async def read(self, text: str, tenant_settings: Mapping[str, Any]) -> Question:
        """The question as the tenant wants it to be used.

        Args:
            text: As it was asked.
            tenant_settings: What the tenant has of its own, of which `question_personal_data` is read.

        Raises:
            InvalidInputError: The tenant's setting is not one.
        """
        mode = self._mode_of(tenant_settings)
        if mode is QuestionMode.OFF:
            return Question(text, text)
        found = await asyncio.to_thread(self._detector.detect, text, None)
        kinds = tuple(sorted({finding.kind.value for finding in found if finding.kind in DEFAULT_KINDS}))
        redacted = redact_text(text, found, kinds=DEFAULT_KINDS)
        return Question(redacted if mode is QuestionMode.MODEL else text, redacted, kinds)

    def _mode_of(self, tenant_settings: Mapping[str, Any]) -> QuestionMode:
        own = tenant_settings.get("question_personal_data")
        try:
            return self._mode if own is None else QuestionMode(own)
        except ValueError as exc:
            raise InvalidInputError("the tenant's setting question_personal_data is not one") from exc

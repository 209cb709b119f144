"""Personal data taken out of what leaves the database; on this machine, as for questions."""

from collections.abc import Callable

from rag.privacy import PersonalDataDetector
from rag.privacy.entities import DEFAULT_KINDS
from rag.privacy.redact import redact_text

Redact = Callable[[str], str]


def redactor(detector: PersonalDataDetector) -> Redact:
    """Puts `[EMAIL]` and the like in place of what the detector finds."""

    def redact(text: str) -> str:
        return redact_text(text, detector.detect(text, None), kinds=DEFAULT_KINDS)

    return redact

from rag.privacy.chunks import chunks_without, kinds_in
from rag.privacy.detect import LocalDetector
from rag.privacy.entities import DEFAULT_KINDS, EntityKind, Finding, PersonalDataDetector
from rag.privacy.examine import DocumentFindings, examine
from rag.privacy.redact import PrivacyMode, Treated, apply, redact_text

__all__ = [
    "DEFAULT_KINDS",
    "DocumentFindings",
    "EntityKind",
    "Finding",
    "LocalDetector",
    "PersonalDataDetector",
    "PrivacyMode",
    "Treated",
    "apply",
    "chunks_without",
    "examine",
    "kinds_in",
    "redact_text",
]

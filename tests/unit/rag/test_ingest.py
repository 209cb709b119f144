"""What a version is known by: the file, and how it is read."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

from rag.ingest import READING_VERSION, IncomingFile, IngestionPolicy, _Content, _in_order, _reading
from rag.ports import SourceLabels
from rag.privacy import PrivacyMode

CONTENT = _Content(hashlib.sha256(b"any").digest(), 3)
FILE = IncomingFile(Path("a.pdf"), SourceLabels("a"), filename="a.pdf")
POLICY = IngestionPolicy()


def test_another_detector_reads_anew_where_personal_data_is_looked_for() -> None:
    def reading(mode: PrivacyMode, detector: str) -> bytes:
        return _reading(CONTENT, FILE, replace(POLICY, personal_data=mode, detector=detector), {})

    assert reading(PrivacyMode.REDACT, "local") != reading(PrivacyMode.REDACT, "comprehend")
    assert reading(PrivacyMode.OFF, "local") == reading(PrivacyMode.OFF, "comprehend")


def test_the_default_way_of_reading_leaves_no_trace() -> None:
    """Else every document would be read anew when a version of the service brings a new setting."""
    how = {
        "version": READING_VERSION,
        "content": CONTENT.sha256.hex(),
        "is_text": False,
        "filename": "a.pdf",
        "mime_type": None,
        "title": None,
        "policy": {name: value for name, value in asdict(POLICY).items() if name != "detector"},
    }
    plain = hashlib.sha256(json.dumps(how, sort_keys=True, default=_in_order).encode()).digest()
    assert _reading(CONTENT, FILE, POLICY, {}) == plain


def test_another_parser_or_language_reads_files_anew() -> None:
    ways = [{}, {"languages": "deu"}, {"languages": "fra"}, {"parser": "textract"}, {"parser": "docling"}]
    assert len({_reading(CONTENT, FILE, POLICY, way) for way in ways}) == len(ways)


def test_a_text_is_not_read_by_a_parser() -> None:
    text = IncomingFile.of_text("Text", "Title")
    assert _reading(CONTENT, text, POLICY, {"parser": "textract"}) == _reading(CONTENT, text, POLICY, {})

"""DetectPiiEntities of Amazon Comprehend, for what a pattern can find."""

import re
from typing import Any

from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.errors import ApiError

MOST_BYTES = 100_000
_PATTERNS = {
    "EMAIL": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "SSN": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "PHONE": re.compile(
        r"(?<![\w-])(?:\+\d{1,3}(?:[ -]?\d{2,5}){2,4}|(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4})(?![\w-])"
    ),
}


def detect_pii_entities(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    text = call.params["Text"]
    if call.params["LanguageCode"] not in {"en", "es"}:
        raise ApiError(
            400, "UnsupportedLanguageException", "The language of the input text is not supported."
        )
    if len(text.encode()) > MOST_BYTES:
        raise ApiError(
            400,
            "TextSizeLimitExceededException",
            "Input text size exceeds limit. Max length is 100000 bytes.",
        )
    found: dict[tuple[int, int], str] = {}
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            found.setdefault(match.span(), kind)
    return {
        "Entities": [
            {"Type": kind, "BeginOffset": begin, "EndOffset": end, "Score": 0.9999}
            for (begin, end), kind in sorted(found.items())
        ]
    }

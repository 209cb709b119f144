"""Values of attributes and texts of Office files."""

import re

from lxml import etree

from rag.parse.titles import tidy_title

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_VAL = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}val"
_FALSE = frozenset({"0", "false", "off", "none"})
_INTEGER = re.compile(r"\s*-?\d{1,15}\s*", re.ASCII)
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c]")
_UNSTORABLE = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PLACEHOLDER = re.compile(
    r"^Microsoft (?:Word|PowerPoint|Excel) - |^untitled|^(?:slide|document|dokument|presentation)\W*\d*$"
    r"|^(?=.{0,40}$).*PowerPoint"  # «PowerPoint Presentation» in any language
    r"|\.(?:docx?|pptx?|xlsx?|odt|pdf|rtf|txt|html?)$",
    re.IGNORECASE,
)


def unescape(text: str) -> str:
    """`text` with the escapes of ISO/IEC 29500 (ST_Xstring), such as `_x000D_`, resolved."""
    if "_x" not in text:
        return text
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return _UNSTORABLE.sub("", _LINE_BREAK.sub("\n", text))


def is_on(element: etree._Element | None) -> bool:
    """Whether a switch of Word's such as `<w:vanish/>` is there and not set to false."""
    return element is not None and is_true(element.get(_VAL), default=True)


def is_true(raw: str | None, *, default: bool = False) -> bool:
    """The truth value of an attribute; `default` when it is missing."""
    return default if raw is None else raw not in _FALSE


def sensible_title(raw: str | None) -> str | None:
    """`raw` on one line, unless it is empty, a file name or a placeholder."""
    title = tidy_title(raw or "")
    return title if any(map(str.isalpha, title)) and not _PLACEHOLDER.search(title) else None


def integer(raw: str | None, default: int = 0, *, least: int = 0, most: int = 1_000_000) -> int:
    """A whole number of an attribute, kept within bounds; `default` when it is missing or no number."""
    if raw is None or _INTEGER.fullmatch(raw) is None:
        return default
    return min(max(int(raw), least), most)

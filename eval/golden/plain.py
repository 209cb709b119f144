"""The statements of a chunk as plain text, each with its place in the chunk."""

import re
from dataclasses import dataclass

from rag.sentences import sentence_spans

_ANCHOR = re.compile(r"<a name=[^>]*>\s*(?:</a>)?|<[^<>\n]{1,80}>")
_IMAGE = re.compile(r"!\\?\[(?:\\.|[^\]\\])*\](?:\([^)]*\))?")
_LINK = re.compile(r"\[((?:[^\[\]\\]|\\.)*)\]\([^()\s]*(?:\([^()\s]*\))?[^()\s]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`+)")
_ITALIC = re.compile(r"(?<![\w*\\])[*_](?=\S)([^*_\n]+?)(?<=\S)[*_](?![\w*])")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>$~&:/=,;'\"@%^?])")
_BULLET = re.compile(r"\s*(?:[-+*•‣◦▪●–]|\(?(?:\d{1,3}|[a-z])\\?[.)])\s+")
_ORDERED = re.compile(r"\s*\d{1,3}\\?[.)]\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_CALLOUT = re.compile(r"^(?:Note|Important|Tip|Warning|Caution)\s+(?=[A-Z])")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, heading or list item.

    Attributes:
        text: Without marks of layout.
        start: Where it begins in the chunk's text; `end` is behind its last character.
        is_item: It begins a list item.
        is_step: It begins an item with a number.
        is_heading: It is a heading's line.
        marked: Terms that were set in bold or as code, in order.
    """

    text: str
    start: int
    end: int
    is_item: bool = False
    is_step: bool = False
    is_heading: bool = False
    marked: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Text without Markdown's and HTML's marks, on one line."""
    bare = _IMAGE.sub("", _ANCHOR.sub("", text))
    bare = _LINK.sub(r"\1", _LINK.sub(r"\1", bare))
    bare = _EMPHASIS.sub("", _ITALIC.sub(r"\1", bare))
    return _SPACES.sub(" ", _ESCAPE.sub(r"\1", bare)).strip()


def statements(text: str) -> list[Statement]:
    """The statements of a chunk's text in order; tables and code are left out."""
    found: list[Statement] = []
    in_code = False
    for start, end in sentence_spans(text):
        raw = text[start:end]
        if _FENCE.match(raw):
            in_code = not in_code
        elif not in_code and not raw.startswith("|"):
            found.append(_statement(raw, start, end))
    return [statement for statement in found if statement.text]


def _statement(raw: str, start: int, end: int) -> Statement:
    is_heading = raw.startswith("#")
    bullet = None if is_heading else _BULLET.match(raw)
    said = raw.lstrip("# ") if is_heading else raw[bullet.end() :] if bullet else raw
    marked = re.findall(r"\*\*([^*\n]{1,60})\*\*|`([^`\n]{1,60})`", said)
    return Statement(
        _CALLOUT.sub("", plain(said)),
        start,
        end,
        is_item=bullet is not None,
        is_step=bullet is not None and _ORDERED.match(raw) is not None,
        is_heading=is_heading,
        marked=tuple(plain(bold or code) for bold, code in marked),
    )

"""Pages that a server, a browser or a bot check shows instead of a document, and menus without a page.

Such a page is short and opens with what every page of its kind says. When that is taken away, hardly any
words of its own are left.
"""

import re
from collections.abc import Sequence

from rag.documents import ParsedDocument
from rag.quality.placeholder_phrases import CLOSINGS, LABEL_STARTS, LABELS, NOTICES
from rag.quality.rules import QualityRules

_LONGEST = 2500  # characters; what is longer says something of its own
_HEAD = 300  # characters at the top that hold the first lines of such a page
_OPENING_LINES = 3
_LEAD = 5  # words before a notice in a line that it opens: "We're sorry, but the"
_LONGEST_NOTICE = 25  # words; such a line explains
_MENU_LINES = 6  # a menu has more; a letter may end in two or three such lines
_LINE_END = re.compile(r"\n+|(?<=[.!?…])\s+|[。！？]|\s[|·•»>]\s")
_BETWEEN_LABELS = ("\n", " | ", " · ", " • ", " » ", " > ")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(r"^[\s*•·|>#-]+|[*_`]+")
_AROUND = "0123456789 .,:;!?()[]/|«»‹›→←…-"  # a label, besides its words
_WORD = re.compile(r"[^\W\d_]{2,}(?:['-][^\W\d_]+)*")
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STATUS_CODE = re.compile(r"(?:40[0-9]|410|429|50[0-4]|52[0-9])(?![\d.,])")
_STATUS = re.compile(r"(?:(?:http|error|status|code|:)\s?)+[45]\d\d\b.{,40}|(?:40[0-9]|410|429|50[0-4])\W*")


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split("|"))


_NOTICES, _CLOSINGS, _LABEL_STARTS = _phrases(NOTICES), _phrases(CLOSINGS), _phrases(LABEL_STARTS)
_LABELS = frozenset(_phrases(LABELS))


def find_placeholder(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when the page is an error, a check, a login or a menu, with few words of its own."""
    text = document.text.strip()
    if len(text) > _LONGEST:
        return None
    opening = _opening(text[:_HEAD])
    if opening is None and sum(map(text.count, _BETWEEN_LABELS)) < _MENU_LINES - 1:
        return None
    lines = [line for line in map(_plain, _LINE_END.split(text)) if line]
    rest = [line for line in lines if not _is_label(line)]
    if opening is None and len(lines) - len(rest) < _MENU_LINES:
        return None
    own_words = sum(_count_words(line) for line in rest if opening is None or not _is_notice(line))
    if own_words >= rules.min_own_words:
        return None
    if opening is not None:
        return f'the document is an error message or a login page: "{opening[:100]}"'
    return "the document is a menu, without the page that it belongs to"


def _opening(head: str) -> str | None:
    """A line at the top that says that the page is not there."""
    plain = _plain(head)
    notices = [notice for notice in _NOTICES if notice in plain]
    if not notices and not _STATUS_CODE.search(plain):
        return None
    lines = [line for line in map(_plain, _LINE_END.split(head)[:_OPENING_LINES]) if line]
    return next((line for line in lines if _opens_with(line, notices) or _STATUS.fullmatch(line)), None)


def _plain(line: str) -> str:
    """A line in small letters, without the marks of lists, links and emphasis."""
    if "](" in line:
        line = _LINK.sub(r"\1", line)
    return " ".join(_MARKUP.sub("", line).replace("’", "'").lower().split())


def _opens_with(line: str, notices: Sequence[str]) -> bool:
    for notice in notices:
        before, found, _ = line.partition(notice)
        if found and not before[-1:].isalnum() and _count_words(before) <= _LEAD:
            return True
    return False


def _is_notice(line: str) -> bool:
    """Whether a line is about the error; a long one explains something."""
    if not any(notice in line for notice in _NOTICES) and not any(closing in line for closing in _CLOSINGS):
        return _STATUS.fullmatch(line) is not None
    return _count_words(line) <= _LONGEST_NOTICE


def _is_label(line: str) -> bool:
    """Whether a line is that of a link, a button or a field, as in a menu or a form."""
    return line.strip(_AROUND) in _LABELS or line.startswith(_LABEL_STARTS)


def _count_words(line: str) -> float:
    """The words; two characters of a script without spaces are one."""
    return len(_WORD.findall(_IDEOGRAPH.sub(" ", line))) + len(_IDEOGRAPH.findall(line)) / 2

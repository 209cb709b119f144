"""Text that says the same again and again: one line, a few lines in turn, or one page."""

import re
import zlib
from collections import Counter
from collections.abc import Sequence

from rag.documents import ParsedDocument
from rag.parse.types import FileType
from rag.quality.rules import QualityRules

_ENOUGH_LINES = 8
_OFTEN = 4  # times that a line comes before it can be too often
_LONG_LINE = 300  # characters; longer ones are paragraphs, and are cut into sentences
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*")
_ROW = "|"  # begins a row of a table, and rows are often the same
_WORD_CHARACTER = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS = re.compile(r"[^\W\d_]+")
_SPACE = re.compile(r"\s+")
_COMPRESSIBLE = 1000  # characters; shorter text compresses badly whatever it says
_COMPRESSED_BLOCKS = 4
_MIN_COMPRESSED = 0.04  # of the bytes; good text, even lists of constants, has over 0.05
_PAGE_LETTERS = 100  # a page with fewer bears a title, or says that it is blank
_ENOUGH_PAGES = 5


def find_repetition(document: ParsedDocument, blocks: Sequence[str], rules: QualityRules) -> str | None:
    """Says so when a line, or a few, make up more of the text than allowed."""
    lines = split_lines(document)
    line, share = commonest_line(lines)
    if share > rules.max_repeated_line:
        return f'{share:.0%} of the text is the same line: "{line[:80]}"'
    repeated = repeated_share(lines)
    if repeated > rules.max_repeated_text:
        return f"{repeated:.0%} of the text only repeats what was said before"
    if compressed_share(blocks) < _MIN_COMPRESSED:
        return "the text consists of the same few words again and again"
    return None


def find_repeated_pages(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when a page comes more often than allowed; pages with little text don't count."""
    pages = Counter(map(str.strip, _pages(document)))
    for page, count in pages.most_common():
        if count <= rules.max_page_copies:
            return None
        if _count(_LETTERS, page) >= _PAGE_LETTERS:
            return f'the same page comes {count} times: "{" ".join(page.split())[:80]}"'
    return None


def find_blank_pages(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when most pages of several hold no text, as those of a scan without text recognition."""
    pages = _pages(document)
    blank = sum(_WORD_CHARACTER.search(page) is None for page in pages)
    if len(pages) < _ENOUGH_PAGES or blank <= rules.max_blank_pages * len(pages):
        return None
    return f"{blank} of {len(pages)} pages hold no text; they may be pictures or scans"


def commonest_line(lines: Counter[str]) -> tuple[str, float]:
    """A line that comes often, and its share of the characters."""
    if lines.total() < _ENOUGH_LINES:
        return "", 0.0
    line, count = max(lines.items(), key=lambda item: item[1] * len(item[0]))
    if count < _OFTEN:
        return "", 0.0
    return line, count * len(line) / _characters(lines)


def repeated_share(lines: Counter[str]) -> float:
    """Of the characters, those in lines that came before."""
    if lines.total() < _ENOUGH_LINES:
        return 0.0
    return 1 - sum(map(len, lines)) / _characters(lines)


def compressed_share(blocks: Sequence[str]) -> float:
    """How small the text gets by DEFLATE (RFC 1951), which leaves out what it has seen.

    1 for short text, and for tables of figures.
    """
    text = "\n".join(blocks[:: -(-len(blocks) // _COMPRESSED_BLOCKS)])
    if len(text) < _COMPRESSIBLE:
        return 1.0
    data = text.encode("utf-8", "replace")
    share = len(zlib.compress(data, level=1)) / len(data)
    is_numbers = 2 * _count(_LETTERS, text) < len(text) - _count(_SPACE, text) if share < 1 / 4 else True
    return 1.0 if is_numbers else share


def _pages(document: ParsedDocument) -> list[str]:
    """None of an archive or message: what is wrong with one file in it is not wrong with all."""
    if document.mime_type in {FileType.ZIP, FileType.EML}:
        return []
    return [document.text[page.start : page.end] for page in document.pages]


def split_lines(document: ParsedDocument) -> Counter[str]:
    """What could be repeated, but for rows: records, else lines with words, long ones cut into sentences."""
    text = document.text
    if len(document.records) >= _ENOUGH_LINES:
        records = (text[record.start : record.end].strip() for record in document.records)
        return Counter(record for record in records if not record.startswith(_ROW))
    lines: Counter[str] = Counter()
    for line, count in Counter(text.split("\n")).items():
        for part in _SENTENCE_END.split(line) if len(line) > _LONG_LINE else (line,):
            if _LETTER.search(part) and not part.startswith(_ROW):
                lines[part.strip()] += count
    return lines


def _characters(lines: Counter[str]) -> int:
    return sum(len(line) * count for line, count in lines.items())


def _count(runs: re.Pattern[str], text: str) -> int:
    """How many characters stand in runs of a kind."""
    return sum(map(len, runs.findall(text)))

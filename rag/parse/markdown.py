"""Markdown: the stored text is the source itself; headings and tables come from its block structure.

The blocks are CommonMark's. Tables are those of GitHub Flavored Markdown: to CommonMark each is a paragraph,
so they are looked for in the lines of paragraphs, and never in code.

Only the block rules run over the document (inline rules are slow, and matter only inside headings), so a
`#` in a code fence, an indented block or raw HTML is not a heading, and underlined headings are.
"""

import re
from itertools import accumulate, pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.documents import Heading, ParsedDocument, TableSpan
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n"
    r"(?=[^\n]*\S)"  # a rule before a paragraph is followed by a blank line
    r"(?:(?!(?:---|\.\.\.)[ \t]*(?:\n|\Z))[^\n]*\n)*"
    r"(?:---|\.\.\.)[ \t]*(?=\n|\Z)"
)
_YAML_KEY = re.compile(r"^[A-Za-z_][\w.-]*[ \t]*:(?:[ \t\n]|\Z)", re.MULTILINE)
_YAML_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
_RULE_SIGNS = frozenset("|:- \t")
_RULE_CELL = re.compile(":?-+:?")
_BAR = re.compile(r"(?<!\\)\|")
_QUOTES = ("'", '"')


def parse_markdown(text: str) -> ParsedDocument:
    """A document of decoded Markdown.

    The title is the front matter's, else the first level-1 heading. A heading inside a list or a quotation
    does not structure the document and is left out. A heading underlined with `===` or `---` spans its
    underline too.
    """
    front = _front_matter(text)
    # Blanked, not cut out, so that line numbers stay right.
    body = "\n" * front.count("\n") + text[len(front) :]
    blocks = MarkdownIt("commonmark").disable(["inline", "text_join"])
    environment: dict[str, Any] = {}
    tokens = blocks.parse(body, environment)
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    headings = _headings(tokens, starts, environment)
    title = _front_title(front) or next((h.title for h in headings if h.level == 1 and h.title), None)
    return ParsedDocument(
        text=text,
        mime_type=FileType.MARKDOWN,
        title=title,
        headings=headings,
        tables=_tables(tokens, starts, text),
    )


def _headings(tokens: list[Token], starts: list[int], environment: dict[str, Any]) -> tuple[Heading, ...]:
    inline = MarkdownIt("commonmark")
    found = []
    for opening, content in pairwise(tokens):
        if opening.type != "heading_open" or opening.level or opening.map is None:
            continue
        first, last = opening.map
        start, end = starts[first], starts[last] - 1
        words = _words(inline.parseInline(content.content, environment))
        found.append(Heading(start=start, end=end, level=int(opening.tag[1:]), title=tidy_title(words)))
    return tuple(found)


def _tables(tokens: list[Token], starts: list[int], text: str) -> tuple[TableSpan, ...]:
    """Tables that stand for themselves: the lines of one in a list or a quotation begin with its marks."""
    found = []
    for token in tokens:
        if token.type != "paragraph_open" or token.level or token.map is None:
            continue
        first, last = token.map
        lines = text[starts[first] : starts[last] - 1].split("\n")
        for at, (line, below) in enumerate(pairwise(lines), start=first):
            if _is_rule(below) and len(_cells(line)) == len(_cells(below)):
                found.append(TableSpan(starts[at], starts[at + 2] - 1, starts[last] - 1))
                break
    return tuple(found)


def _is_rule(line: str) -> bool:
    """Whether a line is the dashes below a table's header."""
    return "|" in line and set(line) <= _RULE_SIGNS and all(map(_RULE_CELL.fullmatch, _cells(line)))


def _cells(line: str) -> list[str]:
    row = line.strip().removeprefix("|")
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    return [cell.strip() for cell in _BAR.split(row)]


def _words(tokens: list[Token]) -> str:
    """The visible words of inline tokens: no markup, no raw HTML, line breaks as spaces."""
    words: list[str] = []
    for token in tokens:
        for part in token.children or ():
            if part.type in {"softbreak", "hardbreak"}:
                words.append(" ")
            elif part.type == "image":
                words.append(_words([part]))
            elif part.type != "html_inline":
                words.append(part.content)
    return "".join(words)


def _front_matter(text: str) -> str:
    """The YAML block between `---` lines at the very top, without the last line end; or nothing."""
    found = _FRONT_MATTER.match(text)
    return found[0] if found and _YAML_KEY.search(found[0]) else ""


def _front_title(front: str) -> str | None:
    found = _YAML_TITLE.search(front)
    if found is None:
        return None
    value = found[1].strip()
    if value.startswith(_QUOTES):
        value = value[1:].partition(value[0])[0]
    elif value.startswith(("|", ">", "[", "{", "&", "*", "#")):
        return None  # a YAML construct, not a plain title
    return tidy_title(value.partition(" #")[0]) or None

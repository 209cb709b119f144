"""HTML: the stored text is what a reader sees of the main content.

Scripts, hidden elements and controls are left out, and so are navigation, headers, footers and asides that
stand outside the main content. Paragraphs are separated by a blank line; list items are `- …` or `1. …`, data
tables are Markdown's; preformatted text keeps its lines. Tables used for layout are read as blocks.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.html_limits import close_empty_elements, limit_nesting
from rag.parse.html_writer import LINE, PARAGRAPH, HtmlWriter
from rag.parse.spans import span
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

_UNSEEN = frozenset(
    "script style noscript template head svg canvas iframe object embed audio video noembed noframes "  # noqa: SIM905
    "button select datalist textarea annotation annotation-xml dialog map area rp".split()
)
_BOILERPLATE = frozenset({"nav", "header", "footer", "aside"})
_INSIDE_MAIN = frozenset({"nav"})
_BOILERPLATE_ROLES = frozenset({"navigation", "banner", "contentinfo", "complementary", "search"})
_PARAGRAPHS = frozenset(
    "p div section main header footer aside nav figure figcaption blockquote address caption "  # noqa: SIM905
    "dl form fieldset details summary hr center body hgroup search menu".split()
)
_LINES = frozenset({"dt", "dd", "legend"})
_STRUCTURE = frozenset({"ul", "ol", "li", "table", "tr", "td", "th", "pre", "article"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_MAIN = "main, [role=main]"
_MAIN_SHARE = 0.25  # of the page's text: a smaller <main> is a shell that a script fills
_LAYOUT_INSIDE = "table, h1, h2, h3, h4, h5, h6, pre"
_LONG_CELL = 800  # characters; a cell that long holds prose, so the table is layout


def parse_html(text: str) -> ParsedDocument:
    """A document of decoded HTML; its title is `<title>`, else the first level-1 heading.

    Raises:
        UnreadableFileError: Nothing in it is readable text.
    """
    tree = LexborHTMLParser(limit_nesting(close_empty_elements(text)))
    writer = _content(tree)
    if writer is None:
        raise UnreadableFileError("the page holds no text (scripts are not run)")
    return ParsedDocument(
        text=writer.result(),
        mime_type=FileType.HTML,
        title=_title(tree, writer),
        headings=tuple(writer.headings),
        tables=tuple(writer.tables),
    )


def _content(tree: LexborHTMLParser) -> HtmlWriter | None:
    """The main content if it is marked and substantial, else the body, else the body with its boilerplate."""
    body = tree.body
    if body is None:
        return None
    page = _Renderer(_BOILERPLATE).render(body)
    main = _main(tree)
    if main is not None:
        content = _Renderer(_INSIDE_MAIN).render(main)
        if len(content.result()) > _MAIN_SHARE * len(page.result()):
            return content
    if not page.result():
        page = _Renderer(frozenset()).render(body)
    return page if page.result() else None


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    marked = tree.css_first(_MAIN)
    if marked is not None:
        return marked
    articles = tree.css("article")
    return articles[0] if len(articles) == 1 else None


def _title(tree: LexborHTMLParser, writer: HtmlWriter) -> str | None:
    element = tree.css_first("head > title")
    title = tidy_title(element.text()) if element is not None else ""
    if title:
        return title
    heading = next((h.title for h in writer.headings if h.level == 1), "")
    if heading:
        return heading
    element = tree.css_first("h1")  # in a page header that was left out
    return (tidy_title(element.text()) or None) if element is not None else None


class _Renderer:
    """Walks a subtree without recursion and writes what it shows, save elements in `skipped`."""

    def __init__(self, skipped: frozenset[str]) -> None:
        self._skipped = skipped
        self._writer = HtmlWriter()
        self._lists: list[int | None] = []  # open lists: the next number, None for bullets
        self._tables: list[bool] = []  # open tables: True for data
        self._pre = 0
        self._articles = 0

    def render(self, root: LexborNode) -> HtmlWriter:
        """The text of `root` and everything in it."""
        ancestors: list[LexborNode] = []
        node: LexborNode | None = root
        while node is not None:
            entered = self._enter(node)
            child = node.first_child if entered else None
            if child is not None:
                ancestors.append(node)
                node = child
                continue
            if entered:
                self._leave(node)
            node = self._following(node, ancestors)
        return self._writer

    def _following(self, node: LexborNode, ancestors: list[LexborNode]) -> LexborNode | None:
        """The next node in document order after `node` and its content; leaves what ends there."""
        while ancestors:
            sibling = node.next
            if sibling is not None:
                return sibling
            node = ancestors.pop()
            self._leave(node)
        return None

    def _enter(self, node: LexborNode) -> bool:
        """Write what stands before the node's content; False when the content is not to be read."""
        if node.is_text_node:
            text = node.text_content or ""
            if self._pre:
                self._writer.verbatim(text)
            else:
                self._writer.inline(text)
            return False
        tag = node.tag or ""
        if not node.is_element_node or tag in _UNSEEN or self._is_left_out(node, tag):
            return False
        if tag in _HEADINGS:
            self._writer.start_heading(_HEADINGS[tag])
        elif tag in _STRUCTURE:
            self._open(node, tag)
        elif tag in _PARAGRAPHS:
            self._writer.gap(PARAGRAPH)
        elif tag in _LINES:
            self._writer.gap(LINE)
        elif tag == "br":
            self._writer.line_break()
        return True

    def _is_left_out(self, node: LexborNode, tag: str) -> bool:
        if tag in self._skipped and (tag == "nav" or not self._articles):
            return True
        attributes = node.attributes
        if not attributes:
            return False
        hidden = attributes.get("hidden", "until-found") != "until-found"
        if hidden or attributes.get("aria-hidden") == "true" or _HIDING.search(attributes.get("style") or ""):
            return True
        return bool(self._skipped) and attributes.get("role") in _BOILERPLATE_ROLES and not self._articles

    def _open(self, node: LexborNode, tag: str) -> None:
        """Enter an element whose meaning depends on what is open around it."""
        if tag in {"ul", "ol"}:
            self._writer.gap(LINE if self._lists else PARAGRAPH)
            self._lists.append(_first_number(node) if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "table":
            self._writer.gap(PARAGRAPH)
            self._tables.append(_is_data_table(node))
        elif tag == "article":
            self._writer.gap(PARAGRAPH)
            self._articles += 1
        elif tag == "pre":
            self._writer.gap(PARAGRAPH)
            self._pre += 1
        elif not self._in_data_table():
            self._writer.gap(PARAGRAPH)
        elif tag == "tr":
            self._writer.start_row()
        else:
            self._writer.start_cell()

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        marker = "- " if number is None else f"{number}. "
        self._writer.item(marker, max(0, len(self._lists) - 1))

    def _leave(self, node: LexborNode) -> None:
        """Write what stands after the content of an element that was entered."""
        tag = node.tag or ""
        if tag in _HEADINGS:
            self._writer.end_heading()
        elif tag in _STRUCTURE:
            self._close(node, tag)
        elif tag in _PARAGRAPHS:
            self._writer.gap(PARAGRAPH)
        elif tag in _LINES:
            self._writer.gap(LINE)

    def _close(self, node: LexborNode, tag: str) -> None:
        if tag in {"ul", "ol"}:
            self._lists.pop()
            self._writer.gap(LINE if self._lists else PARAGRAPH)
        elif tag == "li":
            self._writer.end_item()
        elif tag == "table":
            if self._tables.pop():
                self._writer.end_table()
            self._writer.gap(PARAGRAPH)
        elif tag == "article":
            self._articles -= 1
            self._writer.gap(PARAGRAPH)
        elif tag == "pre":
            self._pre -= 1
            self._writer.end_verbatim()
        elif not self._in_data_table():
            self._writer.gap(PARAGRAPH)
        elif tag != "tr":
            columns, rows = span(node.attributes.get("colspan")), span(node.attributes.get("rowspan"))
            self._writer.end_cell(columns=columns, rows=rows, is_header=tag == "th")

    def _in_data_table(self) -> bool:
        return bool(self._tables) and self._tables[-1]


def _first_number(node: LexborNode) -> int:
    start = node.attributes.get("start") or "1"
    return int(start) if re.fullmatch(r"\d{1,9}", start, re.ASCII) else 1


def _is_data_table(table: LexborNode) -> bool:
    """False for tables that only place things on the page: nested, with headings, or with long prose."""
    if table.attributes.get("role") in {"presentation", "none"}:
        return False
    if any(found.mem_id != table.mem_id for found in table.css(_LAYOUT_INSIDE)):
        return False
    cells = table.css("td, th")
    return len(cells) > 1 and all(len(cell.text()) <= _LONG_CELL for cell in cells)

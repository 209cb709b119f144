"""XML documents: sections, paragraphs, lists and tables by the names that JATS, DocBook and TEI give them."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from rag.parse.builder import DocumentBuilder
from rag.parse.decode import storable
from rag.parse.spans import SpannedCell, span, write_spanned_table
from rag.parse.titles import tidy_title
from rag.parse.xml_tree import local_name, texts

PARAGRAPHS = frozenset({"p", "para", "simpara", "ab"})
_INLINE_INSIDE = PARAGRAPHS | {"td", "th", "title", "head", "label", "term", "subtitle"}
_TITLES = frozenset({"title", "head", "heading"})
_CAPTIONED = frozenset({"table-wrap", "fig", "figure", "caption", "table", "supplementary-material", "media"})
_LISTS = frozenset({"list", "itemizedlist", "orderedlist", "ul", "ol", "simplelist", "ref-list", "listbibl"})
_NUMBERED = frozenset({"orderedlist", "ol"})
_ITEMS = frozenset({"list-item", "listitem", "li", "item", "member", "ref", "bibl"})
_TABLES = frozenset({"table", "informaltable"})
_ROWS = frozenset({"tr", "row"})
_CELLS = frozenset({"td", "th", "entry", "cell"})
_VERBATIM = frozenset({"programlisting", "screen", "literallayout", "pre", "preformat", "codeblock", "verse"})
_BLOCKS = PARAGRAPHS | _LISTS | _VERBATIM | _TABLES | {"table-wrap", "fig", "figure"}
_BLOCKS |= {"disp-quote", "disp-formula", "boxed-text", "sec", "section", "caption", "supplementary-material"}
# What only machines read, and pictures.
_SKIPPED = frozenset(
    "journal-meta article-id article-categories pub-date history permissions self-uri custom-meta-group "  # noqa: SIM905
    "contrib-id counts graphic inline-graphic media object-id processing-meta tex-math related-article "
    "related-object xref-group indexterm teiheader mediaobject alt-text long-desc".split()
)
_METADATA = frozenset({"article-meta", "front-stub"})
_FRONT = frozenset({"front", "front-stub"})
_ARTICLES = frozenset({"article", "sub-article", "response"})
_MAX_DEPTH = 100  # elements in elements; what lies deeper is taken as one text


class DocumentWriter:
    """Appends a tree to `builder`; `title` is the article's or book's, once it is written."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._pending: list[str] = []
        self._depth = 0
        self._written: set[Element] = set()  # titles, which stand in front of what they stand in
        self.title: str | None = None

    def write(self, root: Element) -> None:
        self._block(root, 1)
        self._flush()

    def _block(self, element: Element, level: int) -> None:
        """An element that stands for itself; headings in it are of `level` and below."""
        self._flush()
        name = local_name(element)
        if name in _SKIPPED:
            return
        if name in _METADATA:
            self._metadata(element, level)
        elif name in _TABLES:
            self._table(element, level)
        elif name in _VERBATIM:
            self._builder.verbatim(storable("".join(texts(element))))
        elif name in _LISTS:
            self._list(element, level)
        else:
            self._section(element, level)
        self._flush()

    def _section(self, element: Element, level: int) -> None:
        """An element's title as a heading, or as a caption, and what follows."""
        name = local_name(element)
        holders = {"caption"} if name in _CAPTIONED else {"info"}  # DocBook 5 has titles in <info>
        title = _child(element, _TITLES)
        if title is None:
            title = _child(_child(element, holders), _TITLES)
        mark = _child(element, {"label"})
        inner = level
        if title is not None and title in self._written:
            title = None
        if name in _CAPTIONED:
            self._builder.paragraph(f"{_line(mark)} {_line(title)}")
        elif title is not None:
            self._heading(f"{_line(mark)} {_line(title)}", level)
            inner = level + 1
        else:
            mark = None
        self._written.update(part for part in (title, mark) if part is not None)
        self._content(element, name, inner)

    def _content(self, element: Element, name: str, level: int) -> None:
        if name in _ARTICLES and _child(element, _FRONT) is not None:
            self._flow(element, level + 1, front_level=level)
        else:
            self._flow(element, level, inline=name in _INLINE_INSIDE)

    def _flow(
        self, element: Element, level: int, *, front_level: int | None = None, inline: bool = False
    ) -> None:
        """An element's content: blocks one by one, the words between them as paragraphs."""
        if self._depth == _MAX_DEPTH:
            self._pending.extend(texts(element))
            return
        self._depth += 1
        inline = inline or _has_words(element)
        self._pending.append(element.text or "")
        for child in element:
            name = local_name(child)
            if child in self._written or name in _SKIPPED:
                pass
            elif name in _BLOCKS or not inline:
                self._block(child, (front_level or level) if name in _FRONT else level)
            else:
                self._flow(child, level, inline=True)
            self._pending.append(child.tail or "")
        self._depth -= 1

    def _flush(self) -> None:
        self._builder.paragraph(" ".join("".join(self._pending).split()))
        self._pending = []

    def _heading(self, words: str, level: int) -> None:
        self._builder.heading(words, level)
        self.title = self.title or tidy_title(words) or None

    def _metadata(self, element: Element, level: int) -> None:
        """An article's title, authors, abstract and keywords; not its numbers, dates and licence."""
        self._heading(_line(element.find(".//{*}article-title")), level)
        people = element.iterfind("{*}contrib-group/{*}contrib")
        names = [_person(name) for one in people if _is_author(one) for name in one.iterfind("{*}name")]
        self._builder.paragraph(", ".join(names))
        for abstract in (child for child in element if local_name(child).endswith("abstract")):
            if _child(abstract, _TITLES) is None:
                self._builder.heading("Abstract", level + 1)
                self._flow(abstract, level + 2)
                self._flush()
            else:
                self._block(abstract, level + 1)
        for group in element.iterfind("{*}kwd-group"):
            words = [_line(word) for word in group.iterfind("{*}kwd")]
            self._builder.paragraph(f"Keywords: {', '.join(filter(None, words))}" if any(words) else "")

    def _table(self, element: Element, level: int) -> None:
        title = _child(element, _TITLES | {"caption"})
        self._builder.paragraph(_line(title))
        rows = [[_cell(cell) for cell in row if local_name(cell) in _CELLS] for row in _rows(element)]
        write_spanned_table(self._builder, rows)

    def _list(self, element: Element, level: int) -> None:
        title = _child(element, _TITLES)
        if title is not None and local_name(element) == "ref-list":
            self._heading(_line(title), level)
        elif title is not None:
            self._builder.paragraph(_line(title))
        self._items(element, 0)

    def _items(self, element: Element, depth: int) -> None:
        number = 0
        for child in element:
            if local_name(child) not in _ITEMS or depth > _MAX_DEPTH:
                if local_name(child) not in _TITLES:
                    self._builder.item(_line(child), depth=depth)
                continue
            number += 1
            marker = f"{number}. " if local_name(element) in _NUMBERED else "- "
            self._builder.item(_item_text(child), depth=depth, marker=marker)
            for inner in child:
                if local_name(inner) in _LISTS:
                    self._items(inner, depth + 1)


def _has_words(element: Element) -> bool:
    """Whether words stand next to the element's children."""
    if not len(element):
        return True
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def _child(element: Element | None, names: frozenset[str] | set[str]) -> Element | None:
    return next((child for child in (() if element is None else element) if local_name(child) in names), None)


def _line(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(texts(element)).split())


def _rows(table: Element) -> Iterator[Element]:
    return (element for element in table.iter() if local_name(element) in _ROWS)


def _cell(cell: Element) -> SpannedCell:
    columns, rows = span(cell.get("colspan")), span(cell.get("rowspan"))
    if cell.get("morerows") is not None:  # CALS counts the rows below
        rows = 1 + span(cell.get("morerows"))
    return SpannedCell(" ".join(_pieces(cell)), columns, rows, is_header=local_name(cell) == "th")


def _pieces(element: Element) -> Iterator[str]:
    """An element's text, a piece for each block in it."""
    pending = "" if element.text is None else element.text
    for child in element:
        if local_name(child) in _BLOCKS:
            yield pending.strip()
            yield _line(child)
            pending = ""
        elif local_name(child) not in _SKIPPED:
            pending += "".join(texts(child))
        pending += child.tail or ""
    yield pending.strip()


def _item_text(item: Element) -> str:
    """An item's own words; a reference's in the order in which they are cited."""
    citation = _child(item, {"element-citation", "nlm-citation", "citation"})
    if citation is not None and not _has_words(citation):
        return _citation(citation)
    words = [item.text or ""]
    for child in item:
        if local_name(child) not in _LISTS and local_name(child) not in _SKIPPED:
            words.append(f"{_line(child)} ")
        words.append(child.tail or "")
    return " ".join("".join(words).split())


def _citation(citation: Element) -> str:
    parts = []
    for child in citation:
        names = [_person(found) for found in child.iterfind("{*}name")]
        parts.append(", ".join(names) if names else _line(child))
    return ". ".join(part.rstrip(".") for part in parts if part)


def _is_author(contributor: Element) -> bool:
    return contributor.get("contrib-type", "author") == "author"


def _person(name: Element) -> str:
    given, family = name.find("{*}given-names"), name.find("{*}surname")
    return f"{_line(given)} {_line(family)}".strip() or _line(name)

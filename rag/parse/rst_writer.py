"""The tree that docutils makes of reStructuredText, written as text."""

import re
import textwrap
from collections.abc import Callable, Iterable

from docutils import nodes

from rag.parse.builder import DocumentBuilder
from rag.parse.decode import storable
from rag.parse.spans import SpannedCell, write_spanned_table

_SKIPPED = frozenset(
    "comment substitution_definition pending raw decoration meta transition title colspec "  # noqa: SIM905
    "label generated".split()
)
_TEXT = frozenset({"paragraph", "caption", "rubric", "attribution", "subtitle", "term", "classifier"})
_VERBATIM = frozenset({"literal_block", "doctest_block", "math_block"})
_LISTS = frozenset({"bullet_list", "enumerated_list"})
_ADMONITIONS = frozenset(
    "attention caution danger error hint important note tip warning".split()  # noqa: SIM905
)
_DIRECTIVE = re.compile(r"\.\. +(?:\|[^|\n]*\| +)?([\w:.+-]+):: *(.*)")
_OPTION = re.compile(r" *:[\w-]+:")
_UNSEEN_DIRECTIVES = frozenset(  # they fetch, arrange or index, and say nothing themselves
    "raw include literalinclude toctree index highlight module currentmodule meta contents only-html "  # noqa: SIM905
    "tabularcolumns graphviz plot image figure default-role default-domain role csv-table".split()
)
_CODE_DIRECTIVES = frozenset(
    "code code-block sourcecode prompt console testcode testsetup testoutput doctest ipython "  # noqa: SIM905
    "productionlist parsed-literal math mermaid jupyter-execute".split()
)
_SAID = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
    "seealso": "See also:",
}
# A role's words: what stands in backquotes, without a target in angle brackets and the marks ! and ~.
_ROLE = re.compile(r":[\w:+.-]+:`[!~]?([^`]*)`|`[!~]?([^`]*)`(?:_{1,2}|:[\w:+.-]+:)?")
_TARGET = re.compile(r"(.+?)\s*<[^<>]*>", re.DOTALL)
_ERROR = 3  # level of messages that leave something out; those below only complain
_MAX_NESTED = 6  # unknown directives in unknown directives
_MAX_DIRECTIVES = 2000  # unknown ones that are read as text of their own; each takes about a millisecond


class RstWriter:
    """Appends trees to `builder`; `read` makes trees of the text in directives that docutils doesn't know."""

    def __init__(self, builder: DocumentBuilder, read: Callable[[str], nodes.document]) -> None:
        self._builder = builder
        self._read = read
        self._nested = 0
        self._directives = 0

    def write(self, node: nodes.Element, level: int = 1) -> None:
        """What is in `node`; headings in it are of `level` and below."""
        for child in node.children:
            if isinstance(child, nodes.Element):
                self._block(child, level)
            elif child.astext().strip():
                self._builder.paragraph(storable(child.astext()))

    def _block(self, node: nodes.Element, level: int) -> None:
        kind = node.tagname
        if kind in _SKIPPED or "contents" in node.get("classes", ()):
            return
        if kind == "section":
            self._builder.heading(_words(_title(node)), level)
            self.write(node, level + 1)
        elif kind in _TEXT:
            self._builder.paragraph(_words(node))
        elif kind in _VERBATIM:
            self._builder.verbatim(storable(node.astext()))
        elif kind in _LISTS:
            self._list(node, 0, level)
        elif kind in _ADMONITIONS:
            self._admonition(node, level)
        else:
            self._rarer(node, level)

    def _rarer(self, node: nodes.Element, level: int) -> None:
        match node.tagname:
            case "definition_list" | "option_list" | "field_list" | "line_block":
                self._lines(node, level)
            case "table":
                self._table(node)
            case "footnote" | "citation":
                label, *rest = node.children
                self._builder.paragraph(f"[{label.astext()}] {_joined(rest)}")
            case "image":
                self._builder.paragraph(storable(node.get("alt", "")))
            case "system_message":
                self._message(node, level)
            case "topic" | "sidebar" | "admonition":
                self._builder.paragraph(_words(_title(node)))
                self.write(node, level)
            case "reference" | "target" | "problematic":
                self._builder.paragraph(_words(node))
            case _:
                self.write(node, level)

    def _list(self, node: nodes.Element, depth: int, level: int) -> None:
        first = int(node.get("start", 1))
        for number, item in enumerate(_elements(node), start=first):
            marker = f"{_number(number, node)}. " if node.tagname == "enumerated_list" else "- "
            opened = False
            for child in _elements(item):
                if child.tagname in _LISTS:
                    self._list(child, depth + 1, level)
                elif child.tagname in _TEXT:
                    self._builder.item(_words(child), depth=depth, marker="  " if opened else marker)
                    opened = True
                else:
                    self._block(child, level)

    def _admonition(self, node: nodes.Element, level: int) -> None:
        """`Note: …` as in books; what follows the first paragraph stands for itself."""
        first, *rest = _elements(node) or [nodes.paragraph()]
        name = node.tagname.capitalize()
        if first.tagname in _TEXT:
            self._builder.paragraph(f"{name}: {_words(first)}")
        else:
            self._builder.paragraph(f"{name}:")
            self._block(first, level)
        for child in rest:
            self._block(child, level)

    def _lines(self, node: nodes.Element, level: int) -> None:
        """Lists whose entries are lines: one block, save definitions, of which each is one."""
        if node.tagname == "definition_list":
            for entry in _elements(node):
                self._definition(entry, level)
            return
        self._builder.paragraph("\n".join(_entry_lines(node)))

    def _definition(self, entry: nodes.Element, level: int) -> None:
        *terms, definition = _elements(entry)
        lines = [" : ".join(map(_words, terms))]
        blocks = _elements(definition)
        if blocks and blocks[0].tagname == "paragraph":
            lines.append(_words(blocks.pop(0)))
        self._builder.paragraph("\n".join(lines))
        for block in blocks:
            self._block(block, level)

    def _table(self, node: nodes.Element) -> None:
        self._builder.paragraph(_words(_title(node)))
        rows = [
            [
                SpannedCell(
                    _joined(entry.children),
                    columns=1 + int(entry.get("morecols", 0)),
                    rows=1 + int(entry.get("morerows", 0)),
                    is_header=isinstance(row.parent, nodes.thead),
                )
                for entry in _elements(row)
            ]
            for row in node.findall(nodes.row)
        ]
        write_spanned_table(self._builder, rows)

    def _message(self, node: nodes.Element, level: int) -> None:
        """What docutils left out because it did not understand it."""
        sources = [child for child in node.children if isinstance(child, nodes.literal_block)]
        for source in sources if node.get("level", 0) >= _ERROR else ():
            text = storable(source.astext())
            directive = _DIRECTIVE.match(text)
            if directive is None:
                self._builder.verbatim(text)
            else:
                self._directive(directive[1].rpartition(":")[2].lower(), directive[2], text, level)

    def _directive(self, name: str, argument: str, text: str, level: int) -> None:
        if name in _UNSEEN_DIRECTIVES or name.startswith("auto"):
            return
        body = _body(text)
        self._directives += 1
        if name in _CODE_DIRECTIVES or self._nested == _MAX_NESTED or self._directives > _MAX_DIRECTIVES:
            self._builder.verbatim(body)
            return
        self._nested += 1
        if argument:
            self.write(self._read(f"{_SAID.get(name, '')} {argument}".strip()), level)
        if body:
            self.write(self._read(body), level)
        self._nested -= 1


def _elements(node: nodes.Node) -> list[nodes.Element]:
    return [child for child in node.children if isinstance(child, nodes.Element)]


def _title(node: nodes.Element) -> nodes.Element:
    return next((child for child in node.children if isinstance(child, nodes.title)), nodes.title())


def _entry_lines(node: nodes.Element) -> Iterable[str]:
    for entry in _elements(node):
        if entry.tagname == "line_block":
            yield from _entry_lines(entry)
        elif entry.tagname == "line":
            yield _words(entry)
        else:  # a field, or an option with its names
            name, body = _elements(entry)
            names = ", ".join(map(_words, name.children)) if entry.tagname != "field" else _words(name)
            yield f"{names}: {_joined(body.children)}"


def _body(text: str) -> str:
    """A directive's content: the lines below the first, without options and indentation."""
    lines = text.split("\n")[1:]
    while lines and _OPTION.match(lines[0]):
        lines.pop(0)
    return textwrap.dedent("\n".join(lines)).strip("\n")


def _joined(parts: Iterable[nodes.Node]) -> str:
    return " ".join(filter(None, map(_words, parts)))


def _words(node: nodes.Node) -> str:
    """The text of a block on one line, with the words that roles show."""
    return " ".join(storable("".join(_pieces(node))).split())


def _pieces(node: nodes.Node) -> Iterable[str]:
    if isinstance(node, nodes.Text):
        yield node.astext()
    elif isinstance(node, nodes.problematic):
        yield _ROLE.sub(_role_words, node.astext())
    elif isinstance(node, nodes.image):
        yield str(node.get("alt", ""))
    elif isinstance(node, (nodes.footnote_reference, nodes.citation_reference)):
        yield f"[{node.astext()}]"
    elif not isinstance(node, (nodes.raw, nodes.system_message)):
        for child in node.children:
            yield from _pieces(child)
            if not isinstance(child, (nodes.Inline, nodes.Text)):
                yield " "


def _role_words(found: re.Match[str]) -> str:
    words = found[1] or found[2] or ""
    target = _TARGET.fullmatch(words)
    return target[1] if target is not None else words


def _number(number: int, node: nodes.Element) -> str:
    letters = node.get("enumtype", "") in {"loweralpha", "upperalpha"}
    last = 26
    if not letters or number > last:
        return str(number)
    return chr(ord("a" if node["enumtype"] == "loweralpha" else "A") + number - 1)

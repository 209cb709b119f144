"""reStructuredText by way of docutils: what a reader sees, with nothing included and nothing run.

Documentation is mostly written for Sphinx, which has more directives and roles than docutils knows. Of an
unknown directive the content is read as text; of an unknown role, the words that it shows.
"""

import re
import threading
from dataclasses import replace
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import roles

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import storable
from rag.parse.rst_writer import RstWriter
from rag.parse.text import parse_plain
from rag.parse.types import FileType

_MAX_LENGTH = 1_000_000  # characters; docutils reads 25,000 a second of a file that long
_MAX_LINE = 10_000  # characters; also the limit that docutils sets itself
# docutils looks for the end of each mark in the rest of its paragraph: marks times characters, in all. The
# largest of 8,000 real files has 3 million; 100 million take seconds.
_MAX_SEARCHES = 30_000_000
_MARK = re.compile(r"(?<![^\s'\"(\[{<:/-])[*`|](?=\S)")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_SETTINGS: dict[str, Any] = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 6,  # one above the worst: never
    "report_level": 5,
    "warning_stream": False,
    "traceback": True,  # raise what goes wrong, instead of ending the program
    "doctitle_xform": False,  # a title is a heading like others
    "docinfo_xform": False,
    "syntax_highlight": "none",
    "line_length_limit": _MAX_LINE,
}
_FAILURES = (  # what docutils raises on text that its authors did not think of
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError,
    TypeError, ValueError,
)  # fmt: skip
_LOCK = threading.RLock()  # roles that a document defines stand in a table of the whole process


def parse_rst(text: str) -> ParsedDocument:
    """The document of decoded reStructuredText; its title is the first heading.

    Text that docutils cannot make sense of, and very long text, is read as plain text, with a warning.

    Raises:
        UnreadableFileError: Nothing in it is shown, as when it is all comments.
    """
    if len(text) > _MAX_LENGTH or _is_tangled(text):
        return _as_plain(text, "it is too long or too tangled")
    builder = DocumentBuilder()
    try:
        RstWriter(builder, read_tree).write(read_tree(text))
    except _FAILURES:
        return _as_plain(text, "its structure is broken")
    if not builder.length:
        raise UnreadableFileError("the file holds no text")
    document = builder.build(FileType.RST)
    title = document.headings[0].title if document.headings else None
    return replace(document, title=title)


def read_tree(text: str) -> nodes.document:
    with _LOCK:
        try:
            return publish_doctree(text, settings_overrides=dict(_SETTINGS))
        finally:
            # Or the next document knew the roles of this one; there is no public way.
            roles._roles.clear()  # type: ignore[attr-defined]  # noqa: SLF001


def _is_tangled(text: str) -> bool:
    """Whether docutils would take minutes over lines or paragraphs that no person writes."""
    if max(map(len, text.split("\n"))) > _MAX_LINE:
        return True
    paragraphs = _BLANK_LINE.split(text)
    return sum(len(part) * len(_MARK.findall(part)) for part in paragraphs) > _MAX_SEARCHES


def _as_plain(text: str, why: str) -> ParsedDocument:
    plain = parse_plain(storable(text))
    warning = f"read as plain text: {why} for reStructuredText"
    return ParsedDocument(text=plain.text, mime_type=FileType.RST, warnings=(warning,))

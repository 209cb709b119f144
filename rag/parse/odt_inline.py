"""The text of an OpenDocument paragraph as it is shown, and what is anchored in it."""

import re
from dataclasses import dataclass, field

from lxml import etree

from rag.parse.odt_styles import TEXT, Styles
from rag.parse.ooxml import DC

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
XLINK = "{http://www.w3.org/1999/xlink}"
_LEFT_OUT = frozenset(
    {
        f"{TEXT}page-number", f"{TEXT}page-count", f"{TEXT}ruby-text", f"{TEXT}hidden-text",
        f"{TEXT}tracked-changes", f"{TEXT}note-citation", f"{OFFICE}annotation-end", f"{OFFICE}forms",
        f"{OFFICE}event-listeners",
    }
)  # fmt: skip
_MARKS = {f"{TEXT}s": " ", f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
_SPACE = re.compile("[ \t\r\n]+")
_SPACES = re.compile(" {2,}")


@dataclass(slots=True)
class Inline:
    """A paragraph's text, and what is anchored in it, in order.

    Attributes:
        text: As it is shown.
        shapes: Text boxes and shapes with paragraphs in them.
        objects: Folders of embedded charts and formulas.
        notes: Footnotes, endnotes and comments.
        has_page_number: A page number stands in it; the text leaves it out.
    """

    text: str = ""
    shapes: list[etree._Element] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    notes: list[etree._Element] = field(default_factory=list)
    has_page_number: bool = False


def read_inline(paragraph: etree._Element, styles: Styles) -> Inline:
    """The content of `<text:p>` or `<text:h>`; hidden and deleted text is left out."""
    inline = Inline()
    if not styles.is_hidden("paragraph", paragraph.get(f"{TEXT}style-name")):
        pieces: list[str] = []
        _read(paragraph, styles, inline, pieces)
        inline.text = _SPACES.sub(" ", "".join(pieces)).strip()
    return inline


def author_of(annotation: etree._Element) -> str:
    return (annotation.findtext(f"{DC}creator") or "").strip()


def _read(element: etree._Element, styles: Styles, inline: Inline, pieces: list[str]) -> None:
    pieces.append(_SPACE.sub(" ", element.text or ""))
    for child in element:
        tag = child.tag
        if tag in _MARKS:
            pieces.append(_MARKS[str(tag)])
        elif tag in {f"{TEXT}note", f"{OFFICE}annotation"}:
            inline.notes.append(child)
        elif tag == f"{DRAW}object":
            inline.objects.append(child.get(f"{XLINK}href", ""))
        elif str(tag).startswith(DRAW):
            _read_drawing(child, styles, inline)
        elif tag in _LEFT_OUT:
            inline.has_page_number |= tag in {f"{TEXT}page-number", f"{TEXT}page-count"}
        elif tag != f"{TEXT}span" or not styles.is_hidden("text", child.get(f"{TEXT}style-name")):
            _read(child, styles, inline, pieces)
        pieces.append(_SPACE.sub(" ", child.tail or ""))


def _read_drawing(drawing: etree._Element, styles: Styles, inline: Inline) -> None:
    """A frame, a group or a shape: put aside what has paragraphs, go on into the others."""
    if drawing.tag == f"{DRAW}object":
        inline.objects.append(drawing.get(f"{XLINK}href", ""))
    elif any(child.tag in {f"{TEXT}p", f"{TEXT}h", f"{TEXT}list"} for child in drawing):
        inline.shapes.append(drawing)
    else:
        for child in drawing:
            _read_drawing(child, styles, inline)

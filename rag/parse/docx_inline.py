"""The text of a Word paragraph as it is shown, and what is anchored in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from rag.parse.docx_styles import Styles
from rag.parse.drawing import chosen
from rag.parse.office_math import linear
from rag.parse.office_values import integer, is_on, is_true
from rag.parse.ooxml import DGM, MC, W14, C, M, R, W

_LEFT_OUT = frozenset(
    W + name
    for name in (
        "pPr", "rPr", "sdtPr", "sdtEndPr", "del", "moveFrom", "delText", "instrText", "delInstrText", "rt",
        "fldData", "annotationRef", "footnoteRef", "endnoteRef", "object",
    )
)  # fmt: skip
_MARKS = {
    f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-",
}  # fmt: skip
_NOTES = {
    f"{W}footnoteReference": "footnote",
    f"{W}endnoteReference": "endnote",
    f"{W}commentReference": "comment",
}
_DRAWINGS = frozenset({f"{W}drawing", f"{W}pict"})
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES)\b", re.IGNORECASE)
_WINGDINGS = {  # what forms are ticked with; the other signs of symbol fonts are ornament
    0xA8: "[ ]", 0x6F: "[ ]", 0x71: "[ ]", 0xFE: "[x]", 0xFD: "[x]", 0x78: "[x]", 0x54: "[x]", 0x53: "[x]",
    0xFC: "✓", 0xFB: "✗", 0xE0: "→", 0xDF: "←", 0xB7: "•",
}  # fmt: skip
_BULLET = 0xB7  # in every symbol font
_PRIVATE_USE = 0xF000  # where symbol fonts have their signs
_SIGNS = 0xFF


@dataclass(frozen=True, slots=True)
class Note:
    """A reference to a footnote, an endnote or a comment.

    Attributes:
        kind: Which of them.
        name: Its id.
    """

    kind: str
    name: str


@dataclass(slots=True)
class Inline:
    """A paragraph's text, and what is anchored in it, in order.

    Attributes:
        text: As it is shown.
        boxes: Contents of text boxes: elements with paragraphs and tables.
        parts: Relationship ids of charts and of SmartArt data, with what it is.
        notes: References to footnotes, endnotes and comments.
        has_page_number: A page number stands in it; the text leaves it out.
    """

    text: str = ""
    boxes: list[etree._Element] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    has_page_number: bool = False


def read_inline(paragraph: etree._Element, styles: Styles) -> Inline:
    """The content of a paragraph.

    Deleted and hidden text is left out, inserted text is kept. Boxes to tick are `[x]` and `[ ]`.
    """
    reader = _Reader(styles)
    reader.read(paragraph)
    reader.inline.text = "".join(reader.pieces)
    return reader.inline


@dataclass(slots=True)
class _Field:
    """An open field: its instruction, and whether its result has begun."""

    instruction: str = ""
    has_result: bool = False


class _Reader:
    def __init__(self, styles: Styles) -> None:
        self.inline = Inline()
        self.pieces: list[str] = []
        self._styles = styles
        self._fields: list[_Field] = []

    def read(self, element: etree._Element) -> None:
        """Everything in an element, in order."""
        for child in element:
            tag = str(child.tag)
            special = _SPECIAL.get(tag)
            if special is not None:
                special(self, child)
            elif tag in _MARKS:
                self._write(_MARKS[tag])
            elif tag in _NOTES:
                self.inline.notes.append(Note(_NOTES[tag], child.get(f"{W}id", "")))
            elif tag in _DRAWINGS:
                self._drawing(child)
            elif tag not in _LEFT_OUT:
                self.read(child)

    def _write(self, text: str) -> None:
        if any(open_.has_result and _PAGE_FIELD.match(open_.instruction) for open_ in self._fields):
            self.inline.has_page_number = True
        else:
            self.pieces.append(text)

    def text(self, element: etree._Element) -> None:
        self._write(element.text or "")

    def run(self, run: etree._Element) -> None:
        properties = run.find(f"{W}rPr")
        if properties is not None:
            hidden = properties.find(f"{W}vanish")
            style = properties.find(f"{W}rStyle")
            if is_on(hidden) or (
                hidden is None and style is not None and self._styles.get(style.get(f"{W}val")).is_hidden
            ):
                return
        self.read(run)

    def symbol(self, element: etree._Element) -> None:
        code = int(element.get(f"{W}char", "0"), 16) if _is_hexadecimal(element.get(f"{W}char", "")) else 0
        font = element.get(f"{W}font", "").lower()
        if code >= _PRIVATE_USE or font.startswith(("wingdings", "symbol", "webdings")):
            known = font == "wingdings" or code & _SIGNS == _BULLET
            self._write(_WINGDINGS.get(code & _SIGNS, "") if known else "")
        elif chr(code).isprintable():
            self._write(chr(code))

    def control(self, control: etree._Element) -> None:
        """A content control; one that is a box to tick shows whether it is ticked."""
        box = control.find(f"{W}sdtPr/{W14}checkbox")
        content = control.find(f"{W}sdtContent")
        if box is not None:
            checked = box.find(f"{W14}checked")
            is_ticked = checked is not None and is_true(checked.get(f"{W14}val"), default=True)
            self._write("[x]" if is_ticked else "[ ]")
        elif content is not None:
            self.read(content)

    def field_mark(self, mark: etree._Element) -> None:
        kind = mark.get(f"{W}fldCharType")
        if kind == "begin":
            self._fields.append(_Field())
            self._form_field(mark)
        elif kind == "separate" and self._fields:
            self._fields[-1].has_result = True
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _form_field(self, mark: etree._Element) -> None:
        """A box or a list of an old form, whose state is not in its result."""
        box = mark.find(f"{W}ffData/{W}checkBox")
        if box is not None:
            ticked = box.find(f"{W}checked")
            self._write("[x]" if is_on(ticked if ticked is not None else box.find(f"{W}default")) else "[ ]")
        choices = mark.findall(f"{W}ffData/{W}ddList/{W}listEntry")
        if choices:
            result = mark.find(f"{W}ffData/{W}ddList/{W}result")
            index = integer(result.get(f"{W}val") if result is not None else None, most=len(choices) - 1)
            self._write(choices[index].get(f"{W}val", ""))

    def instruction(self, element: etree._Element) -> None:
        if self._fields:
            self._fields[-1].instruction += element.text or ""

    def simple_field(self, element: etree._Element) -> None:
        self._fields.append(_Field(element.get(f"{W}instr", ""), has_result=True))
        self.read(element)
        self._fields.pop()

    def equation(self, element: etree._Element) -> None:
        self._write(linear(element))

    def alternatives(self, element: etree._Element) -> None:
        branch = chosen(element)
        if branch is not None:
            self.read(branch)

    def _drawing(self, element: etree._Element) -> None:
        """Text boxes, charts and SmartArt of a drawing; what is nested in a box is read with the box."""
        for child in element:
            tag = child.tag
            if tag == f"{W}txbxContent":
                self.inline.boxes.append(child)
            elif tag == f"{C}chart":
                self.inline.parts.append(("chart", child.get(f"{R}id", "")))
            elif tag == f"{DGM}relIds":
                self.inline.parts.append(("diagram", child.get(f"{R}dm", "")))
            elif tag == f"{MC}AlternateContent":
                branch = chosen(child)
                if branch is not None:
                    self._drawing(branch)
            else:
                self._drawing(child)


_SPECIAL: dict[str, Callable[[_Reader, etree._Element], None]] = {
    f"{W}t": _Reader.text,
    f"{W}r": _Reader.run,
    f"{W}sym": _Reader.symbol,
    f"{W}sdt": _Reader.control,
    f"{W}fldChar": _Reader.field_mark,
    f"{W}instrText": _Reader.instruction,
    f"{W}fldSimple": _Reader.simple_field,
    f"{M}oMath": _Reader.equation,
    f"{M}oMathPara": _Reader.equation,
    f"{MC}AlternateContent": _Reader.alternatives,
}


def _is_hexadecimal(text: str) -> bool:
    return re.fullmatch("[0-9A-Fa-f]{1,4}", text) is not None

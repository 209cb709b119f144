"""Headers and footers of Word documents (ISO/IEC 29500 part 1, 17.10) that say more than the body does."""

from collections.abc import Iterator

from lxml import etree

from rag.parse.docx_inline import read_inline
from rag.parse.docx_styles import Styles
from rag.parse.docx_tables import is_continued
from rag.parse.drawing import chosen
from rag.parse.office_values import is_on
from rag.parse.ooxml import MC, Package, R, W

_MIN_WORDS = 3  # fewer words beside a page number are "Page" or "Page of"
_TELLING = 12  # characters; what is shorter stands in any text by chance


class Margins:
    """Reads the headers and footers that a document shows.

    Args:
        package: The document's package.
        part: Its main part.
        styles: Its styles.
        body: The text of its body; what is said there too, as running heads say, is left out.
    """

    def __init__(self, package: Package, part: str, styles: Styles, body: str) -> None:
        self._package = package
        self._links = package.relationships(part)
        self._styles = styles
        self._body = " ".join(body.split())
        self._lines = {" ".join(line.split()) for line in body.splitlines()}
        settings = package.optional_xml(package.related(part, "settings"))
        self._has_even = settings is not None and is_on(settings.find(f"{W}evenAndOddHeaders"))

    def texts(self, root: etree._Element, kind: str) -> list[str]:
        """What the headers (`header`) or footers (`footer`) of all sections say, each once, on one line."""
        texts: dict[str, None] = {}
        for name in dict.fromkeys(self._shown(root, f"{W}{kind}Reference")):
            link = self._links.get(name)
            part = self._package.optional_xml(link.target) if link is not None else None
            if part is not None:
                pieces = [self._text(paragraph) for paragraph in _paragraphs(part)]
                texts[" | ".join(piece for piece in pieces if piece)] = None
        return [text for text in texts if text]

    def _shown(self, root: etree._Element, tag: str) -> Iterator[str]:
        """Relationship ids of the parts that are shown on some page."""
        for section in root.iter(f"{W}sectPr"):
            has_first = is_on(section.find(f"{W}titlePg"))
            for reference in section.iterfind(tag):
                pages = reference.get(f"{W}type", "default")
                if (pages != "first" or has_first) and (pages != "even" or self._has_even):
                    yield reference.get(f"{R}id", "")

    def _text(self, paragraph: etree._Element) -> str:
        inline = read_inline(paragraph, self._styles)
        words = inline.text.split()
        text = " ".join(words)
        is_said = text in self._lines or (len(text) >= _TELLING and text in self._body)
        return "" if is_said or (inline.has_page_number and len(words) < _MIN_WORDS) else text


def _paragraphs(parent: etree._Element) -> Iterator[etree._Element]:
    """All paragraphs that are shown, those of tables and text boxes too, none of them twice."""
    for child in parent:
        if child.tag == f"{MC}AlternateContent":
            branch = chosen(child)
            if branch is not None:
                yield from _paragraphs(branch)
        elif child.tag != f"{W}tc" or not is_continued(child):
            if child.tag == f"{W}p":
                yield child
            yield from _paragraphs(child)

"""PDF files with what a page can show: text of any size and weight, rules, images; and an outline."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from tests.unit.rag.parse.pdf_files import assembled

BODY = 10.0  # points


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page; `content` draws in PDF's language, an image covers 612 by 792 points."""

    content: str = ""
    rotate: int = 0
    image: Image.Image | None = None
    size: tuple[int, int] = (612, 792)


@dataclass(frozen=True, slots=True)
class Bookmark:
    title: str
    page: int  # from 0
    depth: int = 0  # 0 or 1; one of depth 1 belongs to the last one of depth 0


def text(x: float, y: float, words: str, *, size: float = BODY, bold: bool = False, mode: int = 0) -> str:
    escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /{'F2' if bold else 'F1'} {size} Tf {mode} Tr 1 0 0 1 {x} {y} Tm ({escaped}) Tj ET\n"


def paragraph(x: float, y: float, lines: int, *, word: str = "evidence") -> str:
    """Lines of prose, 12 points apart, from `y` downwards."""
    sentence = f"The committee found the {word} wanting and asked the authors for more of it"
    return "".join(text(x, y - 12 * n, f"{sentence} ({n})") for n in range(lines))


def rule(x0: float, y0: float, x1: float, y1: float) -> str:
    return f"{x0} {y0} m {x1} {y1} l S\n"


def grid(xs: Sequence[float], ys: Sequence[float]) -> str:
    """All rules of a table with these columns and rows."""
    flat = [rule(xs[0], y, xs[-1], y) for y in ys]
    return "".join(flat + [rule(x, ys[0], x, ys[-1]) for x in xs])


def right_aligned(x: float, y: float, words: str) -> str:
    """Figures, commas and brackets that end at `x`; other characters are wider or narrower in Helvetica."""
    width = sum(BODY * (0.556 if c.isdigit() or c == "$" else 0.333 if c in "()" else 0.278) for c in words)
    return text(x - width, y, words)


def drawn_pdf(
    *pages: DrawnPage | str, outline: Sequence[Bookmark] = (), catalog: str = "", title: str = ""
) -> bytes:
    """A PDF of these pages; a string is a page's content."""
    drawn = [DrawnPage(page) if isinstance(page, str) else page for page in pages]
    first = 7  # after catalog, page tree, font, information, bold font, outline
    numbers = [first + 3 * n for n in range(len(drawn))]
    marks = first + 3 * len(drawn)
    outlines = f"/Outlines 6 0 R {catalog}" if outline else catalog
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {outlines} >>".encode(),
        f"<< /Type /Pages /Kids [{' '.join(f'{n} 0 R' for n in numbers)}] /Count {len(drawn)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({title}) >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        _outline_root(outline, marks),
    ]
    for number, page in zip(numbers, drawn, strict=True):
        objects += _page(number, page)
    objects += _bookmarks(outline, marks, numbers)
    return assembled(objects, "")


def _page(number: int, page: DrawnPage) -> list[bytes]:
    content = page.content
    if page.image is not None:
        content = f"q 612 0 0 792 0 0 cm /Im1 Do Q\n{content}"
    encoded = content.encode("cp1252")
    head = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page.size[0]} {page.size[1]}] "
        f"/Rotate {page.rotate} /Contents {number + 1} 0 R /Resources "
        f"<< /Font << /F1 3 0 R /F2 5 0 R >> /XObject << /Im1 {number + 2} 0 R >> >> >>"
    )
    stream = b"<< /Length %d >>\nstream\n%b\nendstream" % (len(encoded), encoded)
    return [head.encode(), stream, _image(page.image or Image.new("L", (1, 1)))]


def _image(image: Image.Image) -> bytes:
    """Grey, or one bit a pixel when the picture is."""
    bits = 1 if image.mode == "1" else 8
    packed = zlib.compress((image if bits == 1 else image.convert("L")).tobytes())
    head = (
        f"<< /Type /XObject /Subtype /Image /Width {image.width} /Height {image.height} "
        f"/ColorSpace /DeviceGray /BitsPerComponent {bits} /Filter /FlateDecode /Length {len(packed)} >>"
    )
    return head.encode() + b"\nstream\n" + packed + b"\nendstream"


def _outline_root(outline: Sequence[Bookmark], marks: int) -> bytes:
    top = [marks + n for n, mark in enumerate(outline) if mark.depth == 0]
    if not top:
        return b"<< /Type /Outlines /Count 0 >>"
    return f"<< /Type /Outlines /First {top[0]} 0 R /Last {top[-1]} 0 R /Count {len(top)} >>".encode()


def _bookmarks(outline: Sequence[Bookmark], marks: int, pages: list[int]) -> list[bytes]:
    objects = []
    parent = 6
    for n, mark in enumerate(outline):
        if mark.depth == 0:
            parent = 6
        siblings = [m for m in range(n + 1, len(outline)) if outline[m].depth == mark.depth]
        until = next((m for m in range(n + 1, len(outline)) if outline[m].depth < mark.depth), len(outline))
        following = next((m for m in siblings if m < until), None)
        children = []
        for m in range(n + 1, len(outline)):
            if outline[m].depth <= mark.depth:
                break
            children.append(m)
        parts = [f"/Title ({mark.title})", f"/Parent {parent} 0 R", f"/Dest [{pages[mark.page]} 0 R /Fit]"]
        if following is not None:
            parts.append(f"/Next {marks + following} 0 R")
        if children:
            parts.append(f"/First {marks + children[0]} 0 R /Last {marks + children[-1]} 0 R /Count 1")
        objects.append(f"<< {' '.join(parts)} >>".encode())
        if mark.depth == 0:
            parent = marks + n
    return objects

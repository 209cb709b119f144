"""For readers that show pages to a service: a file without OCR, and its pages as pictures."""

import io

from PIL import Image

from rag.documents import ParsedDocument
from rag.parse.detect import detect
from rag.parse.dispatch import parse
from rag.parse.image import draw_frame, parse_frames
from rag.parse.pdf import draw_page, parse_text_layer
from rag.parse.scan import is_blank
from rag.parse.tesseract import DEFAULT_LANGUAGES
from rag.parse.types import IMAGES, FileType

MAX_BYTES = 5 * 1024 * 1024  # of a picture; a page at 200 dots per inch in grey takes about 1 MB
MAX_SIDE = 10_000  # pixels: Amazon Textract's limit


def read_or_draw(
    data: bytes,
    *,
    filename: str | None,
    mime_type: str | None,
    languages: str = DEFAULT_LANGUAGES,
    page: int | None = None,
) -> ParsedDocument | bytes:
    """Without a page the document, its own pages that are pictures left empty; files in it are read whole.

    With one, counted from 1, a picture of it: PNG or JPEG, of at most `MAX_BYTES`; empty when the page shows
    nothing, or its text needs no picture.

    Raises:
        InvalidInputError: As `rag.parse.parse` says.
    """
    kind = detect(data, filename=filename, mime_type=mime_type) if data else None
    if page is None:
        if kind is FileType.PDF:
            return parse_text_layer(data)
        if kind in IMAGES:
            return parse_frames(data)
        return parse(data, filename=filename, mime_type=mime_type, languages=languages)
    picture = draw_page(data, page) if kind is FileType.PDF else draw_frame(data, page)
    return b"" if picture is None or is_blank(picture) else _encoded(picture)


def _encoded(picture: Image.Image) -> bytes:
    """A PNG if it is small enough, else a JPEG, half the size until it is."""
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    data = _saved(picture, "PNG")
    while len(data) > MAX_BYTES:
        data = _saved(picture, "JPEG", quality=85)
        picture = picture.reduce(2)
    return data


def _saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()

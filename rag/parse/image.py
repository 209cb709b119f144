"""Pictures of text (scans, photographs, screenshots) by way of OCR; each frame is a page."""

import io
from collections.abc import Iterator
from contextlib import closing

from PIL import Image, ImageFile, ImageOps

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.parse.builder import DocumentBuilder
from rag.parse.ocr import ocr_layout
from rag.parse.page.layout import Layout
from rag.parse.page.tables import find_tables
from rag.parse.page.text import PageText
from rag.parse.page.write import write_page
from rag.parse.scan import fitted
from rag.parse.tesseract import DEFAULT_LANGUAGES, MISSING, ocr_available
from rag.parse.types import FileType

MAX_PIXELS = 80_000_000  # of a frame: A3 at 600 dots per inch; Pillow itself warns at 89 million
MAX_FRAMES = 300  # at about 3 seconds a frame, a quarter of an hour
_TYPES = {
    "PNG": FileType.PNG,
    "JPEG": FileType.JPEG,
    "MPO": FileType.JPEG,  # a phone's photograph: a JPEG with more pictures behind it
    "TIFF": FileType.TIFF,
    "WEBP": FileType.WEBP,
    "GIF": FileType.GIF,
    "BMP": FileType.BMP,
}
_ONE_FRAME = frozenset({"MPO"})  # opened as JPEG; the others are previews or the same from the side
# What Pillow's decoders raise on damaged files.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_TOO_LARGE = f"the picture is too large: at most {MAX_PIXELS // 1_000_000} million pixels are read"
_BROKEN = "the picture is broken and cannot be opened"


def parse_image(data: bytes, *, languages: str = DEFAULT_LANGUAGES) -> ParsedDocument:
    """The document of a PNG, JPEG, TIFF, WebP, GIF or BMP; `pages` are its frames.

    Args:
        data: The file.
        languages: Tesseract's codes of the text's languages, such as `eng+deu`.

    Raises:
        UnsupportedTypeError: Tesseract, or one of the languages, is not installed.
        UnreadableFileError: It is broken, or no text was found in it.
        InvalidInputError: A frame has more than `MAX_PIXELS` pixels.
    """
    if not ocr_available():
        raise UnsupportedTypeError(MISSING)
    with closing(_opened(data)) as picture:
        kind = _TYPES[picture.format or ""]
        count = _frame_count(picture)
        layouts = [ocr_layout(frame, languages=languages) for frame in _frames(picture, count)]
    if not any(layout.text.strip() for layout in layouts):
        raise UnreadableFileError("no text was found in the picture")
    return _document(layouts, kind, count)


def parse_frames(data: bytes) -> ParsedDocument:
    """The document of a picture that nobody has read yet: an empty page for each frame.

    Raises:
        UnreadableFileError: It is broken.
        InvalidInputError: A frame has more than `MAX_PIXELS` pixels.
    """
    with closing(_opened(data)) as picture:
        count = _frame_count(picture)
        return _document([Layout("")] * min(count, MAX_FRAMES), _TYPES[picture.format or ""], count)


def draw_frame(data: bytes, number: int) -> Image.Image:
    """Frame `number`, counted from 1, in grey and the way up in which it is to be seen.

    Raises:
        UnreadableFileError: It is broken.
        InvalidInputError: It has more than `MAX_PIXELS` pixels.
    """
    with closing(_opened(data)) as picture:
        return _frame(picture, number - 1)


def _opened(data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=[kind for kind in _TYPES if kind not in _ONE_FRAME])
    except _BOMBS as error:
        raise InvalidInputError(_TOO_LARGE) from error
    except _DAMAGE as error:
        raise UnreadableFileError(_BROKEN) from error


def _frame_count(picture: ImageFile.ImageFile) -> int:
    try:
        return 1 if picture.format in _ONE_FRAME else int(getattr(picture, "n_frames", 1))
    except _DAMAGE as error:
        raise UnreadableFileError(_BROKEN) from error


def _frames(picture: ImageFile.ImageFile, count: int) -> Iterator[Image.Image]:
    """The first `MAX_FRAMES` frames."""
    for number in range(min(count, MAX_FRAMES)):
        yield _frame(picture, number)


def _frame(picture: ImageFile.ImageFile, number: int) -> Image.Image:
    """A frame in grey, the way up in which it is to be seen."""
    try:
        picture.seek(number)
        if picture.width * picture.height > MAX_PIXELS:
            raise InvalidInputError(_TOO_LARGE)
        return ImageOps.exif_transpose(fitted(picture))
    except _BOMBS as error:
        raise InvalidInputError(_TOO_LARGE) from error
    except _DAMAGE as error:
        raise UnreadableFileError(_BROKEN) from error


def _document(layouts: list[Layout], kind: FileType, frames: int) -> ParsedDocument:
    builder = DocumentBuilder()
    tidy = PageText.of(layout.text for layout in layouts)
    before = ""
    for number, layout in enumerate(layouts, start=1):
        with builder.page(number):
            if layout.text != before:  # an animation shows the same text again and again
                write_page(builder, layout, tidy, tables=find_tables(layout))
        before = layout.text
    warnings = [] if frames <= MAX_FRAMES else [f"only the first {MAX_FRAMES} of {frames} pages were read"]
    return builder.build(kind, warnings=warnings)

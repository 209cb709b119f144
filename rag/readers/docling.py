"""docling-serve reads PDFs and pictures; all else is read here.

Docling itself comes with PyTorch; its server is a service of its own, spoken to over HTTP (`POST
/v1/convert/file`). It answers with Markdown, and with the document's structure, which tells the pages.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import structlog

from rag.documents import ParsedDocument
from rag.errors import GroundworkError, InvalidInputError, UnavailableError, UnreadableFileError
from rag.ingest import DocumentParser
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import normalise_lines
from rag.parse.detect import detect
from rag.parse.markdown import parse_markdown
from rag.parse.types import FileType

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 128 * 1024 * 1024  # Markdown and structure of some thousand pages
_HEAD_BYTES = 1024  # that tell a file's kind
_EXTENSIONS = {  # of the kinds that are sent, by which Docling knows them
    FileType.PDF: "pdf",
    FileType.PNG: "png",
    FileType.JPEG: "jpg",
    FileType.TIFF: "tiff",
    FileType.WEBP: "webp",
    FileType.BMP: "bmp",
}
_ITEMS = ("texts", "tables", "pictures")  # of Docling's document, each with the page it is on
_MARKS = re.compile(r"<!-- [\w -]+ -->")  # Docling's own: of a picture, of a formula
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")  # what no database text can hold
_MAX_LOGGED = 500  # characters of a reason


class DoclingParser:
    """Reads files with the help of docling-serve; `rag.ingest.DocumentParser`.

    Args:
        client: For the server's address; `docling_client` opens one.
        local: Reads what is not sent.
        timeout_s: Longest wait for an answer, in seconds.
    """

    def __init__(self, client: httpx.AsyncClient, local: DocumentParser, *, timeout_s: float) -> None:
        self._client = client
        self._local = local
        self._timeout_s = timeout_s

    @property
    def reading_settings(self) -> Mapping[str, str]:
        return {**self._local.reading_settings, "parser": "docling"}

    async def parse(self, path: Path, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
        """The document in a file of this machine.

        Raises:
            InvalidInputError: Its subclasses say what is wrong with the file; or the server may not be used.
            UnavailableError: The server can't be reached, is overloaded, or takes too long.
        """
        kind = await asyncio.to_thread(_kind, path, filename, mime_type)
        if kind not in _EXTENSIONS:
            return await self._local.parse(path, filename=filename, mime_type=mime_type)
        page_break = f"page-break-{uuid4().hex}"  # nothing that a document could hold
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._convert(path, kind, page_break)
        except (TimeoutError, httpx.RequestError) as exc:
            raise UnavailableError("docling-serve can't be reached, or takes too long") from exc
        return await asyncio.to_thread(_document, answer, kind, page_break)

    async def _convert(self, path: Path, kind: FileType, page_break: str) -> bytes:
        form = {
            "to_formats": ["md", "json"],
            "image_export_mode": "placeholder",
            "md_page_break_placeholder": page_break,
        }
        with path.open("rb") as file:
            files = {"files": (f"document.{_EXTENSIONS[kind]}", file, kind.value)}
            async with self._client.stream("POST", "/v1/convert/file", data=form, files=files) as response:
                answer = await _body(response)
        if response.status_code != httpx.codes.OK:
            log.warning("docling_refused", status=response.status_code, reason=_shown(answer))
            raise _refusal(response.status_code)
        return answer


@asynccontextmanager
async def docling_client(url: str, *, timeout_s: float) -> AsyncIterator[httpx.AsyncClient]:
    """Connections to a server, closed at the end."""
    timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False) as client:
        yield client


def _kind(path: Path, filename: str | None, mime_type: str | None) -> FileType | None:
    """The kind that the file's first bytes tell; None for what only the local parser can tell or refuse."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    try:
        return detect(head, filename=filename, mime_type=mime_type)
    except InvalidInputError:
        return None


async def _body(response: httpx.Response) -> bytes:
    answer = bytearray()
    async for piece in response.aiter_bytes():
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise UnreadableFileError(f"the file holds more than {MAX_ANSWER_BYTES // 1024**2} MB of text")
    return bytes(answer)


def _refusal(status: int) -> GroundworkError:
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        return UnavailableError(f"docling-serve can't answer now ({status})")
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN} or status < httpx.codes.BAD_REQUEST:
        return InvalidInputError(f"docling-serve at DOCLING_URL doesn't take calls ({status})")
    return UnreadableFileError(f"docling-serve can't read the file ({status})")


def _document(answer: bytes, kind: FileType, page_break: str) -> ParsedDocument:
    try:
        result = orjson.loads(answer)
        status, errors = result["status"], result.get("errors") or ()
        markdown = result["document"]["md_content"] or ""
        pages = _pages(result["document"].get("json_content") or {})
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise UnavailableError("docling-serve's answer can't be read") from exc
    if status not in {"success", "partial_success"}:
        log.warning("docling_failed", status=status, reason=_shown(orjson.dumps(errors)))
        raise UnreadableFileError("docling-serve can't read the file")
    document = _of_markdown(markdown.split(page_break), pages, kind)
    if status == "partial_success":
        return replace(document, warnings=("docling-serve could not read all of the file",))
    return document


def _pages(structure: Mapping[str, Any]) -> list[int]:
    """The numbers of the pages that hold anything but page headers and footers."""
    return sorted(
        {
            place["page_no"]
            for kind in _ITEMS
            for item in structure.get(kind, ())
            if item.get("content_layer", "body") == "body"
            for place in item.get("prov", ())[:1]
        }
    )


def _of_markdown(parts: Sequence[str], pages: Sequence[int], kind: FileType) -> ParsedDocument:
    """Breaks stand only before pages that hold something. No page number is better than a wrong one."""
    parsed = [parse_markdown(_plain(part)) for part in parts]
    builder = DocumentBuilder()
    for number, part in zip_longest(pages if len(pages) == len(parsed) else (), parsed):
        with nullcontext() if number is None else builder.page(number):
            builder.document(part, level=0)
    document = builder.build(kind, title=next((part.title for part in parsed if part.title), None))
    if not document.text.strip():
        raise UnreadableFileError("docling-serve found no text in the file")
    return document


def _plain(markdown: str) -> str:
    """Markdown without Docling's marks and escapes; in what it takes from a document it escapes both."""
    text = html.unescape(_MARKS.sub("", markdown)).replace("\\_", "_")
    return normalise_lines(_FORBIDDEN.sub("", text))


def _shown(answer: bytes) -> str:
    return answer[:_MAX_LOGGED].decode("utf-8", "replace")

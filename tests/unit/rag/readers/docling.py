"""A loopback server that speaks docling-serve's `POST /v1/convert/file`."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from tests.standins.http import QuietHandler, http_server

_OPTIONS = {  # of those that are used, what docling-serve takes
    "to_formats": {"md", "json", "html", "text", "doctags"},
    "image_export_mode": {"embedded", "placeholder", "referenced"},
    "md_page_break_placeholder": None,
}
_TYPES = {
    "pdf": b"%PDF-",
    "png": b"\x89PNG",
    "jpg": b"\xff\xd8\xff",
    "tiff": b"II*\x00",
    "webp": b"RIFF",
    "bmp": b"BM",
}


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    mime_type: str
    data: bytes


@dataclass(slots=True)
class DoclingServe:
    """Answers any file with the same pages.

    Attributes:
        pages: Numbers and Markdown of the pages that hold anything.
        status: What became of the conversion.
        answer: HTTP status and body to answer with instead.
        hang: Whether to answer only when the server ends.
        uploads: The files it was sent, in order.
    """

    url: str = ""
    pages: Sequence[tuple[int, str]] = ()
    status: str = "success"
    answer: tuple[int, bytes] | None = None
    hang: bool = False
    uploads: list[Upload] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def respond(self, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        if path != "/v1/convert/file":
            return 404, b'{"detail":"Not Found"}'
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        options: dict[str, list[str]] = {}
        for part in message_from_bytes(head + body).get_payload():
            assert isinstance(part, Message)
            self._take(part, options)
        if any(allowed and not set(options.get(name, ())) <= allowed for name, allowed in _OPTIONS.items()):
            return 422, b'{"detail":[{"type":"enum"}]}'
        upload = self.uploads[-1]
        if not upload.data.startswith(_TYPES[upload.filename.rpartition(".")[2]]) or set(options) > set(
            _OPTIONS
        ):
            return 422, b'{"detail":[{"type":"value_error"}]}'
        if self.hang:
            self.ended.wait(30)
        return self.answer or (200, json.dumps(self._converted(options)).encode())

    def _take(self, part: Message, options: dict[str, list[str]]) -> None:
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        filename = part.get_filename()
        if filename is None:
            options.setdefault(name, []).append(data.decode())
        else:
            assert name == "files"
            self.uploads.append(Upload(filename, part.get_content_type(), data))

    def _converted(self, options: dict[str, list[str]]) -> dict[str, Any]:
        """As Docling does: a break only where the page number grows, and never a page's number."""
        (page_break,) = options["md_page_break_placeholder"]
        document: dict[str, Any] = {"filename": self.uploads[-1].filename}
        if "md" in options["to_formats"]:
            document["md_content"] = f"\n\n{page_break}\n\n".join(markdown for _, markdown in self.pages)
        if "json" in options["to_formats"]:
            texts = [_item(number, "body") for number, _ in self.pages]
            last = max((number for number, _ in self.pages), default=0)
            texts += [_item(number, "furniture") for number in range(1, last + 2)]
            document["json_content"] = {"schema_name": "DoclingDocument", "texts": texts, "tables": []}
        errors = [] if self.status == "success" else [{"error_message": "page 2 failed", "module_name": "x"}]
        return {"document": document, "status": self.status, "errors": errors, "processing_time": 0.5}


def _item(page: int, layer: str) -> dict[str, Any]:
    return {"label": "text", "content_layer": layer, "prov": [{"page_no": page}], "text": "any"}


@contextmanager
def docling_server() -> Iterator[DoclingServe]:
    docling = DoclingServe()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = _body(self)
            status, answer = docling.respond(self.path, self.headers["Content-Type"], body)
            self.reply(status, answer, "application/json")

    with http_server(Handler) as url:
        docling.url = url
        try:
            yield docling
        finally:
            docling.ended.set()


def _body(handler: QuietHandler) -> bytes:
    if "Content-Length" in handler.headers:
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    return body

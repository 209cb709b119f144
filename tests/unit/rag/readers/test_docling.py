import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnavailableError, UnreadableFileError
from rag.parse import parse
from rag.readers.docling import DoclingParser, docling_client
from rag.sandbox.limits import Limits
from rag.sandbox.pool import Sandbox, open_sandbox
from tests.unit.rag.parse.pdf_files import pdf_file
from tests.unit.rag.parse.pictures import encoded, picture
from tests.unit.rag.parse.zip_files import zip_file
from tests.unit.rag.readers.docling import DoclingServe, docling_server

PDF = pdf_file("Any text")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files, with the server that it asks."""

    server: DoclingServe
    sandbox: Sandbox
    folder: Path

    async def read(self, data: bytes, name: str = "a.pdf", *, timeout_s: float = 20) -> ParsedDocument:
        path = self.folder / name
        await asyncio.to_thread(path.write_bytes, data)
        async with docling_client(self.server.url, timeout_s=timeout_s) as client:
            parser = DoclingParser(client, self.sandbox, timeout_s=timeout_s)
            return await parser.parse(path, filename=name, mime_type=None)


@pytest.fixture
def server() -> Iterator[DoclingServe]:
    with docling_server() as docling:
        yield docling


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(Limits(), processes=1) as opened:
        yield opened


@pytest.fixture
def reader(server: DoclingServe, sandbox: Sandbox, tmp_path: Path) -> Reader:
    return Reader(server, sandbox, tmp_path)


def pages(document: ParsedDocument) -> dict[int, str]:
    return {page.number: document.text[page.start : page.end] for page in document.pages}


async def test_headings_tables_and_pages_survive(reader: Reader) -> None:
    reader.server.pages = [
        (1, "# Minutes\n\nThe board met."),
        (3, "## Prices\n\n| Name | Price |\n| - | - |\n| Nails | 310 |"),
    ]
    document = await reader.read(PDF)
    assert document.mime_type == "application/pdf"
    assert document.title == "Minutes"
    assert pages(document) == {
        1: "# Minutes\n\nThe board met.",
        3: "## Prices\n\n| Name | Price |\n| - | - |\n| Nails | 310 |",
    }
    assert [(h.title, h.level) for h in document.headings] == [("Minutes", 1), ("Prices", 2)]
    (table,) = document.tables
    assert document.text[table.start : table.end] == "| Name | Price |\n| - | - |\n| Nails | 310 |"
    assert document.warnings == ()
    (upload,) = reader.server.uploads
    assert (upload.filename, upload.mime_type, upload.data) == ("document.pdf", "application/pdf", PDF)


async def test_a_file_name_is_not_told(reader: Reader) -> None:
    reader.server.pages = [(1, "Text")]
    await reader.read(encoded(picture("x"), "PNG"), "salaries of all.bin")
    assert reader.server.uploads[0].filename == "document.png"


async def test_marks_and_escapes_of_docling_are_taken_out(reader: Reader) -> None:
    reader.server.pages = [(1, "<!-- image -->\n\na\\_b &lt;c&gt; &amp;amp;\x00 &lt;!-- kept --&gt;")]
    assert (await reader.read(PDF)).text == "a_b <c> &amp; <!-- kept -->"


async def test_without_matching_numbers_there_are_no_pages(reader: Reader) -> None:
    reader.server.answer = (200, b'{"status":"success","document":{"md_content":"One"}}')
    document = await reader.read(PDF)
    assert (document.text, document.pages) == ("One", ())


async def test_other_files_are_read_here(reader: Reader) -> None:
    files = {"a.md": b"# A\n\ntext", "a.zip": zip_file({"b.txt": "text"}), "a.csv": b"a,b\n1,2\n"}
    for name, data in files.items():
        assert await reader.read(data, name) == parse(data, filename=name, mime_type=None)
    with pytest.raises(UnreadableFileError, match="is called a PDF but is not one"):
        await reader.read(b"no", "a.pdf")
    assert reader.server.uploads == []


async def test_a_part_that_failed_is_told(reader: Reader) -> None:
    reader.server.pages, reader.server.status = [(1, "One")], "partial_success"
    document = await reader.read(PDF)
    assert document.warnings == ("docling-serve could not read all of the file",)


@pytest.mark.parametrize("status", ["failure", "skipped"])
async def test_a_failed_conversion_makes_the_file_unreadable(reader: Reader, status: str) -> None:
    reader.server.status = status
    with pytest.raises(UnreadableFileError, match="can't read the file"):
        await reader.read(PDF)


async def test_a_file_without_text_is_unreadable(reader: Reader) -> None:
    reader.server.pages = [(1, "<!-- image -->")]
    with pytest.raises(UnreadableFileError, match="found no text"):
        await reader.read(PDF)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (307, InvalidInputError),
        (401, InvalidInputError),
        (403, InvalidInputError),
        (404, UnreadableFileError),
        (413, UnreadableFileError),
        (422, UnreadableFileError),
        (429, UnavailableError),
        (500, UnavailableError),
        (504, UnavailableError),
    ],
)
async def test_what_the_server_refuses_is_told(reader: Reader, status: int, error: type[Exception]) -> None:
    reader.server.answer = (status, b'{"detail":"of a test"}')
    with pytest.raises(error, match=str(status)) as raised:
        await reader.read(PDF)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"status":"success"}', b'{"status":"success","document":{"json_content":[]}}'],
)
async def test_an_answer_that_makes_no_sense_is_not_taken_for_an_empty_file(
    reader: Reader, body: bytes
) -> None:
    reader.server.answer = (200, body)
    with pytest.raises(UnavailableError, match="can't be read"):
        await reader.read(PDF)


async def test_an_answer_that_is_too_long_is_cut_off(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.readers.docling.MAX_ANSWER_BYTES", 1000)
    reader.server.pages = [(1, "long " * 1000)]
    with pytest.raises(UnreadableFileError, match="MB of text"):
        await reader.read(PDF)


async def test_a_server_that_hangs_is_given_up(reader: Reader) -> None:
    reader.server.hang = True
    start = time.monotonic()
    with pytest.raises(UnavailableError, match="takes too long"):
        await reader.read(PDF, timeout_s=0.3)
    assert time.monotonic() - start < 30


async def test_a_server_that_is_not_there_is_unavailable(reader: Reader) -> None:
    reader.server.url = "http://127.0.0.1:9"  # discard: nothing listens there
    with pytest.raises(UnavailableError):
        await reader.read(PDF)

"""Amazon Textract reads scanned pages and pictures; all else is read here.

Pages are drawn in the sandbox and sent one by one (AnalyzeDocument with tables, and the layout, which costs
nothing more then). A page with a text layer is never sent.
"""

import asyncio
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from rag.aws.clients import aws_client
from rag.documents import ParsedDocument
from rag.errors import ModelError, ThrottledError, UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.page.numbers import named_pages, were
from rag.parse.types import IMAGES, FileType
from rag.readers.cut import cut_page
from rag.readers.textract_errors import textract_errors
from rag.readers.textract_page import Block, write_blocks
from rag.sandbox.pool import Sandbox
from rag.sources.threads import run_in_thread

DRAWING_PARSER = "rag.parse.pictures:read_or_draw"
MAX_PAGES = 300  # of a file: at 15 dollars for 1,000 pages, 4.50 dollars
CALLS = 3  # at a time: a page takes 2 or 3 seconds, and many regions allow one a second
READ_TIMEOUT_S = 60.0
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # between tries, when Textract asks for fewer calls
_WITH_PICTURES = IMAGES | {FileType.PDF}


class TextractClient(Protocol):
    """The one call of boto3's client that is made."""

    def analyze_document(
        self,
        *,
        Document: Mapping[str, bytes],  # noqa: N803
        FeatureTypes: Sequence[str],  # noqa: N803
    ) -> Mapping[str, Any]: ...


def textract_client() -> Any:
    """A client as the environment says. Takes a fifth of a second.

    Raises:
        InvalidInputError: There is no region, or a profile or endpoint that can't be.
    """
    return aws_client(
        "textract", needed_by="PARSER=textract", read_timeout_s=READ_TIMEOUT_S, connections=CALLS
    )


class TextractParser:
    """Reads files with the help of Textract; `rag.ingest.DocumentParser`.

    Args:
        sandbox: Opened with `DRAWING_PARSER`.
        client: boto3's, which must not retry by itself; `textract_client` makes one.
        waits_s: Between tries of a call for which there is no quota, in seconds.
    """

    def __init__(
        self, sandbox: Sandbox, client: TextractClient, *, waits_s: Sequence[float] = WAITS_S
    ) -> None:
        self._sandbox = sandbox
        self._client = client
        self._waits_s = waits_s
        self._calls = asyncio.Semaphore(CALLS)  # of whichever file

    @property
    def reading_settings(self) -> Mapping[str, str]:
        return {**self._sandbox.reading_settings, "parser": "textract"}

    async def parse(self, path: Path, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
        """The document in a file of this machine.

        Raises:
            InvalidInputError: Its subclasses say what is wrong with the file; or Textract may not be used.
            UnavailableError: Textract or the sandbox can't be used now.
            ModelError: Textract's answer makes no sense.
        """
        document = await self._sandbox.parse(path, filename=filename, mime_type=mime_type)
        if document.mime_type not in _WITH_PICTURES:
            return document
        empty = [page.number for page in document.pages if page.start == page.end]
        if not empty:
            return document
        read = await self._read_pages(path, empty[:MAX_PAGES])
        return await asyncio.to_thread(_filled, document, read, empty)

    async def _read_pages(self, path: Path, numbers: Sequence[int]) -> dict[int, Sequence[Block]]:
        """What Textract sees on those of the pages that show anything."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {number: group.create_task(self._read_page(path, number)) for number in numbers}
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return {number: task.result() for number, task in tasks.items()}

    async def _read_page(self, path: Path, number: int) -> Sequence[Block]:
        async with self._calls:
            picture = await self._sandbox.draw(path, page=number)
            return await self._analyse(picture) if picture else ()

    async def _analyse(self, picture: bytes) -> Sequence[Block]:
        for wait_s in self._waits_s:
            try:
                return await run_in_thread(lambda _stop: self._ask(picture))
            except ThrottledError:
                await asyncio.sleep(wait_s)
        return await run_in_thread(lambda _stop: self._ask(picture))

    def _ask(self, picture: bytes) -> Sequence[Block]:
        with textract_errors():
            answer = self._client.analyze_document(
                Document={"Bytes": picture}, FeatureTypes=["TABLES", "LAYOUT"]
            )
        blocks: Sequence[Block] | None = answer.get("Blocks")
        if blocks is None:
            raise ModelError("Amazon Textract's answer cannot be read")
        return blocks


def _filled(
    document: ParsedDocument, read: Mapping[int, Sequence[Block]], empty: Sequence[int]
) -> ParsedDocument:
    """The document with what was read on its empty pages."""
    builder = DocumentBuilder()
    for page in document.pages:
        with builder.page(page.number):
            if page.number in read:
                _write(builder, read[page.number])
            else:
                builder.document(cut_page(document, page), level=0)
    filled = builder.build(document.mime_type, title=document.title)
    if not filled.text.strip():
        raise UnreadableFileError("the file holds no text, and Amazon Textract found none in its pictures")
    blank = {page.number for page in filled.pages if page.start == page.end}
    return replace(filled, warnings=(*document.warnings, *_warnings(empty, blank)))


def _write(builder: DocumentBuilder, blocks: Sequence[Block]) -> None:
    try:
        write_blocks(builder, blocks)
    except (LookupError, TypeError, AttributeError) as exc:
        raise ModelError("Amazon Textract's answer makes no sense") from exc


def _warnings(empty: Sequence[int], blank: Container[int]) -> Iterator[str]:
    read = [number for number in empty if number not in blank]
    left = [number for number in empty if number in blank]
    if read:
        yield f"{named_pages(read)} {were(read)} read by Amazon Textract"
    if left:
        yield f"no text on {named_pages(left)}"
    if len(empty) > MAX_PAGES:
        yield f"at most {MAX_PAGES} pages of a file are read by Amazon Textract"

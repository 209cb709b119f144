"""Reading files in a thread of this process: for files that are our own, and where there is no other way."""

import asyncio
from pathlib import Path

from rag.documents import ParsedDocument
from rag.parse.dispatch import parse


class InProcessParser:
    """`rag.ingest.DocumentParser` without limits."""

    async def parse(self, path: Path, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
        data = await asyncio.to_thread(path.read_bytes)
        return await asyncio.to_thread(parse, data, filename=filename, mime_type=mime_type)

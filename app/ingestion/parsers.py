"""What reads files, as PARSER says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from app.settings import Settings
from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.ingest import DocumentParser
from rag.parse.tesseract import DEFAULT_LANGUAGES, check_languages, found_program, ocr_available
from rag.readers.docling import DoclingParser, docling_client
from rag.readers.textract import DRAWING_PARSER, TextractParser, textract_client
from rag.sandbox.limits import Limits
from rag.sandbox.pool import PARSER, open_sandbox

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_parser(settings: Settings) -> AsyncIterator[DocumentParser]:
    """A parser, closed with all its processes and connections at the end.

    Raises:
        InvalidInputError: PARSER=textract without an AWS region.
    """
    await asyncio.to_thread(_warn_of_missing_languages, settings.ocr_languages)
    languages = settings.ocr_languages
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            open_sandbox(
                _limits(settings),
                processes=settings.worker_slots,
                parser=DRAWING_PARSER if settings.parser == "textract" else PARSER,
                options={} if languages == DEFAULT_LANGUAGES else {"languages": languages},
            )
        )
        if settings.parser == "textract":
            yield TextractParser(sandbox, await asyncio.to_thread(textract_client))
        elif settings.docling_url is not None and settings.parser == "docling":
            timeout_s = settings.parse_timeout_s
            client = await stack.enter_async_context(
                docling_client(settings.docling_url, timeout_s=timeout_s)
            )
            yield DoclingParser(client, sandbox, timeout_s=timeout_s)
        else:
            yield sandbox


def _limits(settings: Settings) -> Limits:
    seconds = settings.parse_timeout_s
    return Limits(memory_mb=settings.parse_memory_mb, cpu_s=seconds, wall_s=seconds)


def _warn_of_missing_languages(languages: str) -> None:
    """A service without Tesseract is one without OCR, which is no news; a missing language is a mistake."""
    try:
        if ocr_available():
            check_languages(found_program(), languages)
    except (UnsupportedTypeError, UnreadableFileError) as exc:
        log.warning("ocr_language_missing", ocr_languages=languages, reason=str(exc))

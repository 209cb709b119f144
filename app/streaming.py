"""An answer as server-sent events (WHATWG HTML, "Server-sent events")."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel

from app.answer_run import Run
from app.answering import Answerer
from app.problems import DETAIL_OF, classify
from app.schemas.chat import CitationOut, RetrievedDocument
from app.shutdown import Shutdown
from graph.events import AnswerEvent, Released, SourcesChosen
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)

HEARTBEAT_S = 10.0  # under the idle limit of every common proxy
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold events back


class Meta(BaseModel):
    request_id: str
    conversation_id: str
    variant: str | None


class Sources(BaseModel):
    retrieved_documents: list[RetrievedDocument]


class Token(BaseModel):
    """A whole sentence of the answer. The texts of all tokens, concatenated, are `done.answer`."""

    text: str
    citations: list[int]


class StreamError(BaseModel):
    """The end of a stream that failed. `partial` tells whether a part of the answer was sent before."""

    status: int
    code: str
    detail: str
    request_id: str
    partial: bool


async def stream_answer(
    answerer: Answerer, run: Run, shutdown: Shutdown | None = None
) -> AsyncGenerator[bytes, None]:
    """Events of one answer; ends the work on it when the client goes, or when the process has to end."""
    shutdown = shutdown or Shutdown()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def emit(event: AnswerEvent) -> None:
        for part in _encode(event):
            queue.put_nowait(part)

    async def work() -> None:
        try:
            async with shutdown.limit():
                done = await answerer.answer(run, emit)
            queue.put_nowait(_event("done", done))
        except (GroundworkError, TimeoutError) as exc:
            queue.put_nowait(_failure(run, exc))
        except Exception as exc:  # the task's boundary: the client learns that it failed
            log.exception("stream_crashed")
            queue.put_nowait(_failure(run, exc))
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)  # lets it begin: cancelled before that, it would leave no trace
    try:
        yield KEEPALIVE_COMMENT
        meta = Meta(request_id=run.request_id, conversation_id=str(run.conversation_id), variant=run.variant)
        yield _event("meta", meta)
        async for part in _with_heartbeat(queue):
            yield part
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _with_heartbeat(queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while True:
        try:
            part = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
        except TimeoutError:
            yield KEEPALIVE_COMMENT
            continue
        if part is None:
            return
        yield part


def _encode(event: AnswerEvent) -> list[bytes]:
    match event:
        case SourcesChosen(sources):
            documents = [RetrievedDocument.of(source) for source in sources]
            return [_event("sources", Sources(retrieved_documents=documents))]
        case Released(text, citations):
            token = Token(text=text, citations=[citation.index for citation in citations])
            cited = [_event("citation", CitationOut.model_validate(citation)) for citation in citations]
            return [_event("token", token), *cited]
        case _:
            return []


def _event(name: str, body: BaseModel) -> bytes:
    return format_sse_event(event=name, data_str=body.model_dump_json())


def _failure(run: Run, exc: Exception) -> bytes:
    status, code, detail = 500, "internal_error", DETAIL_OF["internal_error"]
    if isinstance(exc, GroundworkError):
        http_status, code, detail = classify(exc)
        status = http_status.value
    elif isinstance(exc, TimeoutError):
        status, code, detail = 504, "timeout", DETAIL_OF["timeout"]
    return _event(
        "error",
        StreamError(
            status=status,
            code=code,
            detail=detail,
            request_id=run.request_id,
            partial=bool(run.released),
        ),
    )

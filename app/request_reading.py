"""Requests that never end: a client that sends a byte a minute must not hold a connection for long.

The protocol watches over a request's headers, before there is anything to call; the middleware over its body.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 100
MAX_HEADER_BYTES = 64 * 1024  # with the request line; proxies allow 8 to 64 kB
LEAST_BYTES_PER_S = 500  # of a body, as Apache's mod_reqtimeout has it
TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
CLOSE = {"Connection": "close"}  # what comes after half a body is no request


class RefusedRequestError(Exception):
    """Stops the parser, and what catches it there sends the refusal."""


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose headers must be small and arrive in time."""

    read_timeout_s: ClassVar[float] = 20.0

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _reads_body = False
    _refusal = HTTPStatus.BAD_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self._reads_body:
            return
        if self.cycle is None or self.cycle.response_complete:
            self._arm()  # also for empty lines ahead of a request, which would else go on for ever
        if self._head_bytes > MAX_HEADER_BYTES:
            self._refusal = TOO_LARGE
            self.send_400_response("")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reads_body:
            return  # a trailer, which no proxy has looked at
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refuse(TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._disarm()
        self._reads_body = True
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse(TOO_LARGE)
        if self._is_ambiguous():
            self._refuse(HTTPStatus.BAD_REQUEST)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reads_body = False
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self._reads_body and not self.transport.is_closing():
            self._arm()  # time to read the answer; closed at once, the client might never see it

    def send_400_response(self, msg: str) -> None:
        status = f"{self._refusal.value} {self._refusal.phrase}"
        head = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()

    def _is_ambiguous(self) -> bool:
        """Whether a proxy could have taken the request for another one (RFC 9112, 3.2 and 6.1).

        What else may be ambiguous, such as two lengths, the parser refuses itself.
        """
        version = self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if version == "1.0":
            return hosts > 1 or b"transfer-encoding" in names
        return version != "1.1" or hosts != 1

    def _refuse(self, status: HTTPStatus) -> None:
        self._refusal = status
        raise RefusedRequestError

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.read_timeout_s, self._give_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()


def limited_protocol(read_timeout_s: float) -> type[LimitedProtocol]:
    """The protocol with that timeout: uvicorn makes its objects itself."""
    return type("LimitedProtocol", (LimitedProtocol,), {"read_timeout_s": read_timeout_s})


class BodyDeadlineMiddleware:
    """Answers 408 to a body that doesn't come.

    All of it may take `timeout_s`, counted from when it is first asked for, and a second more for every 500
    bytes that have come.
    """

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self.app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _Body(receive, self._timeout_s).receive
        await self.app(scope, receive, send)


class _Body:
    """A request's body and the time until which its next part must be there."""

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._timeout_s = timeout_s
        self._deadline: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:  # what may come now is the end of the connection
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = "The body of the request did not arrive in time."
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail, CLOSE) from None
        self._is_whole = not message.get("more_body", False)
        self._deadline += len(message.get("body", b"")) / LEAST_BYTES_PER_S
        return message

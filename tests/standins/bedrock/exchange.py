"""One request and its answer, down to the connection."""

import asyncio
import json
import socket
import struct
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tests.standins.bedrock.errors import ApiError
from tests.standins.bedrock.wire import Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: don't wait for what wasn't sent


class ConnectionEndedError(Exception):
    """Nothing more can be sent: the caller hung up, or the stand-in did."""


class Exchange:
    """Reads the request, writes the answer and knows when the caller is gone."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._gone: asyncio.Task[None] | None = None
        self._request_id = str(uuid.uuid4())
        self._started = time.monotonic()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        self.request = Request(scope["method"], path.partition("?")[0], query, headers, b"")

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    async def read(self) -> None:
        """The whole body; from then on a caller who hangs up is noticed."""
        parts = []
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionEndedError
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        made = self.request
        self.request = Request(made.method, made.path, made.query, made.headers, b"".join(parts))
        self._gone = asyncio.create_task(self._hung_up())

    async def _hung_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a caller who is gone.

        Raises:
            ConnectionEndedError: The caller is.
        """
        if self._gone is not None:
            await asyncio.wait({self._gone}, timeout=max(0, seconds))
            if self._gone.done():
                raise ConnectionEndedError

    async def answer(self, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """All at once; `body` is bytes or becomes JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.start({"Content-Length": str(len(raw)), **(headers or {})}, status=status)
        await self.write(raw, more=False)

    async def refuse(self, error: ApiError) -> None:
        headers = {"x-amzn-ErrorType": error.code, **error.headers}
        body = {"__type": error.code, "message": error.message}
        await self.answer(body, status=error.status, headers=headers)

    async def start(self, headers: Mapping[str, str], *, status: int = 200) -> None:
        sent = {"Content-Type": "application/json", "x-amzn-RequestId": self._request_id, **headers}
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def cut(self) -> None:
        """Close the connection in the middle of the answer; what was written still arrives."""
        self._transport.close()
        await self._until_closed()

    async def reset(self) -> None:
        """Close the connection as a process that dies does."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
        await self._until_closed()

    async def _until_closed(self) -> None:
        # The server takes an answer without end for a mistake as long as it doesn't know of this.
        if self._gone is not None:
            await self._gone

    def close(self) -> None:
        if self._gone is not None:
            self._gone.cancel()

"""Runs the stand-in: beside a test, or as a process of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.standins.bedrock.app import App
from tests.standins.bedrock.control import Bedrock

if TYPE_CHECKING:
    from rag.models.local import LocalModels

KEEP_ALIVE_S = 75
CONNECTIONS = 1024  # that wait to be accepted


class _Protocol(HttpToolsProtocol):
    """Hands the connection to the application, which may close it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        bedrock = cast("App", self.config.app).bedrock
        if bedrock.down:
            bedrock.refused += 1
            transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Also end streams that have long to go, so that nobody waits for them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


@contextmanager
def bedrock_standin(*, local: "LocalModels | None" = None, port: int = 0) -> Iterator[Bedrock]:
    """A running server on the loopback, in a thread of its own.

    Args:
        local: Models that answer chats for which no reply is set; by default they are loaded when needed.
        port: 0 for any that is free.
    """
    listening = listen(port)
    bedrock = Bedrock(_url(listening), local)
    server = _server(bedrock)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="bedrock-standin")
    thread.start()
    try:
        yield bedrock
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def serve(port: int) -> None:
    """Run until the process is told to end; says on stdout where."""
    with listen(port) as listening:
        url = _url(listening)
        print(f"listening on {url}", flush=True)  # noqa: T201 - whoever started it reads this
        _server(Bedrock(url)).run(sockets=[listening])


def listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=CONNECTIONS)


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def _server(bedrock: Bedrock) -> _Server:
    config = Config(
        cast("Any", App(bedrock)),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=CONNECTIONS,
    )
    return _Server(config)

"""`python -m app`: serve, and say how to ask the first question."""

import asyncio
import gc
import json
import math
import os
import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from app.factory import create_app
from app.request_reading import limited_protocol
from app.sample import QUESTION
from app.security_headers import DOCS, shows_documentation
from app.service_settings import ServiceSettings
from app.settings import Settings
from app.shutdown import Shutdown
from observability.logs import configure_logs, toggle_debug
from rag.errors import GroundworkError
from rag.models.local import LocalModels

LAST_S = 5  # for saying why, to those whose answers were cut off
LOOK_S = 0.05  # for a second signal


class Server(uvicorn.Server):
    """Says that it is ready once it listens; at its end, lets go in the order of `app.shutdown`."""

    def __init__(self, config: uvicorn.Config, settings: Settings, shutdown: Shutdown) -> None:
        super().__init__(config)
        self._settings = settings
        self._shutdown = shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settle_heap()
            print(_welcome(self._address(), self._settings), flush=True)  # noqa: T201 - meant for a person

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutdown.begun.set()
        await self._pause()
        grace = asyncio.get_running_loop().call_later(self._settings.shutdown_grace_s, self._shutdown.cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            grace.cancel()

    async def _pause(self) -> None:
        """Until the load balancer has noticed; a worker has none, and a second signal can't wait."""
        if self._settings.role == "worker":
            return
        for _ in range(math.ceil(self._settings.shutdown_pause_s / LOOK_S)):
            if self.force_exit:
                return
            await asyncio.sleep(LOOK_S)

    def _address(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - replaced, not bound
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def settle_heap() -> None:
    """Take what is there for good out of garbage collection, which would else stop everything for 0.1 s.

    The modules and tables of a started service are a million objects, looked at in each full collection.
    """
    gc.collect()
    gc.freeze()


def _welcome(address: str, settings: Settings) -> str:
    if settings.role == "worker":
        return (
            f"\nThe Groundwork worker is ready; http://{address}/health tells how it is. Ctrl-C stops it.\n"
        )
    body = json.dumps({"query": QUESTION})
    documentation = f" (documentation: http://{address}{DOCS})" if shows_documentation(settings) else ""
    return (
        f"\nGroundwork is ready on http://{address}{documentation}. Try:\n\n"
        f"  curl -s http://{address}/chat -H 'Content-Type: application/json' -d '{body}'\n\n"
        "Ctrl-C stops it.\n"
    )


def _say_level(level: str) -> None:
    """Not through the log or a buffer, which the interrupted code may be writing to."""
    os.write(sys.stderr.fileno(), f"The log level is {level} now.\n".encode())


def main() -> int:
    try:
        settings = ServiceSettings()
    except GroundworkError as exc:
        print(f"Groundwork cannot start: {exc}", file=sys.stderr)  # noqa: T201
        return 2
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    server = make_server(settings)
    signal.signal(signal.SIGHUP, server.handle_exit)  # a closed terminal must not leave a database behind
    signal.signal(signal.SIGUSR1, lambda *_: _say_level(toggle_debug(settings.log_level)))
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        server.run()
    return 0 if server.started else 3


def make_server(settings: Settings, *, local: LocalModels | None = None) -> Server:
    """The service and what it listens with. Nothing happens before it runs.

    Args:
        settings: What it serves, and where.
        local: Models that are loaded already.
    """
    shutdown = Shutdown()
    config = uvicorn.Config(
        create_app(settings, local=local, shutdown=shutdown),
        host=settings.host,
        port=settings.port,
        http=limited_protocol(settings.request_read_timeout_s),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_s) + LAST_S,
    )
    return Server(config, settings, shutdown)


if __name__ == "__main__":
    sys.exit(main())

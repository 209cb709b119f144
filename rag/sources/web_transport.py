"""httpx over connections that a guard has looked at."""

import asyncio
import ssl
from collections.abc import Iterable

import httpcore
import httpx

from rag.errors import InvalidInputError
from rag.sources.addresses import AddressGuard

MAX_CONNECTIONS = 10  # kept open or in use, to all hosts


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that a guard has looked at, whatever the host's name says a moment later."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await asyncio.to_thread(self._guard.addresses, host, port)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(f"looking up {host}") from exc
        failure: Exception = httpcore.ConnectError(f"no address of {host}")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise InvalidInputError("a page is not read from a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport above a `GuardedBackend`. Proxies of the environment are not used."""

    def __init__(self, guard: AddressGuard, verify: ssl.SSLContext | bool) -> None:
        context = httpx.create_ssl_context(verify=verify)  # a company's own authorities: SSL_CERT_FILE
        super().__init__(verify=context)
        # httpx has no other way to give its pool a backend; a test sees that it is asked.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            network_backend=GuardedBackend(guard),
        )

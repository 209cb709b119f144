"""dulwich's HTTP over connections that a guard has looked at.

dulwich takes urllib3's pool of connections from us, so every connection it makes, for redirects and packs
kept elsewhere too, goes to an address that may be called. Proxies of the environment are not used: a guard
can't see behind them.
"""

import socket
import time
from threading import Event
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from rag.errors import InvalidInputError, UnavailableError
from rag.sources.addresses import AddressGuard
from rag.sources.files import readable_size

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0  # a server packs a large repository before it sends the first byte
MAX_REDIRECTS = 5
USER_AGENT = "git/Groundwork/0.1"  # some hosts send Git's answers only to what calls itself git


def guarded_pool(
    guard: AddressGuard, *, https: bool, max_bytes: int, deadline_s: float, stop: Event
) -> urllib3.PoolManager:
    """Connections for one fetch.

    Args:
        guard: The network addresses that may be called.
        https: Whether only https may be spoken, after redirects too.
        max_bytes: The most that is received in all.
        deadline_s: Seconds after which the fetch is given up.
        stop: Set to give it up at once.
    """
    pool = _Pool(_Budget(max_bytes, time.monotonic() + deadline_s, stop))
    pool.pool_classes_by_scheme = _pool_classes(guard, https=https)
    return pool


class _Budget:
    def __init__(self, max_bytes: int, ends: float, stop: Event) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._ends = ends
        self._stop = stop

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise InvalidInputError(f"the repository is larger than {readable_size(self._max_bytes)}")
        if self._stop.is_set():
            raise InterruptedError
        if time.monotonic() > self._ends:
            raise UnavailableError("the repository takes too long to be fetched")


class _Metered:
    """An answer that spends what is read of it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, budget: _Budget) -> None:
        self._response = response
        self._budget = budget

    def read(self, count: int | None = None) -> bytes:
        data = self._response.read(count)
        self._budget.spend(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


class _Pool(urllib3.PoolManager):
    def __init__(self, budget: _Budget) -> None:
        super().__init__(
            headers={"User-Agent": USER_AGENT},
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            retries=urllib3.Retry(total=MAX_REDIRECTS, connect=0, read=0, status=0, other=0),
        )
        self._budget = budget
        self._answers: list[urllib3.BaseHTTPResponse] = []

    def request(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().request(*args, **kwargs)
        self._answers.append(answer)
        return _Metered(answer, self._budget)

    def clear(self) -> None:
        """Close all connections, also of answers that were not read to their end."""
        for answer in self._answers:
            answer.close()
        super().clear()


def _pool_classes(guard: AddressGuard, *, https: bool) -> dict[str, type]:
    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            if https:
                raise InvalidInputError("the repository leads from https to http")
            return _connect(self, guard)

    class SecureConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, guard)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _connect(connection: HTTPConnection, guard: AddressGuard) -> socket.socket:
    """A socket to an address that may be called; urllib3 does the rest with the host's name."""
    port = connection.port or connection.default_port
    failure: OSError = ConnectionError(f"no address of {connection.host}")
    for address in guard.addresses(connection.host, port):
        try:
            return socket.create_connection((address, port), CONNECT_TIMEOUT_S)
        except OSError as exc:
            failure = exc
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "timed out") from failure
    raise NewConnectionError(connection, "can't connect") from failure

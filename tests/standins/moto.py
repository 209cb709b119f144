"""moto's server on the loopback, empty at its beginning and at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer


@contextmanager
def moto_server() -> Iterator[str]:
    """Its URL. What it holds is the process's, so that two at a time would share it."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        _forget(url)
        yield url
        _forget(url)
    finally:
        server.stop()


def _forget(url: str) -> None:
    with urlopen(Request(f"{url}/moto-api/reset", method="POST")) as answer:
        answer.read()

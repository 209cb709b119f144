"""Bytes on a socket against the service as `python -m app` starts it."""

import json
import re
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.request_reading import MAX_HEADER_BYTES, MAX_HEADERS
from tests.integration.app.test_process import started

READ_TIMEOUT_S = 1.0
HOST = b"Host: localhost\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /search HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    folder = Path(tempfile.mkdtemp(prefix="groundwork-hardening-"))
    folder.chmod(0o755)
    settings = {
        "SAMPLE_DOCUMENTS": "false",
        "REQUEST_READ_TIMEOUT_S": str(READ_TIMEOUT_S),
        "KEEP_ALIVE_S": "3",
        "HSTS_S": "60",
    }
    with started(folder, **settings) as (process, printed):
        address = re.search(r"http://127\.0\.0\.1:(\d+)", printed)
        assert address
        yield int(address[1])
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
    shutil.rmtree(folder, ignore_errors=True)


def exchange(port: int, *sent: bytes, pause_s: float = 0.0, timeout_s: float = 10.0) -> bytes:
    """All that the service answers until it closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            for piece in sent:
                connection.sendall(piece)
                time.sleep(pause_s)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):  # it has closed while we were still sending
            pass
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


AMBIGUOUS = {
    "length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + GET
    + CLOSE,
    "chunks and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + GET
    + CLOSE,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "an endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a hidden coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "lines that end in LF": b"GET /health/live HTTP/1.1\nHost: localhost\n\n",
    "a header that ends in LF": GET + b"X: a\nContent-Length: 5\r\n\r\n",
    "CR in a header": GET + b"X: a\rb\r\n" + CLOSE,
    "NUL in a header": GET + b"X: a\x00b\r\n" + CLOSE,
    "a space in a name": GET + b"Content Length: 5\r\n\r\n",
    "no chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
    "chunks that end in LF": POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    "no host": b"GET /health/live HTTP/1.1\r\n" + CLOSE,
    "two hosts": GET + b"Host: evil.example\r\n" + CLOSE,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": GET.replace(b"1.1", b"9.9") + CLOSE,
    "HTTP/0.9": b"GET /health/live\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the method": b"G\x00T / HTTP/1.1\r\n" + HOST + CLOSE,
    "NUL in the path": b"GET /\x00 HTTP/1.1\r\n" + HOST + CLOSE,
    "a path that is not ASCII": b"GET /\xff HTTP/1.1\r\n" + HOST + CLOSE,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_could_be_taken_for_another_request_is_refused_and_ends_the_connection(
    port: int, name: str
) -> None:
    answer = exchange(port, AMBIGUOUS[name])
    assert statuses(answer) == [400]
    assert answer.endswith(b"connection: close\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        GET + b"X: " + b"y" * MAX_HEADER_BYTES + b"\r\n\r\n",
        b"GET /" + b"y" * MAX_HEADER_BYTES + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        GET + b"X: " + b"y" * 10 * MAX_HEADER_BYTES,  # without an end
    ],
)
def test_headers_that_are_too_large_are_refused(port: int, head: bytes) -> None:
    assert statuses(exchange(port, head)) in ([431], [])  # the refusal may be lost with what was not read


def test_headers_that_are_as_large_as_they_may_be_pass(port: int) -> None:
    head = GET + b"X: y\r\n" * (MAX_HEADERS - 3) + b"Y: " + b"y" * 60_000 + b"\r\n" + CLOSE
    assert statuses(exchange(port, head)) == [200]


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: loc", GET])
def test_a_request_that_does_not_come_ends_the_connection(port: int, sent: bytes) -> None:
    began = time.monotonic()
    assert exchange(port, sent) == b""
    assert 0.5 * READ_TIMEOUT_S < time.monotonic() - began < 20 * READ_TIMEOUT_S


def test_a_byte_now_and_then_does_not_keep_a_connection(port: int) -> None:
    began = time.monotonic()
    for slow in (GET + b"X: " + b"y" * 40, b"\r\n" * 20):
        exchange(port, *(slow[at : at + 1] for at in range(len(slow))), pause_s=0.2)
    assert time.monotonic() - began < 20 * READ_TIMEOUT_S


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 50\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1000,
        b"POST /ingest HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 500\r\n\r\n--x\r\n",
    ],
)
def test_a_body_that_does_not_come_is_answered_and_ends_the_connection(port: int, request_: bytes) -> None:
    began = time.monotonic()
    answer = exchange(port, request_)
    assert statuses(answer) == [408]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"
    assert time.monotonic() - began < 20 * READ_TIMEOUT_S


def test_a_body_that_trickles_is_given_up(port: int) -> None:
    body = [b"1\r\n{\r\n"] * 20
    answer = exchange(port, POST + b"Transfer-Encoding: chunked\r\n\r\n", *body, pause_s=0.2)
    assert statuses(answer) in ([408], [])  # sent while we were still sending, it may be lost


def test_a_slow_body_that_is_large_enough_may_take_longer(port: int) -> None:
    body = json.dumps({"query": "x" * 3000}).encode()
    third = len(body) // 3
    head = POST + b"Connection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    pieces = [body[:third], body[third : 2 * third], body[2 * third :]]
    assert statuses(exchange(port, head, *pieces, pause_s=0.6)) == [200]


def test_a_body_that_nobody_reads_does_not_keep_the_connection(port: int) -> None:
    began = time.monotonic()
    head = b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 500\r\n\r\n"
    answer = exchange(port, head, *[b"x"] * 20, pause_s=0.2)
    assert statuses(answer) in ([404], [])
    assert time.monotonic() - began < 20 * READ_TIMEOUT_S


def test_requests_one_after_another_share_a_connection(port: int) -> None:
    body = b'{"query": "x"}'
    post = POST + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    assert statuses(exchange(port, GET + b"\r\n", post, GET + CLOSE, pause_s=0.3)) == [200, 200, 200]
    assert statuses(exchange(port, GET + b"\r\n" + post + GET + CLOSE)) == [200, 200, 200]


def test_a_trailer_is_no_header(port: int) -> None:
    head = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    answer = exchange(port, head + b"X-Request-ID: mine\r\n\r\n")
    assert statuses(answer) == [422]
    assert b"mine" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/%0d%0aSet-Cookie:x=1",
        "/documents/%0d%0aX:y",
        "/documents/",
        "//evil.example/",
        "/%2e%2e/x",
        "*",
    ],
)
def test_no_path_makes_a_header_a_redirection_or_a_crash(port: int, path: str) -> None:
    answer = exchange(port, f"GET {path} HTTP/1.1\r\n".encode() + HOST + CLOSE)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert statuses(answer)[0] in {404, 422}
    assert b"set-cookie" not in head
    assert b"location" not in head
    assert b"\r\nx:" not in head


@pytest.mark.parametrize("sent", ["a%0d%0aX: y", "a\tb", "a" * 129, "<b>", "\u00e9"])
def test_a_request_id_that_is_not_plain_is_not_echoed(port: int, sent: str) -> None:
    answer = exchange(port, GET + f"X-Request-ID: {sent}\r\n".encode() + CLOSE)
    assert statuses(answer) == [200]
    assert re.search(rb"x-request-id: [0-9a-f-]{36}\r\n", answer)


def test_an_upgrade_is_left_alone(port: int) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13"
    )
    assert statuses(exchange(port, GET + upgrade + b"\r\n\r\n")) == [200]


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/documents?limit=0", "/docs"])
def test_every_answer_tells_browsers_what_they_may_do(port: int, path: str) -> None:
    answer = exchange(port, f"GET {path} HTTP/1.1\r\n".encode() + HOST + CLOSE).partition(b"\r\n\r\n")[0]
    headers = dict(line.split(": ", 1) for line in answer.decode().split("\r\n")[1:])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["strict-transport-security"] == "max-age=60; includeSubDomains"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'")
    assert ("script-src" in policy) == (path == "/docs")
    assert "server" not in headers


def test_every_route_with_a_body_has_a_limit_on_it(port: int) -> None:
    document = json.loads(
        exchange(port, b"GET /openapi.json HTTP/1.0\r\n" + HOST + b"\r\n").partition(b"\r\n\r\n")[2]
    )
    routes = [
        (method.upper(), re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]
    assert len(routes) > 5
    for method, path in routes:
        head = f"{method} {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9999999999\r\n"
        assert statuses(exchange(port, head.encode() + HOST + CLOSE)) == [413], (method, path)

"""S3 on the loopback: moto's server, and one that answers with nothing but an error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.standins.aws import use_aws
from tests.standins.http import QuietHandler, http_server

use_s3 = use_aws


@dataclass(slots=True)
class FailingS3:
    """Answers each call alike.

    Attributes:
        answer: Status, headers and body.
        hang: Whether to keep silent after the answer, as it does without one.
        endless: Whether to repeat the answer's body for ever.
        calls: Method and path of what it was asked, with the region that the caller signed for.
    """

    url: str = ""
    answer: tuple[int, dict[str, str], bytes] | None = None
    hang: bool = False
    endless: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def fail(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>of a test</Message></Error>".encode()
        self.answer = (status, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body)


@contextmanager
def failing_s3() -> Iterator[FailingS3]:
    s3 = FailingS3()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            s3.calls.append((self.command, self.path))
            s3.regions.append(self.headers["Authorization"].split("/")[2])
            if s3.answer is None:
                s3.ended.wait(30)
                return
            status, headers, body = s3.answer
            self.send_response(status)
            self.send_header("Connection", "close")  # nobody may use it once more
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the caller had enough
                self.wfile.write(body)
                while s3.endless and not s3.ended.wait(0.01):
                    self.wfile.write(body)
            if s3.hang:
                s3.ended.wait(30)
            self.close_connection = True

    with http_server(Handler) as url:
        s3.url = url
        try:
            yield s3
        finally:
            s3.ended.set()

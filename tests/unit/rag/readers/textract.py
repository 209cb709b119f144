"""A loopback server that speaks the call of Amazon Textract that is made (AWS JSON 1.1)."""

import base64
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from PIL import Image

from tests.standins.aws import use_aws
from tests.standins.http import QuietHandler, http_server
from tests.unit.rag.readers.sheets import Sheet

_MAX_BYTES = 10 * 1024 * 1024  # Textract's limits for one picture
_MAX_SIDE = 10_000
_SMALL = (170, 220)  # pixels, for a look from afar
_ALIKE = 0.5  # of 255, the mean difference of two pictures of one page


@dataclass(slots=True)
class Textract:
    """Knows the pages of `sheets` when it sees them.

    Attributes:
        failures: Status and error code to answer with first, one call each.
        answer: Body to answer with instead.
        pictures: What it was sent, in order.
    """

    url: str = ""
    sheets: Sequence[Sheet] = ()
    failures: list[tuple[int, str]] = field(default_factory=list)
    answer: bytes | None = None
    pictures: list[Image.Image] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, target: str, body: bytes) -> tuple[int, bytes]:
        call = json.loads(body)
        with self.lock:
            self.targets.add(target)
            failure = self.failures.pop(0) if self.failures else None
        if failure:
            return failure[0], _error(failure[1])
        data = base64.b64decode(call["Document"]["Bytes"], validate=True)
        wrong = _wrong(target, call | {"Document": {"Bytes": data}})
        if wrong:
            return 400, _error("InvalidParameterException", wrong)
        picture = Image.open(io.BytesIO(data))
        if picture.format not in {"PNG", "JPEG"}:
            return 400, _error("UnsupportedDocumentException")
        if len(data) > _MAX_BYTES or max(picture.size) > _MAX_SIDE:
            return 400, _error("DocumentTooLargeException")
        with self.lock:
            self.pictures.append(picture)
        return 200, self.answer or json.dumps(self._answer(picture)).encode()

    def _answer(self, picture: Image.Image) -> dict[str, Any]:
        differences = [_difference(sheet.draw(), picture) for sheet in self.sheets]
        nearest = min(range(len(differences)), key=differences.__getitem__)
        known = differences[nearest] < _ALIKE
        blocks = self.sheets[nearest].blocks() if known else [{"BlockType": "PAGE", "Id": "0"}]
        return {
            "DocumentMetadata": {"Pages": 1},
            "Blocks": blocks,
            "AnalyzeDocumentModelVersion": "1.0",
        }


def _difference(one: Image.Image, other: Image.Image) -> float:
    seen = [
        np.asarray(image.convert("L").resize(_SMALL, Image.Resampling.BOX), float) for image in (one, other)
    ]
    return float(np.abs(seen[0] - seen[1]).mean())


def _wrong(target: str, call: dict[str, Any]) -> str:
    """What AWS's own description of the service finds wrong with a call."""
    service = get_session().get_service_model("textract")
    prefix, _, operation = target.partition(".")
    if prefix != service.metadata["targetPrefix"] or operation not in service.operation_names:
        return f"no such operation: {target}"
    report = ParamValidator().validate(call, service.operation_model(operation).input_shape)
    return str(report.generate_report())


def _error(code: str, message: str = "of a test") -> bytes:
    return json.dumps({"__type": code, "message": message}).encode()


@contextmanager
def textract_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Textract]:
    """A running server; AWS's clients that are made meanwhile call it."""
    textract = Textract()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.body()
            with textract.lock:
                textract.at_once += 1
                textract.most_at_once = max(textract.most_at_once, textract.at_once)
            status, answer = textract.respond(self.headers["X-Amz-Target"], body)
            with textract.lock:
                textract.at_once -= 1
            self.reply(status, answer, "application/x-amz-json-1.1")

    with http_server(Handler) as url:
        textract.url = url
        use_aws(monkeypatch, textract.url)
        yield textract

"""Which parser is opened, and what is said at the start."""

from pathlib import Path

import pytest
import structlog

from app.ingestion.parsers import open_parser
from app.settings import Settings
from rag.errors import InvalidInputError, UnsupportedTypeError
from rag.readers.docling import DoclingParser
from rag.readers.textract import TextractParser
from rag.sandbox.pool import Sandbox
from tests.standins.aws import forget_aws, use_aws
from tests.unit.rag.parse.pictures import encoded, picture, stand_in, without_tesseract


def settings(**changed: object) -> Settings:
    return Settings(_env_file=None).model_copy(update=changed)


async def test_by_default_files_are_read_here_and_nothing_sets_them_apart() -> None:
    async with open_parser(settings()) as parser:
        assert isinstance(parser, Sandbox)
        assert parser.reading_settings == {}


async def test_what_makes_files_be_read_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    use_aws(monkeypatch, "http://127.0.0.1:9")
    async with open_parser(settings(parser="textract")) as parser:
        assert isinstance(parser, TextractParser)
        assert parser.reading_settings == {"parser": "textract"}
    other = settings(parser="docling", docling_url="http://127.0.0.1:9", ocr_languages="deu")
    async with open_parser(other) as parser:
        assert isinstance(parser, DoclingParser)
        assert parser.reading_settings == {"parser": "docling", "languages": "deu"}


async def test_textract_without_a_region_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match="AWS_REGION"):
        async with open_parser(settings(parser="textract")):
            pass


async def test_a_language_that_is_missing_is_told_at_the_start_and_for_each_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "Words")
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture("x"), "PNG"))
    with structlog.testing.capture_logs() as logs:
        async with open_parser(settings(ocr_languages="eng+deu")) as parser:
            with pytest.raises(UnsupportedTypeError, match="apt install tesseract-ocr-deu"):
                await parser.parse(path, filename="a.png", mime_type=None)
    (said,) = [line for line in logs if line["event"] == "ocr_language_missing"]
    assert "tesseract-ocr-deu" in said["reason"]


async def test_languages_reach_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, languages=("eng", "deu"), says_languages=True)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture("x"), "PNG"))
    with structlog.testing.capture_logs() as logs:
        async with open_parser(settings(ocr_languages="eng+deu")) as parser:
            assert (await parser.parse(path, filename="a.png", mime_type=None)).text == "eng+deu"
    assert logs == []


async def test_a_service_without_tesseract_starts_quietly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_tesseract(monkeypatch, tmp_path)
    with structlog.testing.capture_logs() as logs:
        async with open_parser(settings()):
            pass
    assert logs == []

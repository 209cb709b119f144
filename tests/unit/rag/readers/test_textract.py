import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, ModelError, ThrottledError, UnavailableError, UnreadableFileError
from rag.parse import parse
from rag.readers.textract import CALLS, DRAWING_PARSER, TextractParser, textract_client
from rag.sandbox.limits import Limits
from rag.sandbox.pool import Sandbox, open_sandbox
from tests.standins.aws import forget_aws, use_aws
from tests.unit.rag.parse.drawn_pdf import DrawnPage, drawn_pdf, text
from tests.unit.rag.parse.pictures import encoded
from tests.unit.rag.parse.zip_files import zip_file
from tests.unit.rag.readers.sheets import Sheet, Table, Text
from tests.unit.rag.readers.textract import Textract, textract_server

MINUTES = Sheet(
    [
        Text(120, 120, ["Minutes of the meeting"], kind="LAYOUT_TITLE"),
        Text(120, 260, ["The board met on Tuesday", "in the large hall."]),
        Text(120, 440, ["Prices"], kind="LAYOUT_SECTION_HEADER"),
        Table(120, 560, [["Name", "Unit", "Price"], ["Nails", "box", "310"], ["Screws", "bag", "725"]]),
        Text(120, 1100, ["All in favour."]),
    ]
)
COLUMNS = Sheet(
    [
        Text(120, 300, ["The left column", "ends here."]),
        Text(900, 290, ["The right column", "comes after it."]),
    ]
)
TITLED = [["Sales", "", ""], ["", "2023", ""], ["Region", "first", "second"], ["North", "1", "2"]]
MERGED = Sheet([Table(120, 200, TITLED, header_rows=3, merged=[(1, 1, 1, 3), (2, 2, 2, 3)])])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Textract]:
    with textract_server(monkeypatch) as textract:
        textract.sheets = [MINUTES, COLUMNS, MERGED]
        yield textract


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(Limits(), processes=2, parser=DRAWING_PARSER) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Scan:
    """Reads files, with the server that it asks."""

    server: Textract
    sandbox: Sandbox
    folder: Path

    async def read(self, data: bytes, name: str = "a.pdf") -> ParsedDocument:
        path = self.folder / name
        await asyncio.to_thread(path.write_bytes, data)
        parser = TextractParser(self.sandbox, textract_client(), waits_s=(0.01, 0.02))
        return await parser.parse(path, filename=name, mime_type=None)


@pytest.fixture
def scan(server: Textract, sandbox: Sandbox, tmp_path: Path) -> Scan:
    return Scan(server, sandbox, tmp_path)


def scanned(*sheets: Sheet) -> bytes:
    return drawn_pdf(*(DrawnPage(image=sheet.draw()) for sheet in sheets))


async def test_a_scan_has_headings_and_tables(scan: Scan) -> None:
    document = await scan.read(scanned(MINUTES))
    assert document.text == (
        "Minutes of the meeting\n\nThe board met on Tuesday\nin the large hall.\n\nPrices\n\n"
        "| Name | Unit | Price |\n| --- | --- | --- |\n| Nails | box | 310 |\n| Screws | bag | 725 |\n\n"
        "All in favour."
    )
    assert [(h.title, h.level) for h in document.headings] == [("Minutes of the meeting", 1), ("Prices", 2)]
    (table,) = document.tables
    assert document.text[table.start : table.header_end].startswith("| Name | Unit | Price |")
    assert document.warnings == ("page 1 was read by Amazon Textract",)
    assert scan.server.targets == {"Textract.AnalyzeDocument"}


async def test_pages_with_text_are_not_sent_and_keep_their_place(scan: Scan) -> None:
    heading = text(72, 700, "Cover", size=20) + text(72, 650, "The cover of the file has a line of text.")
    columns = DrawnPage(image=COLUMNS.draw())
    data = drawn_pdf(heading, columns, "", text(72, 700, "The end of it."), title="A collection of papers")
    document = await scan.read(data)
    pages = [document.text[page.start : page.end] for page in document.pages]
    assert [page.number for page in document.pages] == [1, 2, 3, 4]
    assert pages == [
        "Cover\n\nThe cover of the file has a line of text.",
        "The left column\nends here.\n\nThe right column\ncomes after it.",
        "",
        "The end of it.",
    ]
    assert document.title == "A collection of papers"
    local = parse(data, filename="a.pdf", mime_type=None)
    assert document.headings == local.headings != ()
    assert document.warnings == ("page 2 was read by Amazon Textract", "no text on page 3")
    assert len(scan.server.pictures) == 1


async def test_a_table_of_a_page_with_text_stays_one(scan: Scan) -> None:
    rows = ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    cells = text(80, 690, "a") + text(180, 690, "b") + text(80, 670, "1") + text(180, 670, "2")
    rules = "".join(f"{x} 660 m {x} 705 l S\n" for x in (72, 172, 272))
    rules += "".join(f"72 {y} m 272 {y} l S\n" for y in (660, 682, 705))
    data = drawn_pdf(DrawnPage(image=COLUMNS.draw()), cells + rules)
    document = await scan.read(data)
    (table,) = document.tables
    assert document.text[table.start : table.end].split("\n") == rows


async def test_without_a_layout_lines_stand_from_top_to_bottom(scan: Scan) -> None:
    scan.server.sheets = [Sheet(MINUTES.parts, has_layout=False)]
    document = await scan.read(scanned(MINUTES))
    assert document.text.startswith("Minutes of the meeting\nThe board met on Tuesday\n")
    assert "Prices\n\n| Name | Unit | Price |\n" in document.text
    assert document.text.endswith("| Screws | bag | 725 |\n\nAll in favour.")
    assert document.headings == ()


async def test_merged_cells_are_repeated_in_the_header(scan: Scan) -> None:
    document = await scan.read(encoded(MERGED.draw(), "PNG"), "a.png")
    assert document.text == (
        "Sales\n\n| Region | 2023 first | 2023 second |\n| --- | --- | --- |\n| North | 1 | 2 |"
    )


async def test_items_of_a_list_and_marked_boxes(scan: Scan) -> None:
    sheet = Sheet(
        [Text(120, 200, ["1. Bolts", "2. Nuts"], kind="LAYOUT_LIST"), Table(120, 500, [["Ready", ""]])]
    )
    blocks = sheet.blocks()
    cell = next(b for b in blocks if b["BlockType"] == "CELL" and b["ColumnIndex"] == 2)
    cell["Relationships"] = [{"Type": "CHILD", "Ids": ["box"]}]
    blocks.append({"BlockType": "SELECTION_ELEMENT", "Id": "box", "SelectionStatus": "SELECTED"})
    scan.server.answer = json.dumps({"Blocks": blocks}).encode()
    document = await scan.read(encoded(sheet.draw(), "PNG"), "a.png")
    assert document.text == "1. Bolts\n\n2. Nuts\n\n| Ready | [x] |\n| --- | --- |"


async def test_each_frame_of_a_picture_is_a_page(scan: Scan) -> None:
    frames = [MINUTES.draw(), Image.new("L", (1700, 2200), 255), COLUMNS.draw()]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    document = await scan.read(data, "a.tiff")
    assert document.mime_type == "image/tiff"
    starts = [document.text[page.start : page.end][:16] for page in document.pages]
    assert starts == ["Minutes of the m", "", "The left column\n"]
    assert len(scan.server.pictures) == 2  # a blank page is not sent


async def test_other_files_are_read_here(scan: Scan) -> None:
    files = {
        "a.md": b"# A\n\ntext",
        "a.zip": zip_file({"b.txt": "text"}),
        "a.pdf": drawn_pdf(text(9, 9, "Text")),
    }
    for name, data in files.items():
        assert await scan.read(data, name) == parse(data, filename=name, mime_type=None)
    assert scan.server.pictures == []


async def test_many_pages_are_asked_for_a_few_at_a_time(scan: Scan) -> None:
    document = await scan.read(scanned(*[MINUTES, COLUMNS] * 6))
    starts = [document.text[page.start : page.end][:8] for page in document.pages]
    assert starts == ["Minutes ", "The left"] * 6
    assert scan.server.most_at_once <= CALLS


async def test_a_noisy_picture_is_sent_within_the_limits(scan: Scan) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3000, 10_500), dtype=np.uint8)
    with pytest.raises(UnreadableFileError, match="found none"):
        await scan.read(encoded(Image.fromarray(noise), "PNG", compress_level=0), "a.png")
    (picture,) = scan.server.pictures
    assert picture.format == "JPEG"
    assert 2_000 < picture.width <= 10_000


async def test_pages_beyond_the_limit_are_named(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.readers.textract.MAX_PAGES", 1)
    document = await scan.read(scanned(MINUTES, COLUMNS))
    assert document.warnings == (
        "page 1 was read by Amazon Textract",
        "no text on page 2",
        "at most 1 pages of a file are read by Amazon Textract",
    )


async def test_a_throttled_call_is_made_again(scan: Scan) -> None:
    scan.server.failures = [(400, "ProvisionedThroughputExceededException"), (400, "ThrottlingException")]
    document = await scan.read(scanned(MINUTES))
    assert document.text.startswith("Minutes")


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        ((400, "ThrottlingException"), ThrottledError, "quota"),
        ((400, "AccessDeniedException"), InvalidInputError, "textract:AnalyzeDocument"),
        ((400, "UnsupportedDocumentException"), UnreadableFileError, "UnsupportedDocumentException"),
        ((400, "BadDocumentException"), UnreadableFileError, "doesn't take a page"),
        ((400, "UnrecognizedClientException"), UnavailableError, "UnrecognizedClientException"),
        ((500, "InternalServerError"), UnavailableError, "can't answer now"),
    ],
)
async def test_what_textract_reports_is_told(
    scan: Scan, failure: tuple[int, str], error: type[Exception], message: str
) -> None:
    scan.server.failures = [failure] * 20
    with pytest.raises(error, match=message) as raised:
        await scan.read(scanned(MINUTES, COLUMNS))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "body",
    [
        b"<html>gateway</html>",
        b"{}",
        b'{"Blocks": [{"BlockType": "LINE", "Id": "1", "Relationships": [{"Type": "CHILD", "Ids": ["2"]}]}]}',
        b'{"Blocks": [{"BlockType": "LINE"}]}',
    ],
)
async def test_an_answer_that_makes_no_sense_is_not_taken_for_an_empty_page(scan: Scan, body: bytes) -> None:
    scan.server.answer = body
    with pytest.raises((ModelError, UnavailableError)):
        await scan.read(scanned(MINUTES))


async def test_a_server_that_is_not_there_is_unavailable(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    use_aws(monkeypatch, "http://127.0.0.1:9")  # discard: nothing listens there
    with pytest.raises(UnavailableError):
        await scan.read(scanned(MINUTES))


@pytest.mark.parametrize("data", [b"%PDF-1.7 broken", b"\x89PNG\r\n\x1a\nbroken", b""])
async def test_broken_files_are_refused_here(scan: Scan, data: bytes) -> None:
    with pytest.raises(UnreadableFileError):
        await scan.read(data, "a")
    assert scan.server.pictures == []


def test_without_a_region_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match=r"PARSER=textract.*AWS_REGION"):
        textract_client()

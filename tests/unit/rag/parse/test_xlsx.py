import io
import time
from collections.abc import Callable
from datetime import date, datetime
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.worksheet.table import Table
from openpyxl.worksheet.worksheet import Worksheet

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.types import FileType
from rag.parse.xlsx import parse_xlsx
from tests.unit.rag.parse.office_files import members_of, package_of, relationships, s_part, xlsx_file

Rows = list[list[object]]
RATES: Rows = [["Country", "Rate"], ["FR", 50], ["DE", 40]]
RATES_TEXT = "| Country | Rate |\n| --- | --- |\n| FR | 50 |\n| DE | 40 |"


def saved(workbook: Workbook) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def parsed(rows: Rows, change: Callable[[Worksheet], None] = lambda _: None) -> ParsedDocument:
    """The document of one sheet with those rows, after `change`."""
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    change(sheet)
    return parse_xlsx(saved(workbook))


def tables_of(rows: Rows, change: Callable[[Worksheet], None] = lambda _: None) -> list[str]:
    document = parsed(rows, change)
    return [document.text[table.start : table.end] for table in document.tables]


def test_a_sheet_is_a_page_with_a_heading_and_its_tables() -> None:
    workbook = Workbook()
    workbook.properties.title = "Travel rates"
    first = workbook.worksheets[0]
    first.title = "Rates"
    for row in RATES:
        first.append(row)
    second = workbook.create_sheet("Empty")
    second.column_dimensions["A"].width = 30
    workbook.create_sheet("Remarks").append(["None so far."])
    workbook.create_sheet("Secret").sheet_state = "hidden"
    document = parse_xlsx(saved(workbook))
    assert document.text == f"Rates\n\n{RATES_TEXT}\n\f\n\fRemarks\n\nNone so far."
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "Rates"), (1, "Remarks")]
    assert [document.text[page.start : page.end][:7] for page in document.pages] == [
        "Rates\n\n",
        "",
        "Remarks",
    ]
    assert (document.title, document.mime_type) == ("Travel rates", FileType.XLSX)
    assert document.warnings == ("hidden sheets were left out: Secret",)


def test_cells_show_what_a_person_sees() -> None:
    formats: dict[str, tuple[Any, str]] = {
        "25.6%": (0.256, "0.0%"),
        "1234567.89": (1234567.891, "#,##0.00"),
        "2024-03-05": (date(2024, 3, 5), "dd.mm.yyyy"),
        "2024-03": (date(2024, 3, 5), "mmm-yy"),
        "2024-03-05 14:30": (datetime(2024, 3, 5, 14, 30), "m/d/yy h:mm"),  # noqa: DTZ001  # cells have no zone
        "08:05": (clock(8, 5), "h:mm AM/PM"),
        "12.50 €": (12.5, '#,##0.00\\ "€"'),
        "-7": (-7, "#,##0_);(#,##0)"),
        "01067": (1067, "00000"),
        "0.3": (0.1 + 0.2, "General"),
        "TRUE": (True, "General"),
    }

    def fill(sheet: Worksheet) -> None:
        for row, (value, code) in enumerate(formats.values(), start=2):
            sheet.cell(row, 1, f"row {row}")
            sheet.cell(row, 2, value).number_format = code

    (table,) = tables_of([["What", "Value"]], fill)
    assert [line.split(" | ")[1].removesuffix(" |") for line in table.split("\n")[2:]] == list(formats)


def test_empty_rows_part_tables_and_lines_alone_are_not_in_them() -> None:
    document = parsed([["Rates of 2024"], *RATES, ["* without tax"], [], ["Name", "Age"], ["Jo", 30]])
    assert document.text == (
        f"Data\n\nRates of 2024\n\n{RATES_TEXT}\n\n* without tax\n\n"
        "| Name | Age |\n| --- | --- |\n| Jo | 30 |"
    )


def test_rows_after_a_gap_that_have_no_header_belong_to_the_table_above() -> None:
    rows: Rows = [["In million", 2023, 2024], [], ["Sales", 10, 12], ["Costs", 8, 9], [], ["Profit", 2, 3]]
    (table,) = tables_of(rows)
    assert table == (
        "| In million | 2023 | 2024 |\n| --- | --- | --- |\n"
        "| Sales | 10 | 12 |\n| Costs | 8 | 9 |\n| Profit | 2 | 3 |"
    )


def test_tables_side_by_side_are_parted_but_columns_of_air_are_not() -> None:
    beside: Rows = [
        ["Item", "EUR", None, "City", "Staff"],
        ["Tea", 2, None, "Rome", 7],
        ["Milk", 1, None, "Oslo", 9],
    ]
    assert tables_of(beside) == [
        "| Item | EUR |\n| --- | --- |\n| Tea | 2 |\n| Milk | 1 |",
        "| City | Staff |\n| --- | --- |\n| Rome | 7 |\n| Oslo | 9 |",
    ]
    air: Rows = [["Item", "2023", None, "2024"], ["Tea", 2, None, 3], ["Milk", 1, None, 4]]
    assert tables_of(air) == [
        "| Item | 2023 | 2024 |\n| --- | --- | --- |\n| Tea | 2 | 3 |\n| Milk | 1 | 4 |"
    ]


def test_merged_cells_of_header_and_body() -> None:
    def merge(sheet: Worksheet) -> None:
        for area in ("A1:C1", "A2:A3", "B2:C2", "A4:A5"):
            sheet.merge_cells(area)

    rows: Rows = [["Sales by region"], ["Region", "Year"], [None, 2023, 2024], ["North", 1, 2], [None, 3, 4]]
    document = parsed(rows, merge)
    assert document.text == (
        "Data\n\nSales by region\n\n| Region | Year 2023 | Year 2024 |\n| --- | --- | --- |\n"
        "| North | 1 | 2 |\n| North | 3 | 4 |"
    )


def test_tables_and_filters_tell_the_header_and_that_rows_are_records() -> None:
    rows: Rows = [["code", "next"], [1, 2], [3, 4]]
    plain = parsed([[10, 20], *rows])
    assert plain.records == ()

    def as_table(sheet: Worksheet) -> None:
        sheet.add_table(Table(displayName="T", ref="A2:B4"))

    def as_filter(sheet: Worksheet) -> None:
        sheet.auto_filter.ref = "A2:B4"

    for told in (as_table, as_filter):
        document = parsed([[10, 20], *rows], told)
        assert "| code | next |\n| --- | --- |\n| 1 | 2 |" in document.text
        assert [document.text[record.start : record.end] for record in document.records] == [
            "| 1 | 2 |",
            "| 3 | 4 |",
        ]


def test_long_lists_with_full_headers_are_records() -> None:
    document = parsed([["id", "name"], *[[number, f"n{number}"] for number in range(30)]])
    assert [document.text[record.start : record.end] for record in document.records] == [
        f"| {number} | n{number} |" for number in range(30)
    ]
    assert document.records[-1].end == document.tables[0].end


def test_comments_stand_below_the_tables() -> None:
    def comment(sheet: Worksheet) -> None:
        sheet["B2"].comment = Comment("Too high?", "Jo")

    assert parsed(RATES, comment).text == f"Data\n\n{RATES_TEXT}\n\nComment on B2 (Jo): Too high?"


def test_formulas_without_a_stored_value_are_left_out() -> None:
    document = parsed([*RATES, ["Sum", "=B2+B3"]])
    assert document.text.endswith("| DE | 40 |\n\nSum")
    assert document.warnings == ("formulas without a stored value were left out: 1",)


def test_strings_dates_and_errors_of_the_file_format() -> None:
    strings = s_part(
        "sst",
        "<si><t>plain</t></si><si><r><t>rich </t></r><r><t>text</t></r><rPh><t>kana</t></rPh></si>"
        "<si><t>a_x000D_b_x0041_</t></si>",
    )
    cells = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
        '<row><c t="inlineStr"><is><t>inline</t></is></c><c t="e"><v>#DIV/0!</v></c>'
        "<c><v>not a number</v></c></row>"
        '<row><c t="str"><f>A1</f><v>from a formula</v></c><c t="s"><v>99</v></c><c><v>1e999</v></c></row>'
    )
    document = parse_xlsx(
        xlsx_file(f"<sheetData>{cells}</sheetData>", parts={"xl/sharedStrings.xml": strings})
    )
    assert document.text.split("\n")[2:] == [
        "| plain | rich text | a bA |",
        "| --- | --- | --- |",
        "| inline | #DIV/0! | not a number |",
        "| from a formula |  | 1e999 |",
    ]


def test_days_may_count_from_1904() -> None:
    members = members_of(xlsx_file('<sheetData><row><c s="1"><v>1</v></c></row></sheetData>'))
    members["xl/styles.xml"] = s_part(
        "styleSheet", '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    ).encode()
    assert parse_xlsx(package_of(members)).text.endswith("1900-01-01")
    members["xl/workbook.xml"] = members["xl/workbook.xml"].replace(
        b"<sheets>", b'<workbookPr date1904="1"/><sheets>'
    )
    assert parse_xlsx(package_of(members)).text.endswith("1904-01-02")


def test_a_damaged_sheet_is_told_and_the_others_are_read() -> None:
    workbook = Workbook()
    workbook.worksheets[0].append(["lost"])
    workbook.create_sheet("Second").append(["kept"])
    members = members_of(saved(workbook))
    members["xl/worksheets/sheet1.xml"] = members["xl/worksheets/sheet1.xml"][:-50]
    document = parse_xlsx(package_of(members))
    assert document.text.strip() == "Second\n\nkept"
    assert document.warnings == ("sheet “Sheet” is damaged and could not be read",)


def test_limits_are_told() -> None:
    row = "<row>" + "<c><v>1</v></c>" * 1000 + "</row>"
    document = parse_xlsx(xlsx_file(f"<sheetData>{row * 1001}</sheetData>"))
    assert document.text.count("\n| 1 |") == 1000
    assert document.warnings == ("sheet “Data” was not read to its end: the workbook is too large",)


@pytest.mark.parametrize(
    "sheet",
    [
        (
            '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
            '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>'
        ),
        "<sheetData>" + '<row><c r="A1"><v>1</v></c><c><v>2</v></c></row><row/>' * 30_000 + "</sheetData>",
        "<sheetData>"
        + "".join(f'<row><c r="{"ABCDEFGH"[n % 8] * 2}1"><v>{n}</v></c></row>' for n in range(30_000))
        + "</sheetData>",
        "<sheetData>"
        + "<row><c><v>1</v></c><c><v>2</v></c></row>" * 20_000
        + "</sheetData><mergeCells>"
        + "".join(f'<mergeCell ref="A{n}:B1048576"/>' for n in range(1, 20_000))
        + "</mergeCells>",
        "<sheetData>"
        + "<row><c><v>1</v></c></row>" * 20_000
        + "<row>"
        + "<c><v>1</v></c>" * 16_000
        + "</row></sheetData>",
    ],
)
def test_claims_and_shapes_cost_no_more_than_their_cells(sheet: str) -> None:
    began = time.monotonic()
    document = parse_xlsx(xlsx_file(sheet))
    assert time.monotonic() - began < 20
    assert len(document.text) < 3_000_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK", "damaged"),
        (package_of({"a.txt": "x"}), "incomplete"),
        (saved(Workbook()), "holds no text"),
        (xlsx_file("<!DOCTYPE"), "holds no text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "password"),
    ],
)
def test_workbooks_without_text_are_unreadable(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_xlsx(data)


CELLS = st.sampled_from([None, None, "word", "two words", "a|b", 1, 2.5, 2024, True])


@given(st.lists(st.lists(CELLS, max_size=6), min_size=1, max_size=10))
def test_every_cell_is_somewhere_and_tables_are_well_formed(rows: Rows) -> None:
    document = parsed([*rows, [], ["end"]])
    shown = document.text.replace("\\|", "|")
    for value in (cell for row in rows for cell in row if cell is not None):
        assert ("TRUE" if value is True else str(value)) in shown
    for table in document.tables:
        lines = document.text[table.start : table.end].split("\n")
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_text_boxes_stand_below_the_tables_once() -> None:
    shape = "<xdr:sp><xdr:txBody><a:p><a:r><a:t>Please note</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
    drawing = (
        '<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"'
        ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
        ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
        f"<mc:Choice>{shape}</mc:Choice><mc:Fallback>{shape}</mc:Fallback></mc:AlternateContent></xdr:wsDr>"
    )
    parts = {
        "xl/worksheets/_rels/sheet1.xml.rels": relationships(d="drawing:../drawings/d.xml"),
        "xl/drawings/d.xml": drawing,
    }
    data = xlsx_file("<sheetData><row><c><v>7</v></c></row></sheetData>", parts=parts)
    assert parse_xlsx(data).text == "Data\n\n7\n\nPlease note"

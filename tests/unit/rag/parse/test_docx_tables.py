import pytest

from rag.documents import ParsedDocument
from rag.parse.docx import parse_docx
from tests.unit.rag.parse.office_files import (
    docx_file,
    w_cell,
    w_paragraph,
    w_table,
)

SPAN_2 = '<w:gridSpan w:val="2"/>'
BEGINS, GOES_ON = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"


def text_of(body: str) -> str:
    return parse_docx(docx_file(body)).text


def headers_of(document: ParsedDocument) -> list[str]:
    return [document.text[table.start :].split("\n")[0] for table in document.tables]


def test_merged_cells_keep_what_is_below_and_beside_them_readable() -> None:
    table = w_table(
        w_cell("Region", properties=BEGINS) + w_cell("Sales", properties=SPAN_2),
        w_cell("", properties=GOES_ON) + w_cell("2023") + w_cell("2024"),
        w_cell("North", properties=BEGINS) + w_cell("1") + w_cell("2"),
        w_cell("unseen", properties=GOES_ON) + w_cell("closed", properties=SPAN_2),
    )
    assert text_of(table) == (
        "| Region | Sales 2023 | Sales 2024 |\n| --- | --- | --- |\n| North | 1 | 2 |\n| North | closed |  |"
    )


def test_rows_may_begin_late_and_end_early_be_deleted_or_repeated_as_headers() -> None:
    table = w_table(
        "<w:trPr><w:tblHeader/></w:trPr>" + w_cell("A") + w_cell("B"),
        "<w:trPr><w:tblHeader/></w:trPr>" + w_cell("a") + w_cell("b"),
        '<w:trPr><w:gridBefore w:val="1"/></w:trPr>' + w_cell("late"),
        "<w:trPr><w:del/></w:trPr>" + w_cell("gone") + w_cell("gone"),
        "<w:sdt><w:sdtContent>" + w_cell("early") + "</w:sdtContent></w:sdt>",
    )
    assert text_of(table) == "| A a | B b |\n| --- | --- |\n|  | late |\n| early |  |"


def test_a_row_over_the_whole_table_is_a_line_above_it() -> None:
    table = w_table(
        w_cell("Prices", properties=SPAN_2), w_cell("Item") + w_cell("EUR"), w_cell("Tea") + w_cell("2")
    )
    assert text_of(table) == "Prices\n\n| Item | EUR |\n| --- | --- |\n| Tea | 2 |"


def test_nested_tables_stand_behind_the_table_around_them() -> None:
    inner = w_table(w_cell("e") + w_cell("f"), w_cell("g") + w_cell("h"))
    table = w_table(w_cell("a") + w_cell("b"), w_cell("c") + f"<w:tc>{inner}{w_paragraph('d')}</w:tc>")
    document = parse_docx(docx_file(table + w_paragraph("after")))
    assert headers_of(document) == ["| a | b |", "| e | f |"]
    assert document.text.endswith("| c | d |\n\n| e | f |\n| --- | --- |\n| g | h |\n\nafter")


@pytest.mark.parametrize(
    "table",
    [
        w_table(f"<w:tc>{w_paragraph('one')}{w_paragraph('two')}</w:tc>"),
        w_table(
            w_cell("one") + f"<w:tc>{w_paragraph('two', style='Heading2')}</w:tc>", w_cell("") + w_cell("")
        ),
        w_table("<w:tc>" + w_paragraph("one") + w_table(w_cell("two")) + "</w:tc>"),
        w_table(w_cell("one"), f"<w:tc>{w_paragraph('two', style='Heading2')}</w:tc>"),
    ],
)
def test_tables_for_layout_are_read_as_blocks(table: str) -> None:
    document = parse_docx(docx_file(table))
    assert document.tables == ()
    assert document.text.startswith("one\n\ntwo")


def test_long_prose_in_cells_is_no_table() -> None:
    document = parse_docx(
        docx_file(w_table(w_cell("menu") + w_cell("prose " * 200), w_cell("x") + w_cell("y")))
    )
    assert document.tables == ()


def test_what_is_in_the_lower_part_of_a_merged_cell_is_not_shown() -> None:
    prose = "prose " * 40
    table = w_table(
        w_cell("a") + w_cell("b"),
        w_cell(prose, properties=BEGINS) + w_cell("1"),
        w_cell("unseen", properties=GOES_ON) + w_cell("2"),
    )
    assert text_of(table).endswith(f"| {prose.strip()} | 1 |\n|  | 2 |")

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnreadableFileError
from rag.parse.delimited import MAX_ROWS, detect_delimiter, parse_delimited
from rag.parse.types import FileType


def rows_of(text: str) -> list[str]:
    return parse_delimited(text).text.split("\n")


def test_a_file_is_a_table_and_each_row_a_record() -> None:
    document = parse_delimited('name,note\n"Doe, Jo","a ""b""\nc"\nLi,x|y\n')
    assert document.text == '| name | note |\n| --- | --- |\n| Doe, Jo | a "b" c |\n| Li | x\\|y |'
    assert [document.text[record.start : record.end] for record in document.records] == [
        '| Doe, Jo | a "b" c |',
        "| Li | x\\|y |",
    ]
    assert [(table.start, table.header_end, table.end) for table in document.tables] == [
        (0, len("| name | note |\n| --- | --- |"), len(document.text))
    ]
    assert document.mime_type == FileType.CSV


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("1,5;2,5\n3,5;4,5\n", ";"),
        ("a\tb\n1\t2,5\n", "\t"),
        ("a|b\n1|2;3\n", "|"),
        ('a,b\n"x;y",2\n"z;w",3\n', ","),
        ("tags,n\n" + "a;b,1\n" * 50 + "a;b,1,2\n" * 3, ","),
        ("Report; March\n\na,b,c\n1,2,3\n4,5,6\n", ","),
        ("one\ntwo\n", ","),
        ('a;b\n"1\n2";3\n', ";"),
    ],
)
def test_the_delimiter_is_what_parts_the_rows_alike(text: str, delimiter: str) -> None:
    assert detect_delimiter(text) == delimiter


def test_a_file_may_tell_its_delimiter() -> None:
    assert rows_of("sep=;\r\na,b;c\r\n1,2;3\r\n") == ["| a,b | c |", "| --- | --- |", "| 1,2 | 3 |"]


def test_tabs_make_a_tsv() -> None:
    assert parse_delimited("a\tb\n1\t2\n").mime_type == FileType.TSV


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("id,name\n1,x\n", "| id | name |"),
        ("1,x\n2,y\n", "|  |  |"),
        ("name,city\nJo,Rome\n", "| name | city |"),
        ("1,2,3\na,b,c,d\na,b,c,d\n", "| 1 | 2 | 3 |  |"),
        ("a,a\nb,c\n", "|  |  |"),
        ("day,2023,2024\nMon,1,2\n", "| day | 2023 | 2024 |"),
    ],
)
def test_the_header_is_told_by_the_cells(text: str, header: str) -> None:
    assert rows_of(text)[0] == header


def test_lines_above_the_table_are_not_in_it() -> None:
    text = "Sales report\nof March;;\n\nitem;eur;n\ntea;2;1\nmilk;1;1\n"
    assert parse_delimited(text).text.startswith("Sales report\nof March\n\n| item | eur | n |\n")


def test_ragged_and_empty_rows() -> None:
    assert rows_of("a,b\n\n1\n , \n1,2,3\n") == [
        "| a | b |  |", "| --- | --- | --- |", "| 1 |  |  |", "| 1 | 2 | 3 |",
    ]  # fmt: skip


def test_an_open_quotation_mark_does_not_swallow_the_file() -> None:
    assert rows_of('size,n\n"5 inch,1\n6 cm,2\n7 cm,3\n')[2:] == [
        "| 5 inch,1 |  |",
        "| 6 cm | 2 |",
        "| 7 cm | 3 |",
    ]


def test_cells_may_be_long() -> None:
    cell = "word " * 40_000
    assert parse_delimited(f"a,b\n{cell},2\n").text.endswith(f"| {cell.strip()} | 2 |")


def test_other_line_breaks_do_not_part_rows() -> None:
    assert rows_of("a,b\none\u2028two,\x0bx\n")[2:] == ["| one two | x |"]


def test_too_many_rows_are_told() -> None:
    began = time.monotonic()
    document = parse_delimited("id,name\n" + "".join(f"{n},x\n" for n in range(MAX_ROWS + 5)))
    assert len(document.records) == MAX_ROWS - 1
    assert document.warnings == (f"only the first {MAX_ROWS} of the file's rows were read",)
    assert time.monotonic() - began < 30


def test_one_wide_row_does_not_widen_all_others() -> None:
    document = parse_delimited("," * 20_000 + "x\n" + "y\n" * 20_000)
    assert len(document.text) < 100_000
    assert document.text.count("y") == 20_000


@pytest.mark.parametrize("text", ["", "\n\n", ",,\n,,\n", '""\n'])
def test_files_without_text_are_unreadable(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="holds no text"):
        parse_delimited(text)


CELLS = st.text(alphabet='ab ,;\t|"\n1', max_size=5)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_a_writer_writes_is_read(rows: list[list[str]], delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([["x1", "x2"], *rows, ["y1", "y2"]])
    document = parse_delimited(f"sep={delimiter}\n{file.getvalue()}")
    shown = " ".join(document.text.replace("\\|", "|").split())
    for cell in (cell for row in rows for cell in row):
        assert " ".join(cell.split()) in shown
    for record in document.records:
        assert document.text[record.start : record.end].startswith("| ")
        assert "\n" not in document.text[record.start : record.end]


@given(st.text(alphabet='ab,;"\n\r\t|', max_size=40))
def test_any_text_is_a_table_or_unreadable(text: str) -> None:
    try:
        document = parse_delimited(text)
    except UnreadableFileError:
        return
    for letter in "ab":
        assert document.text.count(letter) == text.count(letter)

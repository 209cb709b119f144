"""Tables of PDFs, through the parser."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.parse.pdf import parse_pdf
from tests.unit.rag.parse.drawn_pdf import DrawnPage, drawn_pdf, grid, paragraph, right_aligned, rule, text

XS = (72, 200, 320, 440)
YS = (700, 680, 660, 640)


def tables_of(document: ParsedDocument) -> list[list[list[str]]]:
    """The cells of each table, header first, from the Markdown of its span."""
    found = []
    for table in document.tables:
        head, dashes = document.text[table.start : table.header_end].split("\n")
        rows = document.text[table.header_end : table.end].split("\n")[1:]
        assert set(dashes) <= set("| -")
        found.append([[cell.strip() for cell in row[1:-1].split("|")] for row in [head, *rows]])
    return found


def cells(rows: list[list[str]], xs: tuple[int, ...] = XS, ys: tuple[int, ...] = YS) -> str:
    return "".join(
        text(xs[column] + 5, ys[row] - 14, words)
        for row, line in enumerate(rows)
        for column, words in enumerate(line)
        if words
    )


def statement(
    rows: Sequence[tuple[str, ...]], *, top: float = 600, ends: tuple[int, ...] = (400, 480)
) -> str:
    """Labels at the left, figures that end at `ends`."""
    drawn = []
    for number, (label, *figures) in enumerate(rows):
        y = top - 14 * number
        drawn.append(text(72, y, label))
        drawn += [right_aligned(end, y, figure) for end, figure in zip(ends, figures, strict=False)]
    return "".join(drawn)


def test_a_ruled_table_stands_in_the_place_of_its_lines() -> None:
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3.10"], ["Screw", "box", "7"]]
    page = text(72, 720, "Prices of May") + grid(XS, YS) + cells(rows) + text(72, 600, "All with tax.")
    document = parse_pdf(drawn_pdf(page))
    assert document.text == (
        "Prices of May\n\n"
        "| Name | Unit | Price |\n| --- | --- | --- |\n| Nail | kg | 3.10 |\n| Screw | box | 7 |\n\n"
        "All with tax."
    )
    assert tables_of(document) == [rows]


def test_the_page_of_a_table_is_kept() -> None:
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3"], ["Screw", "box", "7"]]
    document = parse_pdf(drawn_pdf(text(72, 700, "First"), grid(XS, YS) + cells(rows)))
    table = document.tables[0]
    page = document.pages[1]
    assert page.number == 2
    assert page.start <= table.start < table.end <= page.end


def test_a_cell_over_two_columns_heads_both() -> None:
    rules = grid((72, 200, 440), (700, 680)) + grid(XS, (680, 660, 640))
    words = cells([["", "Results"], ["Group", "Right", "Wrong"], ["A", "5", "4"]])
    assert tables_of(parse_pdf(drawn_pdf(rules + words))) == [
        [["Group", "Results Right", "Results Wrong"], ["A", "5", "4"]]
    ]


def test_a_cell_over_two_rows_is_repeated() -> None:
    rules = rule(72, 700, 440, 700) + rule(72, 680, 440, 680) + rule(200, 660, 440, 660)
    rules += rule(72, 640, 440, 640) + "".join(rule(x, 700, x, 640) for x in XS)
    words = cells([["Kind", "Size", "Price"], ["Nail", "small", "3"], ["", "large", "4"]])
    assert tables_of(parse_pdf(drawn_pdf(rules + words))) == [
        [["Kind", "Size", "Price"], ["Nail", "small", "3"], ["Nail", "large", "4"]]
    ]


def test_a_cell_as_wide_as_the_table_is_its_caption() -> None:
    rules = grid((72, 440), (720, 700)) + grid(XS, YS)
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3"], ["Screw", "box", "7"]]
    document = parse_pdf(drawn_pdf(rules + text(80, 706, "Prices of May") + cells(rows)))
    assert document.text.startswith("Prices of May\n\n| Name |")
    assert tables_of(document) == [rows]


def test_a_row_of_figures_is_no_header() -> None:
    rows = [["200.1", "1", "7"], ["400.1", "3", "8"], ["600.1", "5", "9"]]
    assert tables_of(parse_pdf(drawn_pdf(grid(XS, YS) + cells(rows)))) == [[["", "", ""], *rows]]


def test_years_may_be_a_header() -> None:
    rows = [["Region", "2022", "2023"], ["North", "1", "7"], ["South", "3", "8"]]
    assert tables_of(parse_pdf(drawn_pdf(grid(XS, YS) + cells(rows)))) == [rows]


def test_a_row_as_wide_as_the_table_is_not_repeated() -> None:
    rules = grid(XS, YS[:2]) + grid((72, 440), YS[1:3]) + grid(XS, YS[2:])
    rows = [["Name", "Unit", "Price"], ["Metal", "", ""], ["Nail", "kg", "3"]]
    assert tables_of(parse_pdf(drawn_pdf(rules + cells(rows)))) == [rows]


def test_sides_may_be_open() -> None:
    rules = "".join(rule(72, y, 440, y) for y in YS) + "".join(rule(x, 700, x, 640) for x in XS[1:-1])
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3"], ["Screw", "box", "7"]]
    assert tables_of(parse_pdf(drawn_pdf(rules + cells(rows)))) == [rows]


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_turned_page_has_its_table(rotate: int) -> None:
    matrices = {90: "0 1 -1 0 612 0", 180: "-1 0 0 -1 612 792", 270: "0 -1 1 0 0 792"}
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3"], ["Screw", "box", "7"]]
    content = f"q {matrices[rotate]} cm\n{grid(XS, (500, 480, 460, 440))}"
    content += cells(rows, ys=(500, 480, 460, 440)) + "Q\n"
    assert tables_of(parse_pdf(drawn_pdf(DrawnPage(content, rotate=rotate)))) == [rows]


def test_boxes_of_a_drawing_are_no_table() -> None:
    drawing = grid((100, 200), (700, 650)) + grid((300, 400), (700, 650)) + rule(200, 675, 300, 675)
    page = drawing + text(110, 670, "Client") + text(310, 670, "Server")
    document = parse_pdf(drawn_pdf(page))
    assert document.tables == ()
    assert "Client" in document.text


def test_a_word_across_a_rule_leaves_the_text_as_it_is() -> None:
    rows = [["Name", "Unit", "Price"], ["Nail", "kg", "3"], ["Unbelievably-long-words-everywhere", "", "7"]]
    document = parse_pdf(drawn_pdf(grid(XS, YS) + cells(rows)))
    assert document.tables == ()
    assert "Unbelievably-long-words-everywhere" in document.text


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.from_regex(r"[A-Za-z][a-z0-9]{0,7}", fullmatch=True), min_size=3, max_size=3),
        min_size=3,
        max_size=3,
    )
)
def test_every_cell_of_a_grid_comes_back(rows: list[list[str]]) -> None:
    assert tables_of(parse_pdf(drawn_pdf(grid(XS, YS) + cells(rows)))) == [rows]


def test_figures_in_columns_are_a_table() -> None:
    rows = [
        ("Net sales", "107,006", "135,987"),
        ("Cost of sales", "71,651", "88,265"),
        ("Operating income", "2,233", "4,186"),
        ("Interest expense", "(459)", "(484)"),
    ]
    page = text(
        72, 660, "The results of the last two years were as follows, in millions of dollars of the United"
    )
    page += statement([("", "2015", "2016")], top=620) + statement(rows)
    document = parse_pdf(drawn_pdf(page))
    header = "|  | 2015 | 2016 |\n| --- | --- | --- |\n| Net sales | 107,006 | 135,987 |\n"
    assert header in document.text
    assert "| Interest expense | (459) | (484) |" in document.text
    assert len(document.tables) == 1


def test_a_currency_sign_belongs_to_its_figure() -> None:
    rows = [("Assets", "1,200", "1,300"), ("Debts", "800", "900"), ("Equity", "400", "400")]
    page = statement([("", "2015", "2016")], top=620) + statement(rows)
    page += text(350, 600, "$") + text(430, 600, "$")
    assert "| Assets | $ 1,200 | $ 1,300 |" in parse_pdf(drawn_pdf(page)).text


def test_a_label_over_two_lines_is_one_row() -> None:
    rows = [
        ("Sales", "100", "110"),
        ("Tax benefits from stock-based",),
        ("compensation of employees", "20", "30"),
        ("Assets:",),
        ("Cash", "5", "6"),
    ]
    written = parse_pdf(drawn_pdf(statement([("", "2015", "2016")], top=620) + statement(rows))).text
    assert "| Tax benefits from stock-based compensation of employees | 20 | 30 |" in written
    assert "| Assets: |  |  |" in written


def test_a_header_over_several_columns_is_told_by_its_rule() -> None:
    ends = (300, 380, 460, 540)
    rows = [("Sales", "1", "2", "3", "4"), ("Costs", "5", "6", "7", "8"), ("Profit", "9", "1", "2", "3")]
    page = text(290, 630, "Plan") + rule(260, 627, 382, 627) + text(450, 630, "Result")
    page += rule(420, 627, 542, 627) + statement([("", "2015", "2016", "2015", "2016")], top=614, ends=ends)
    page += statement(rows, ends=ends)
    (table,) = tables_of(parse_pdf(drawn_pdf(page)))
    assert table[0] == ["", "Plan 2015", "Plan 2016", "Result 2015", "Result 2016"]
    assert table[1] == ["Sales", "1", "2", "3", "4"]


def test_two_tables_below_each_other_stay_two() -> None:
    first = [("Sales", "100", "110"), ("Costs", "60", "70"), ("Profit", "40", "40")]
    page = statement([("", "2015", "2016"), *first], top=700)
    page += statement([("", "2017", "2018"), *first], top=630, ends=(430, 510))
    assert [len(table) for table in tables_of(parse_pdf(drawn_pdf(page)))] == [4, 4]


def test_a_header_between_two_tables_parts_them() -> None:
    first = [("Sales", "100", "110"), ("Costs", "60", "70"), ("Profit", "40", "40")]
    page = (
        statement(first, top=700) + text(372, 650, "Quarters of the second year") + statement(first, top=636)
    )
    assert [table[0][1:] for table in tables_of(parse_pdf(drawn_pdf(page)))] == [
        ["", ""],
        ["Quarters of the second year"] * 2,
    ]


def test_lines_that_lie_between_others_in_the_text_are_no_table() -> None:
    rows = [("Sales", "100", "110"), ("Costs", "60", "70"), ("Profit", "40", "40")]
    page = statement(rows[:1]) + paragraph(72, 540, 1) + statement(rows[1:], top=586)
    document = parse_pdf(drawn_pdf(page))
    assert document.tables == ()
    assert document.text.index("committee") < document.text.index("Costs")


@pytest.mark.parametrize(
    "content",
    [
        paragraph(72, 700, 12),
        paragraph(72, 700, 5) + text(72, 600, "1") + text(72, 586, "2") + text(72, 572, "3"),
        statement([("Only one row of it", "100", "200")]),
        statement([("Introduction", "1"), ("Methods", "7"), ("Results", "23"), ("Index", "91")]),
    ],
    ids=["prose", "single figures", "one row", "table of contents"],
)
def test_what_is_no_table_stays_text(content: str) -> None:
    document = parse_pdf(drawn_pdf(content))
    assert document.tables == ()
    assert "|" not in document.text


def test_columns_of_prose_are_no_table() -> None:
    left = paragraph(40, 700, 20).replace(
        " found the evidence wanting and asked the authors for more of it", ""
    )
    right = left.replace("1 0 0 1 40.", "1 0 0 1 320.").replace("1 0 0 1 40 ", "1 0 0 1 320 ")
    assert parse_pdf(drawn_pdf(left + right)).tables == ()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-(10**6), 0)), min_size=3, max_size=12))
def test_every_figure_comes_back_in_its_row(figures: list[tuple[int, int]]) -> None:
    rows = [(f"Item {chr(65 + n)}", f"{a:,}", f"({-b:,})") for n, (a, b) in enumerate(figures)]
    document = parse_pdf(drawn_pdf(statement([("", "2015", "2016")], top=614) + statement(rows)))
    for label, left, right in rows:
        assert f"| {label} | {left} | {right} |" in document.text

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnreadableFileError
from rag.parse.odt import parse_odt
from rag.parse.types import FileType
from tests.unit.rag.parse.office_files import members_of, odt_file, odt_part, package_of

STYLES = """
    <style:style style:name="T1" style:family="text">
      <style:text-properties text:display="none"/></style:style>
    <style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>
    <text:list-style style:name="L1">
      <text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
      <text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>
      <text:list-level-style-bullet text:level="3"/>
    </text:list-style>
"""


def text_of(body: str) -> str:
    return parse_odt(odt_file(body, styles=STYLES)).text


def paragraph(text: str, style: str = "") -> str:
    return f'<text:p text:style-name="{style}">{text}</text:p>'


def items(*inside: str, attributes: str = "") -> str:
    listed = "".join(f"<text:list-item>{item}</text:list-item>" for item in inside)
    return f"<text:list {attributes}>{listed}</text:list>"


def table_of(*rows: str) -> str:
    return f"<table:table>{''.join(rows)}</table:table>"


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{paragraph(text)}</table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_a_document_in_order() -> None:
    body = (
        paragraph("Travel policy", "P1")
        + '<text:h text:outline-level="1">Rates</text:h>'
        + f"<text:section>{paragraph('Per day.')}</text:section>"
        + '<text:section text:display="none"><text:p>unseen</text:p></text:section>'
        + items(paragraph("Cash") + items(paragraph("Coins")), paragraph("Card"))
        + table_of("<table:table-column/>", row(cell("Country"), cell("Rate")), row(cell("FR"), cell("50")))
        + '<text:h text:outline-level="2">More</text:h>'
    )
    document = parse_odt(odt_file(body, styles=STYLES))
    assert document.text == (
        "Travel policy\n\nRates\n\nPer day.\n\n- Cash\n  - Coins\n- Card\n\n"
        "| Country | Rate |\n| --- | --- |\n| FR | 50 |\n\nMore"
    )
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "Rates"), (2, "More")]
    assert (document.title, document.mime_type) == ("Travel policy", FileType.ODT)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a  \n b<text:s text:c='3'/>c<text:tab/>d<text:line-break/>e", "a b c\td\ne"),
        ("a<text:span>b</text:span><text:a>c</text:a>", "abc"),
        (
            "seen<text:span text:style-name='T1'>unseen</text:span><text:hidden-text>x</text:hidden-text>",
            "seen",
        ),
        (
            "a<text:ruby><text:ruby-base>字</text:ruby-base><text:ruby-text>ji</text:ruby-text></text:ruby>",
            "a字",
        ),
        ("on <text:page-number>7</text:page-number> page", "on page"),
        (
            (
                "a<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation>"
                "<text:note-body><text:p>source</text:p></text:note-body></text:note>b"
            ),
            "ab\n\nFootnote 1: source",
        ),
        (
            (
                "a<office:annotation><dc:creator>Jo</dc:creator><dc:date>2024-01-01</dc:date><text:p>why?</text:p>"
                "</office:annotation>b"
            ),
            "ab\n\nComment (Jo): why?",
        ),
        ("a<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame>", "a\n\nbox"),
        ("<draw:g><draw:custom-shape><text:p>shape</text:p></draw:custom-shape></draw:g>", "shape"),
    ],
)
def test_what_a_reader_sees_of_a_paragraph(content: str, text: str) -> None:
    assert text_of(f"<text:p>{content}</text:p>") == text


def test_deleted_text_is_left_out() -> None:
    deleted = f"<text:changed-region>{paragraph('old')}</text:changed-region>"
    assert text_of(f"<text:tracked-changes>{deleted}</text:tracked-changes>{paragraph('new')}") == "new"


def test_lists_are_numbered_and_continued() -> None:
    first = items(
        paragraph("one"),
        paragraph("two") + items(paragraph("inner") + items(paragraph("bullet"))) + paragraph("goes on"),
        attributes='text:style-name="L1" xml:id="first"',
    )
    start = items(paragraph("nine"), attributes='text:style-name="L1"').replace(
        "<text:list-item>", '<text:list-item text:start-value="9">'
    )
    again = items(paragraph("three"), attributes='text:style-name="L1" text:continue-list="first"')
    assert text_of(first) == "1. one\n2. two\n  a) inner\n    - bullet\n  goes on"
    assert text_of(first + paragraph("between") + again).endswith("between\n\n3. three")
    assert text_of(first + paragraph("between") + start).endswith("9. nine")
    anew = items(paragraph("anew"), attributes='text:style-name="L1"')
    assert text_of(first + paragraph("between") + anew).endswith("1. anew")


def test_headings_have_the_numbers_of_the_outline() -> None:
    outline = odt_part(
        "document-styles",
        "<office:styles><text:outline-style>"
        '<text:outline-level-style text:level="1" style:num-format="1"/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/>'
        "</text:outline-style></office:styles>",
    )
    headings = [(1, "A"), (2, "B"), (2, "C"), (1, "D"), (2, "E"), (3, "F")]
    body = "".join(f'<text:h text:outline-level="{level}">{name}</text:h>' for level, name in headings)
    document = parse_odt(odt_file(body, parts={"styles.xml": outline}))
    assert [heading.title for heading in document.headings] == ["1 A", "1.1 B", "1.2 C", "2 D", "2.1 E", "F"]


def test_merged_and_repeated_cells() -> None:
    covered = "<table:covered-table-cell/>"
    table = (
        "<table:table><table:table-header-rows>"
        + row(cell("Region"), cell("Sales", 'table:number-columns-spanned="2"'), covered)
        + "</table:table-header-rows>"
        + row(cell("North", 'table:number-rows-spanned="2"'), cell("1", 'table:number-columns-repeated="2"'))
        + row(covered, cell("2"), cell("3"))
        + row(
            cell("", 'table:number-columns-repeated="16384"'),
            attributes='table:number-rows-repeated="1048576"',
        )
        + "</table:table>"
    )
    assert text_of(table) == (
        "| Region | Sales | Sales |\n| --- | --- | --- |\n| North | 1 | 1 |\n| North | 2 | 3 |"
    )


def test_nested_tables_stand_behind_the_table_around_them_and_layout_is_opened() -> None:
    inner = f"<table:table>{row(cell('c'), cell('d'))}{row(cell('e'), cell('f'))}</table:table>"
    outer = row(cell("a"), cell("b")) + row(
        cell("x"), f"<table:table-cell>{paragraph('y')}{inner}</table:table-cell>"
    )
    assert text_of(f"<table:table>{outer}</table:table>") == (
        "| a | b |\n| --- | --- |\n| x | y |\n\n| c | d |\n| --- | --- |\n| e | f |"
    )
    layout = row(f"<table:table-cell>{paragraph('one')}{paragraph('two')}</table:table-cell>")
    assert text_of(f"<table:table>{layout}</table:table>") == "one\n\ntwo"


def test_charts_and_formulas_are_read_from_their_own_parts() -> None:
    chart = odt_part(
        "document-content",
        "<office:body><office:chart><chart:chart><table:table>"
        + row(cell(""), cell("EU"))
        + row(cell("Q1"), cell("7"))
        + "</table:table></chart:chart></office:chart></office:body>",
    )
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>x</mi><annotation>x^2</annotation></semantics></math>'
    body = (
        '<text:p>see<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>'
        '<draw:frame><draw:object xlink:href="./Object 2"/><draw:image/></draw:frame></text:p>'
    )
    data = odt_file(body, parts={"Object 1/content.xml": chart, "Object 2/content.xml": formula})
    assert parse_odt(data).text == "see\n\n|  | EU |\n| --- | --- |\n| Q1 | 7 |\n\nx^2"


def test_headers_footers_and_the_title_of_the_file() -> None:
    styles = odt_part(
        "document-styles",
        "<office:master-styles>"
        "<style:master-page><style:header><text:p>ACME</text:p></style:header>"
        "<style:footer><text:p>Page <text:page-number>1</text:page-number></text:p></style:footer>"
        "</style:master-page>"
        "<style:master-page><style:header><text:p>ACME</text:p></style:header>"
        "<style:footer><text:p>Confidential</text:p></style:footer></style:master-page>"
        "</office:master-styles>",
    )
    meta = odt_part("document-meta", "<office:meta><dc:title>Rates of 2024</dc:title></office:meta>")
    document = parse_odt(odt_file(paragraph("text"), parts={"styles.xml": styles, "meta.xml": meta}))
    assert document.text == "Header: ACME\n\ntext\n\nFooter: Confidential"
    assert document.title == "Rates of 2024"


def test_a_damaged_document_gives_what_can_be_read_and_a_warning() -> None:
    members = members_of(odt_file(paragraph("first") + paragraph("second")))
    members["content.xml"] = members["content.xml"][:-90]
    document = parse_odt(package_of(members))
    assert document.text.startswith("first")
    assert document.warnings == ("the document is damaged; some of it may be missing",)


ENCRYPTED = (
    '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry>'
    "<m:encryption-data/></m:file-entry></m:manifest>"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK", "damaged"),
        (package_of({"a.txt": "x"}), "incomplete"),
        (odt_file("<text:p/>"), "holds no text"),
        (odt_file("<text:p>x</text:p>", parts={"META-INF/manifest.xml": ENCRYPTED}), "password"),
    ],
)
def test_files_without_text_are_unreadable(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_odt(data)


def test_repetitions_are_bounded() -> None:
    repeated = 'table:number-columns-repeated="16384"'
    table = row(cell("x", repeated), attributes='table:number-rows-repeated="1048576"')
    began = time.monotonic()
    document = parse_odt(odt_file(f"<table:table>{table * 5}</table:table>"))
    assert len(document.text) < 1_000_000
    assert time.monotonic() - began < 10


TEXTS = st.sampled_from(["word", "two words", "a | b", "<text:s/>", "<text:line-break/>", ""])
BLOCKS = st.one_of(
    st.builds(paragraph, TEXTS, st.sampled_from(["", "P1"])),
    st.builds(lambda text: f'<text:h text:outline-level="2">{text}</text:h>', TEXTS),
    st.builds(lambda texts: items(*map(paragraph, texts)), st.lists(TEXTS, max_size=3)),
    st.builds(
        lambda rows: f"<table:table>{''.join(row(*map(cell, texts)) for texts in rows)}</table:table>",
        st.lists(st.lists(TEXTS, max_size=3), max_size=3),
    ),
)


@given(st.lists(BLOCKS, max_size=6))
def test_spans_lie_on_what_they_name(blocks: list[str]) -> None:
    document = parse_odt(odt_file("".join([*blocks, paragraph("end")]), styles=STYLES))
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title
    for table in document.tables:
        lines = document.text[table.start : table.end].split("\n")
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert document.text.endswith("end")

import io
import time

import pytest
from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnreadableFileError
from rag.parse.docx import parse_docx
from rag.parse.types import FileType
from tests.unit.rag.parse.office_files import (
    docx_file,
    members_of,
    package_of,
    relationships,
    w_cell,
    w_paragraph,
    w_part,
    w_table,
)

BEGINS, GOES_ON = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
NUMBERED = '<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>'
NUMBERING = w_part(
    "numbering",
    """
    <w:abstractNum w:abstractNumId="0">
      <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/>
        <w:pStyle w:val="Chapter"/></w:lvl>
      <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/>
        <w:pStyle w:val="Section"/></w:lvl>
    </w:abstractNum>
    <w:abstractNum w:abstractNumId="1">
      <w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="(%1)"/></w:lvl>
      <w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
    </w:abstractNum>
    <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
    <w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
    <w:num w:numId="3"><w:abstractNumId w:val="1"/>
      <w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
    """,
)
STYLES = w_part(
    "styles",
    """
    <w:style w:styleId="Chapter"><w:name w:val="heading 1"/>
      <w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
    <w:style w:styleId="Section"><w:name w:val="Own section"/><w:basedOn w:val="Chapter"/>
      <w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
    <w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
    <w:style w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>
    <w:style w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>
    """,
)
PARTS = {"word/styles.xml": STYLES, "word/numbering.xml": NUMBERING}


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_a_document_made_by_a_library() -> None:
    made = Document()
    made.core_properties.title = "Travel policy"
    made.add_heading("Rates", 1)
    made.add_paragraph("Per day.")
    made.add_paragraph("Cash", style="List Bullet")
    made.add_paragraph("Coins", style="List Bullet 2")
    made.add_paragraph("First", style="List Number")
    made.add_paragraph("Second", style="List Number")
    made.add_heading("Countries", 2)
    table = made.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Country", "Rate", "FR", "50"], strict=True):
        cell.text = text
    made.add_paragraph("The end.")
    file = io.BytesIO()
    made.save(file)
    document = parse_docx(file.getvalue())
    assert document.text == (
        "Rates\n\nPer day.\n\n- Cash\n- Coins\n1. First\n2. Second\n\nCountries\n\n"
        "| Country | Rate |\n| --- | --- |\n| FR | 50 |\n\nThe end."
    )
    assert [(heading.level, heading.title) for heading in document.headings] == [
        (1, "Rates"),
        (2, "Countries"),
    ]
    assert (document.title, document.mime_type) == ("Travel policy", FileType.DOCX)
    assert [document.text[table.start : table.header_end] for table in document.tables] == [
        "| Country | Rate |\n| --- | --- |"
    ]


def test_headings_are_told_by_style_outline_level_and_what_a_style_is_based_on() -> None:
    made = Document()
    own = made.styles.add_style("Kapitel", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = made.styles["Heading 2"]
    made.add_paragraph("Based on a heading", style="Kapitel")
    file = io.BytesIO()
    made.save(file)
    assert [heading.level for heading in parse_docx(file.getvalue()).headings] == [2]
    document = parse_docx(
        docx_file(
            w_paragraph("By outline", properties='<w:outlineLvl w:val="2"/>')
            + w_paragraph("By name", style="Heading4")
            + w_paragraph("Body", style="Chapter", properties='<w:outlineLvl w:val="9"/>')
            + w_paragraph("x" * 301, style="Heading1")
            + w_paragraph("Endless", style="Loop")
        )
    )
    assert [(heading.level, heading.title) for heading in document.headings] == [
        (3, "By outline"),
        (4, "By name"),
    ]


def test_numbers_of_headings_and_lists_are_written() -> None:
    items = [
        w_paragraph("Scope", style="Chapter"),
        w_paragraph("Who", style="Section"),
        w_paragraph("What", style="Section"),
        w_paragraph("Rules", style="Chapter"),
        w_paragraph("Pay", style="Section"),
        w_paragraph("third", properties=NUMBERED.format(depth=0, number=2)),
        w_paragraph("bullet", properties=NUMBERED.format(depth=1, number=2)),
        w_paragraph("fourth", properties=NUMBERED.format(depth=0, number=2)),
        w_paragraph("anew", properties=NUMBERED.format(depth=0, number=3)),
        w_paragraph("no list", properties=NUMBERED.format(depth=0, number=0)),
    ]
    document = parse_docx(docx_file("".join(items), parts=PARTS))
    assert [heading.title for heading in document.headings] == [
        "1 Scope",
        "1.1 Who",
        "1.2 What",
        "2 Rules",
        "2.1 Pay",
    ]
    assert document.text.endswith("(iii) third\n  - bullet\n(iv) fourth\n(i) anew\n\nno list")


def test_the_title_is_the_paragraph_in_style_title() -> None:
    document = parse_docx(
        docx_file(
            w_paragraph("Annual report", style="Titel") + w_paragraph("One", style="Chapter"), parts=PARTS
        )
    )
    assert document.title == "Annual report"
    assert document.text.startswith("Annual report\n\n1 One")
    assert [heading.title for heading in document.headings] == ["1 One"]


def test_a_single_heading_of_level_1_names_the_document() -> None:
    one = w_paragraph("Guide", style="Heading1") + w_paragraph("Part", style="Heading2")
    assert parse_docx(docx_file(one)).title == "Guide"
    assert parse_docx(docx_file(one + w_paragraph("Second", style="Heading1"))).title is None


def test_headers_and_footers_are_told_once_and_only_if_they_tell_more() -> None:
    page = (
        '<w:p><w:r><w:t xml:space="preserve">Page </w:t></w:r>'
        '<w:fldSimple w:instr=" PAGE "><w:r><w:t>7</w:t></w:r>'
        "</w:fldSimple></w:p>"
    )
    section = (
        '<w:p><w:pPr><w:sectPr><w:headerReference r:id="h1"/><w:headerReference w:type="first" r:id="h2"/>'
        '<w:headerReference w:type="even" r:id="h4"/><w:footerReference r:id="f"/></w:sectPr></w:pPr></w:p>'
    )
    body = w_paragraph("Chapter One: Beginnings", style="Heading1") + section + section.replace("h1", "h3")
    document = parse_docx(
        docx_file(
            body,
            links=relationships(
                h1="header:header1.xml",
                h2="header:h2.xml",
                h3="header:h3.xml",
                h4="header:h2.xml",
                f="footer:f.xml",
            ),
            parts={
                "word/header1.xml": w_part("hdr", w_paragraph("Contract 4711") + w_paragraph("ACME")),
                "word/h2.xml": w_part("hdr", w_paragraph("not shown on any page")),
                "word/h3.xml": w_part("hdr", w_paragraph("Chapter One: Beginnings")),
                "word/f.xml": w_part("ftr", page + w_paragraph("Confidential")),
            },
        )
    )
    assert document.text == "Header: Contract 4711 | ACME\n\nChapter One: Beginnings\n\nFooter: Confidential"
    assert document.text[document.headings[0].start : document.headings[0].end] == "Chapter One: Beginnings"


def test_strict_documents_are_read_like_others() -> None:
    members = members_of(docx_file(w_paragraph("Guide", style="Heading1"), parts=PARTS))
    strict = {
        name: content.replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
        for name, content in members.items()
    }
    assert [heading.title for heading in parse_docx(package_of(strict)).headings] == ["Guide"]


def test_a_damaged_document_gives_what_can_be_read_and_a_warning() -> None:
    members = members_of(docx_file(w_paragraph("first") + w_paragraph("second")))
    members["word/document.xml"] = members["word/document.xml"][:-40]
    document = parse_docx(package_of(members))
    assert document.text.startswith("first")
    assert document.warnings == ("the document is damaged; some of it may be missing",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (package_of({"other.txt": "x"}), "incomplete"),
        (docx_file("<w:p/>"), "holds no text"),
        (package_of({"word/document.xml": "no xml"}), "not valid XML"),
        (package_of({"word/document.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}), "document type"),
    ],
)
def test_files_without_text_are_unreadable(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_docx(data)


@pytest.mark.parametrize(
    "body",
    [
        w_table(*[w_cell("x", properties='<w:gridSpan w:val="999999999"/>') + w_cell("y")] * 2_000),
        w_table(
            *[w_cell("a", properties=BEGINS) + w_cell("b")]
            + [w_cell("", properties=GOES_ON) + w_cell("c")] * 5_000
        ),
        "".join(
            w_paragraph(f"item {n}", properties=NUMBERED.format(depth=n % 12 - 1, number=n % 4))
            for n in range(20_000)
        ),
        "<w:sdt><w:sdtContent>" * 120 + w_paragraph("deep") + "</w:sdtContent></w:sdt>" * 120,
        "<w:tbl><w:tr><w:tc>" * 80 + w_paragraph("deep") + "</w:tc></w:tr></w:tbl>" * 80,
    ],
)
def test_hostile_documents_take_no_quadratic_time(body: str) -> None:
    began = time.monotonic()
    assert parse_docx(docx_file(body, parts=PARTS)).text
    assert time.monotonic() - began < 20


LEAVES = st.sampled_from([run("word"), "<w:r><w:br/></w:r>", "<w:r><w:tab/></w:r>", run("a | b"), run("  ")])
PARAGRAPHS = st.builds(
    lambda style, runs: f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{"".join(runs)}</w:p>',
    st.sampled_from(["", "Chapter", "Section", "Titel", "Secret"]),
    st.lists(LEAVES, max_size=4),
)
BLOCKS = st.recursive(
    PARAGRAPHS,
    lambda blocks: st.lists(st.lists(blocks, min_size=1, max_size=3), min_size=1, max_size=3).map(
        lambda rows: w_table(*("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows))
    ),
    max_leaves=8,
)


@given(st.lists(BLOCKS, max_size=6))
def test_spans_lie_on_what_they_name(blocks: list[str]) -> None:
    document = parse_docx(docx_file("".join([*blocks, w_paragraph("end")]), parts=PARTS))
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title
    for table in document.tables:
        lines = document.text[table.start : table.end].split("\n")
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert document.text.endswith("end")

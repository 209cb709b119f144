import io
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart import data as chart_data
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from rag.errors import UnreadableFileError
from rag.parse.pptx import parse_pptx
from rag.parse.types import FileType
from tests.unit.rag.parse.office_files import (
    members_of,
    p_part,
    p_shape,
    package_of,
    pptx_file,
    relationships,
)

TITLE_AND_CONTENT, ONLY_TITLE = 1, 5  # layouts of python-pptx's own template
CHART_DATA: Any = chart_data.CategoryChartData  # an untyped part of a typed package
AREA = (Inches(1), Inches(1), Inches(4), Inches(2))


def saved(deck: Any) -> bytes:
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def table_of(*rows: str) -> str:
    inside = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    return frame_of(f"<a:tbl>{inside}</a:tbl>")


def frame_of(content: str) -> str:
    graphic = f"<a:graphic><a:graphicData>{content}</a:graphicData></a:graphic>"
    return f"<p:graphicFrame>{graphic}</p:graphicFrame>"


def cell(text: str, attributes: str = "") -> str:
    return f"<a:tc {attributes}><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>"


def test_a_deck_made_by_a_library() -> None:
    deck = Presentation()
    deck.core_properties.title = "PowerPoint Presentation"
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_AND_CONTENT])
    slide.shapes.title.text = "Quarterly\vresults"
    frame = slide.placeholders[1].text_frame
    frame.text = "Sales are up"
    more = frame.add_paragraph()
    more.text, more.level = "In the north", 1
    slide.notes_slide.notes_text_frame.text = "Smile."
    second = deck.slides.add_slide(deck.slide_layouts[ONLY_TITLE])
    second.shapes.title.text = "Numbers"
    table = second.shapes.add_table(2, 2, *AREA).table
    for (row, column), text in {(0, 0): "Item", (0, 1): "EUR", (1, 0): "Tea", (1, 1): "2"}.items():
        table.cell(row, column).text = text
    document = parse_pptx(saved(deck))
    assert document.text == (
        "Quarterly results\n\n- Sales are up\n  - In the north\n\nNotes: Smile."
        "\n\fNumbers\n\n| Item | EUR |\n| --- | --- |\n| Tea | 2 |"
    )
    assert (document.title, document.mime_type) == ("Quarterly results", FileType.PPTX)
    assert [(heading.level, heading.title) for heading in document.headings] == [
        (1, "Quarterly results"),
        (1, "Numbers"),
    ]
    assert [document.text[page.start :][:7] for page in document.pages] == ["Quarter", "Numbers"]
    assert [page.number for page in document.pages] == [1, 2]


def test_a_chart_is_a_table_of_its_values() -> None:
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[ONLY_TITLE])
    data = CHART_DATA(number_format="0.0%")
    data.categories = ["2023", "2024"]
    data.add_series("EU", (0.25, 0.5))
    data.add_series("US", (None, 0.125))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *AREA, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Market share"
    assert parse_pptx(saved(deck)).text == (
        "Market share\n\n|  | EU | US |\n| --- | --- | --- |\n| 2023 | 25.0% |  |\n| 2024 | 50.0% | 12.5% |"
    )


def test_categories_with_levels_are_told_in_full() -> None:
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[ONLY_TITLE])
    data = CHART_DATA()
    year = data.add_category("2024")
    year.add_sub_category("Q1")
    year.add_sub_category("Q2")
    data.add_series("EU", (1, 2))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *AREA, data)
    assert "| 2024 Q1 | 1 |\n| 2024 Q2 | 2 |" in parse_pptx(saved(deck)).text


def test_groups_are_opened_and_the_title_comes_first() -> None:
    group = f"<p:grpSp>{p_shape('inner')}<p:grpSp>{p_shape('innermost')}</p:grpSp></p:grpSp>"
    document = parse_pptx(pptx_file(p_shape("before") + group + p_shape("Title", kind="title")))
    assert document.text == "Title\n\nbefore\n\ninner\n\ninnermost"
    assert document.title == "Title"


def test_bullets_are_told_by_the_placeholder_and_by_the_paragraph() -> None:
    def item(text: str, properties: str) -> str:
        return f"<a:pPr {properties}</a:pPr><a:r><a:t>{text}</a:t></a:r>"

    body = p_shape("point", item("lead", "><a:buNone/>"), item("deep", 'lvl="2">'), kind="body")
    numbered = p_shape(
        item("first", '><a:buAutoNum type="alphaLcParenR"/>'),
        item("bullet", 'lvl="1"><a:buChar char="o"/>'),
        item("second", '><a:buAutoNum type="alphaLcParenR"/>'),
        "plain",
        item("fifth", '><a:buAutoNum type="arabicPeriod" startAt="5"/>'),
    )
    assert parse_pptx(pptx_file(body + numbered)).text == (
        "- point\n\nlead\n\n    - deep\na) first\n  - bullet\nb) second\n\nplain\n\n5. fifth"
    )


def test_a_body_of_one_paragraph_is_no_list() -> None:
    assert parse_pptx(pptx_file(p_shape("only", kind="body"))).text == "only"


def test_slide_numbers_are_left_out_and_footers_told_once() -> None:
    number = p_shape('<a:fld type="slidenum"><a:t>4</a:t></a:fld>', kind="sldNum")
    footer = p_shape("ACME confidential", kind="ftr")
    document = parse_pptx(pptx_file(p_shape("one") + number + footer, p_shape("two") + number + footer))
    assert document.text == "one\n\nACME confidential\n\ftwo"


def test_merged_cells_of_tables() -> None:
    table = table_of(
        cell("", 'rowSpan="2"') + cell("Sales", 'gridSpan="2"') + cell("unseen", 'hMerge="1"'),
        cell("unseen", 'vMerge="1"') + cell("2023") + cell("2024"),
        cell("North") + cell("1") + cell("2"),
    )
    assert parse_pptx(pptx_file(table)).text == (
        "|  | Sales 2023 | Sales 2024 |\n| --- | --- | --- |\n| North | 1 | 2 |"
    )


def test_smart_art_is_a_list_with_the_depth_of_its_hierarchy() -> None:
    def point(name: str, kind: str = "node", text: str = "") -> str:
        inside = f"<dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t>"
        return f'<dgm:pt modelId="{name}" type="{kind}">{inside}</dgm:pt>'

    points = (
        point("0", "doc") + point("1", text="Board") + point("2", text="Sales") + point("3", text="Legal")
    )
    links = "".join(
        f'<dgm:cxn srcId="{source}" destId="{target}" srcOrd="{order}"/>'
        for source, target, order in (("0", "1", 0), ("1", "3", 1), ("1", "2", 0), ("2", "0", 0))
    )
    data = p_part("x", f"<dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst>")
    frame = frame_of('<dgm:relIds r:dm="d"/>')
    deck = pptx_file(
        frame,
        links={1: relationships(d="diagramData:../diagrams/data1.xml")},
        parts={"ppt/diagrams/data1.xml": data},
    )
    assert parse_pptx(deck).text == "- Board\n  - Sales\n  - Legal"


def test_comments_name_their_author() -> None:
    old = p_part("cmLst", '<p:cm authorId="0"><p:text>Check this</p:text></p:cm>')
    new = p_part(
        "cmLst", '<p:cm authorId="{A}"><p:txBody><a:p><a:r><a:t>And this</a:t></a:r></a:p></p:txBody></p:cm>'
    )
    deck = pptx_file(
        p_shape("text"),
        links={1: relationships(a="comments:../comments/c1.xml", b="comments:../comments/c2.xml")},
        parts={
            "ppt/_rels/presentation.xml.rels": relationships(
                r1="slide:slides/slide1.xml", x="commentAuthors:authors.xml"
            ),
            "ppt/authors.xml": p_part("cmAuthorLst", '<p:cmAuthor id="0" name="Jo"/>'),
            "ppt/comments/c1.xml": old,
            "ppt/comments/c2.xml": new,
        },
    )
    assert parse_pptx(deck).text == "text\n\nComment (Jo): Check this\n\nComment: And this"


def test_hidden_lost_and_damaged_slides_are_told() -> None:
    members = members_of(pptx_file(*[p_shape(f"slide {number}") for number in range(1, 5)]))
    slide = "ppt/slides/slide{}.xml".format
    members[slide(1)] = members[slide(1)].replace(b"<p:sld ", b'<p:sld show="0" ')
    del members[slide(2)]
    members[slide(3)] = members[slide(3)][:-30]
    document = parse_pptx(package_of(members))
    assert document.text.split() == ["slide", "3", "slide", "4"]
    assert document.warnings == (
        "could not be read: slide 2",
        "damaged: some of the text may be missing: slide 3",
        "hidden, and left out: slide 1",
    )
    assert [page.number for page in document.pages] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK", "damaged"),
        (package_of({"a.txt": "x"}), "incomplete"),
        (pptx_file(p_shape("")), "holds no text"),
    ],
)
def test_decks_without_text_are_unreadable(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_pptx(data)

"""Headings of PDFs, through the parser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.parse.pdf import parse_pdf
from tests.unit.rag.parse.drawn_pdf import Bookmark, drawn_pdf, paragraph, text


def headings_of(document: ParsedDocument) -> list[tuple[int, str]]:
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title
    return [(heading.level, heading.title) for heading in document.headings]


def test_larger_lines_are_headings_by_size() -> None:
    page = text(72, 740, "Annual report", size=24) + paragraph(72, 700, 6)
    page += text(72, 610, "Market", size=14) + paragraph(72, 590, 6)
    page += text(72, 500, "Outlook", size=14) + paragraph(72, 480, 6)
    document = parse_pdf(drawn_pdf(page))
    assert headings_of(document) == [(1, "Annual report"), (2, "Market"), (2, "Outlook")]
    assert document.text.startswith("Annual report\n\nThe committee")


@pytest.mark.parametrize(
    ("setting", "drawn"),
    [("10.0 Tf", "0 Tf"), ("1 0 0 1 ", "0.0001 0 0 0.0001 "), ("10.0 Tf", "-10.0 Tf")],
    ids=["no size", "a speck", "upside down"],
)
def test_a_body_without_a_size_that_could_be_seen(setting: str, drawn: str) -> None:
    content = paragraph(72, 700, 3).replace(setting, drawn) + text(72, 500, "Terms", size=14, bold=True)
    document = parse_pdf(drawn_pdf(content + text(72, 470, "And then some")))
    assert "Terms" in document.text


def test_bold_lines_of_the_body_s_size_are_headings() -> None:
    page = paragraph(72, 740, 5) + text(72, 660, "Risk factors", bold=True) + paragraph(72, 640, 5)
    assert headings_of(parse_pdf(drawn_pdf(page))) == [(1, "Risk factors")]


def test_a_number_makes_a_deeper_level() -> None:
    page = text(72, 740, "2 Methods", bold=True) + paragraph(72, 720, 4)
    page += text(72, 650, "2.1 Data", bold=True) + paragraph(72, 630, 4)
    page += text(72, 560, "2.1.1 Cleaning", bold=True) + paragraph(72, 540, 4)
    assert headings_of(parse_pdf(drawn_pdf(page))) == [
        (1, "2 Methods"),
        (2, "2.1 Data"),
        (3, "2.1.1 Cleaning"),
    ]


def test_parts_stand_above_items_and_items_above_the_rest() -> None:
    page = text(72, 740, "PART I", bold=True) + text(72, 715, "Item 1. Business", bold=True)
    page += paragraph(72, 690, 4) + text(72, 620, "Competition", bold=True) + paragraph(72, 600, 4)
    assert headings_of(parse_pdf(drawn_pdf(page))) == [
        (1, "PART I"),
        (2, "Item 1. Business"),
        (3, "Competition"),
    ]


def test_a_heading_over_two_lines_is_one() -> None:
    page = text(72, 740, "Results of the fourth quarter and", size=18) + text(72, 719, "of the year", size=18)
    document = parse_pdf(drawn_pdf(page + paragraph(72, 690, 6)))
    assert headings_of(document) == [(1, "Results of the fourth quarter and of the year")]


@pytest.mark.parametrize(
    "line",
    [
        text(72, 640, "and this is how it went on", bold=True),
        text(72, 640, "The following points matter:", bold=True),
        text(72, 640, "It was found that none of this is so.", bold=True),
        text(72, 640, "12,345 (67.8) 90%", bold=True),
        text(72, 640, "\u2022 A point of a list", bold=True),
        text(72, 640, "(in millions)", bold=True),
        text(72, 657, "Close below a paragraph", bold=True),
        text(72, 640, "Small print", size=7, bold=True),
        text(72, 640, "Bold at the start", bold=True) + text(155, 640, "and then like all the rest of it"),
        text(72, 640, "Large", size=16) + text(125, 640, "at the start and then like all the rest of it"),
        text(72, 640, "(a) A point of a list", bold=True),
        "".join(text(72, 650 - 36 * n, f"Line {n} of a poster", size=18) for n in range(4)),
        text(72, 640, " ".join(["word"] * 30), size=14),
    ],
    ids=[
        "lower case",
        "colon",
        "sentence",
        "figures",
        "list item",
        "in brackets",
        "no gap above",
        "small",
        "run in",
        "two sizes",
        "lettered item",
        "poster",
        "long",
    ],
)
def test_what_is_no_heading(line: str) -> None:
    page = paragraph(72, 740, 7) + line + paragraph(72, 500, 8)
    assert headings_of(parse_pdf(drawn_pdf(page))) == []


def test_a_line_without_text_below_it_is_no_heading() -> None:
    page = paragraph(72, 740, 7) + text(72, 640, "The end", bold=True)
    assert headings_of(parse_pdf(drawn_pdf(page, paragraph(72, 700, 8)))) == []


def test_a_page_with_more_bold_lines_than_prose_is_a_list() -> None:
    names = [text(72, 700 - 40 * n, f"Name {chr(65 + n)}", bold=True) for n in range(10)]
    posts = [text(72, 686 - 40 * n, "of the board") for n in range(10)]
    page = "".join(name + post for name, post in zip(names, posts, strict=True))
    assert headings_of(parse_pdf(drawn_pdf(page, paragraph(72, 700, 30)))) == []


def test_running_titles_are_no_headings() -> None:
    pages = [
        text(72, 760, f"Annual report {number}", size=14)
        + text(72, 700, f"Chapter {number}: {name}", size=18)
        + paragraph(72, 660, 8)
        for number, name in enumerate(["Trade", "Crafts", "Farms"], start=1)
    ]
    assert [title for _, title in headings_of(parse_pdf(drawn_pdf(*pages)))] == [
        "Chapter 1: Trade",
        "Chapter 2: Crafts",
        "Chapter 3: Farms",
    ]


def test_words_of_a_table_are_no_headings() -> None:
    rows = "".join(
        text(72, 600 - 14 * n, label, bold=True)
        + text(300, 600 - 14 * n, "1.5")
        + text(400, 600 - 14 * n, "2.5")
        for n, label in enumerate(["Sales", "Costs", "Profit"])
    )
    document = parse_pdf(drawn_pdf(paragraph(72, 740, 6) + rows + paragraph(72, 500, 6)))
    assert headings_of(document) == []
    assert len(document.tables) == 1


def test_the_outline_names_headings_and_their_depth() -> None:
    first = paragraph(72, 740, 4) + text(72, 680, "1 Scope") + paragraph(72, 660, 4)
    second = text(72, 740, "Terms") + paragraph(72, 720, 4) + text(72, 650, "Parties") + paragraph(72, 630, 4)
    marks = [Bookmark("Scope", 0), Bookmark("TERMS", 1), Bookmark("Parties", 1, depth=1), Bookmark("Gone", 1)]
    document = parse_pdf(drawn_pdf(first, second, outline=marks))
    assert headings_of(document) == [(1, "1 Scope"), (1, "Terms"), (2, "Parties")]


def test_lines_set_like_those_of_the_outline_have_their_level() -> None:
    pages = [
        text(72, 740, title, size=16)
        + paragraph(72, 710, 6)
        + text(72, 620, f"On {title}", size=13)
        + paragraph(72, 600, 6)
        for title in ["Scope", "Terms", "Parties", "Dates"]
    ]
    marks = [Bookmark(f"On {title}", n) for n, title in enumerate(["Scope", "Terms", "Parties"])]
    found = headings_of(parse_pdf(drawn_pdf(*pages, outline=marks)))
    assert found[-2:] == [(1, "Dates"), (1, "On Dates")]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([9.0, 10.0, 13.0, 18.0]), st.booleans(), st.text("abcXYZ 12.:()", max_size=30)
        ),
        max_size=20,
    )
)
def test_no_character_is_lost_and_headings_do_not_overlap(lines: list[tuple[float, bool, str]]) -> None:
    drawn = [text(72, 740 - 30 * n, words, size=s, bold=b) for n, (s, b, words) in enumerate(lines)]
    document = parse_pdf(drawn_pdf("".join(drawn), paragraph(72, 700, 3)))
    written = [word for _, _, words in lines for word in words.split()]
    assert "".join(written) in "".join(document.text.split())
    ends = [0, *(heading.end for heading in document.headings)]
    assert all(end <= heading.start for end, heading in zip(ends, document.headings, strict=False))

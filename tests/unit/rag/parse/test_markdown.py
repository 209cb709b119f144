from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.parse.markdown import parse_markdown

DATA = Path(__file__).parent / "data"


def lines_and_titles(document: ParsedDocument) -> list[tuple[str, int, str]]:
    return [(document.text[h.start : h.end], h.level, h.title) for h in document.headings]


def test_the_source_is_stored_and_its_structure_found() -> None:
    source = (DATA / "guide.md").read_text()
    document = parse_markdown(source)
    assert document.text == source
    assert document.title == "Groundwork guide"
    assert lines_and_titles(document) == [
        ('# Guide<a name="guide"></a>', 1, "Guide"),
        ("Setext *heading*\n----------------", 2, "Setext heading"),
        ('### Deep & `literal` <a name="deep"></a>', 3, "Deep & literal"),
    ]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ('# Filter<a name="API_Filter"></a>\n\ntext', "Filter"),
        ("# C\\+\\+ &amp; *more* ![logo](x.png)", "C++ & more logo"),
        ("# [Guide][g]\n\n[g]: https://example.org", "Guide"),
        ("## Second level only", None),
        ("no heading", None),
        ("---\ntitle: Plain # comment\n---\n# Other", "Plain"),
        ("---\ntitle: |\n  block\n---\n# Heading", "Heading"),
        ("---\n\nA rule, then text: not front matter\n---\n", None),
        ("---\nnot yaml\n---\n\n# One", "One"),
        ("#\n\n# Named", "Named"),
    ],
)
def test_titles(source: str, title: str | None) -> None:
    assert parse_markdown(source).title == title


def test_front_matter_and_code_hold_no_headings() -> None:
    source = "---\nname: x\n---\n\n    # indented\n\n~~~\n# fenced\n~~~\n\n<div>\n# raw\n</div>\n\n# Real\n"
    assert lines_and_titles(parse_markdown(source)) == [("# Real", 1, "Real")]


def tables_of(source: str) -> list[tuple[str, str]]:
    """Header and whole text of each table, cut out by its span."""
    document = parse_markdown(source)
    return [(document.text[t.start : t.header_end], document.text[t.start : t.end]) for t in document.tables]


@pytest.mark.parametrize(
    ("source", "header", "table"),
    [
        (
            "| a | b |\n|---|:-:|\n| 1 | 2 |\n\ntext",
            "| a | b |\n|---|:-:|",
            "| a | b |\n|---|:-:|\n| 1 | 2 |",
        ),
        ("# T\na|b\n-|-\n1|2", "a|b\n-|-", "a|b\n-|-\n1|2"),
        ("words\n| a |\n| - |\n| 1 |", "| a |\n| - |", "| a |\n| - |\n| 1 |"),
        ("| a \\| b |\n|---|\n| 1 |\n# T", "| a \\| b |\n|---|", "| a \\| b |\n|---|\n| 1 |"),
        ("---\nname: x\n---\n|a|b|\n|-|-|", "|a|b|\n|-|-|", "|a|b|\n|-|-|"),
    ],
)
def test_tables_are_found(source: str, header: str, table: str) -> None:
    assert tables_of(source) == [(header, table)]


@pytest.mark.parametrize(
    "source",
    [
        "```\n| a | b |\n|---|---|\n```",
        "    | a | b |\n    |---|---|",
        "<div>\n| a | b |\n|---|---|\n</div>",
        "| a | b |\n|---|",
        "| a | b |\n| c | d |",
        "> | a | b |\n> |---|---|",
        "- | a | b |\n  |---|---|",
        "- a | b\n  --- | ---",
    ],
)
def test_what_only_looks_like_a_table(source: str) -> None:
    assert tables_of(source) == []


def test_an_endless_heading_has_a_bounded_title() -> None:
    (heading,) = parse_markdown("word " * 1000 + "\n===").headings
    assert len(heading.title) == 300
    assert heading.title.endswith("…")


@given(st.text(alphabet="|-: \na1#\\`>", max_size=60))
def test_tables_are_whole_lines(source: str) -> None:
    at = 0
    for table in parse_markdown(source).tables:
        assert at <= table.start < table.header_end <= table.end
        assert table.start == 0 or source[table.start - 1] == "\n"
        for end in (table.header_end, table.end):
            assert end == len(source) or source[end] == "\n"
        assert source[table.start : table.header_end].count("\n") == 1
        at = table.end


@given(st.text(alphabet="#=- \n\t`>*<[]a1.\u2028\x0b\f", max_size=80))
def test_headings_are_in_order_and_on_whole_lines(source: str) -> None:
    at = 0
    for heading in parse_markdown(source).headings:
        assert at <= heading.start < heading.end <= len(source)
        assert heading.start == 0 or source[heading.start - 1] == "\n"
        assert heading.end == len(source) or source[heading.end] == "\n"
        at = heading.end

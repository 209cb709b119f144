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


def test_an_endless_heading_has_a_bounded_title() -> None:
    (heading,) = parse_markdown("word " * 1000 + "\n===").headings
    assert len(heading.title) == 300
    assert heading.title.endswith("…")


@given(st.text(alphabet="#=- \n\t`>*<[]a1.\u2028\x0b\f", max_size=80))
def test_headings_are_in_order_and_on_whole_lines(source: str) -> None:
    at = 0
    for heading in parse_markdown(source).headings:
        assert at <= heading.start < heading.end <= len(source)
        assert heading.start == 0 or source[heading.start - 1] == "\n"
        assert heading.end == len(source) or source[heading.end] == "\n"
        at = heading.end

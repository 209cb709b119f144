import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnreadableFileError
from rag.parse import parse, parse_text
from rag.parse.html import parse_html

DATA = Path(__file__).parent / "data"

TAGS = re.findall(
    r"<.*?>",
    "<h1></h1><h2><p></p><table><tr><td></table><ul><ol><li></ul><pre></pre><br><div></div><main></main>"
    "<article></article><nav></nav>",
)
EXPECTED = """\
Opening hours

We are open daily, except on Monday.

Prices¶

| Ticket | Price |
| --- | --- |
| Adult | 12 € |

- Cash
  - coins
- Card

3. Third
4. Fourth

line 1
  line 2"""


def test_a_page_becomes_its_main_content() -> None:
    document = parse((DATA / "page.html").read_bytes(), filename="page.html", mime_type=None)
    assert document.text == EXPECTED
    assert document.title == "Opening hours & prices"
    assert [(document.text[h.start : h.end], h.level, h.title) for h in document.headings] == [
        ("Opening hours", 1, "Opening hours"),
        ("Prices¶", 2, "Prices"),
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a<p>b", "a\n\nb"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<b>a</b> <i>b</i><u>c</u>", "a bc"),
        ("<p>a&nbsp;b\n  c</p>", "a b c"),
        ("<dl><dt>Term<dd>Meaning</dl>", "Term\nMeaning"),
        ("<ul><li><p>a</p><li><h3>b</h3></ul>", "- a\n\nb"),
        ("<table><tr><td>only one cell</table>", "only one cell"),
        ("<table role=none><tr><td>a<td>b</table>", "a\n\nb"),
        ("<table><tr><td><table><tr><td>1<td>2</table><td>side</table>", "| 1 | 2 |\n| --- | --- |\n\nside"),
        ("<table><tr><td>a<br>b<td><ul><li>c<li>d</ul></table>", "| a b | c d |\n| --- | --- |"),
        ("<nav>menu</nav><div role=banner>top</div><p>text</p><aside>ad</aside>", "text"),
        ("<article><header><h1>T</h1></header>text<nav>n</nav></article><footer>f</footer>", "T\n\ntext"),
        ("<header><p>all there is</p></header>", "all there is"),
        ("<main> </main><p>filled by hand, not by script</p>", "filled by hand, not by script"),
        (
            "<p aria-hidden=true>x</p><p style='visibility:hidden'>x</p><p hidden=until-found>found</p>",
            "found",
        ),
        ("<pre>a&#13;b</pre>", "a\nb"),
        ("<p>1 &lt; 2 &#0; &#xD800;</p>", "1 < 2 \ufffd \ufffd"),
        ("<p><template><p>x</p></template><noscript>y</noscript><svg><text>z</text></svg>seen", "seen"),
    ],
)
def test_what_a_reader_sees(source: str, text: str) -> None:
    assert parse_html(source).text == text


def tables_of(source: str) -> list[tuple[str, str]]:
    """Header and whole text of each table, cut out by its span."""
    document = parse_html(source)
    return [(document.text[t.start : t.header_end], document.text[t.start : t.end]) for t in document.tables]


def test_tables_are_markdown_with_their_spans() -> None:
    first, second = tables_of(
        "<p>Prices</p><table><caption>In euros</caption><tr><th>Ticket<th>Price<tr><td>Adult<td>12|-<tr>"
        "</table>"
        "between<table><tr><td>a<td>1</tr><tr><td>b<td></tr></table>"
    )
    head = "| Ticket | Price |\n| --- | --- |"
    assert first == (head, head + "\n| Adult | 12\\|- |")
    assert second == ("| a | 1 |\n| --- | --- |", "| a | 1 |\n| --- | --- |\n| b |  |")


def test_text_around_a_table_keeps_its_place() -> None:
    text = parse_html("before<table><caption>Cap</caption><tr><td>1<td>2</table>after").text
    assert text == "before\n\nCap\n\n| 1 | 2 |\n| --- | --- |\n\nafter"


def test_every_cell_stands_under_its_own_header() -> None:
    ((_, table),) = tables_of(
        "<table><tr><th rowspan=2>Year<th colspan=2>Sales</tr><tr><th>North<th>South</tr>"
        "<tr><td rowspan=2>2020<td>1<td>2</tr><tr><td>3<td>4</tr></table>"
    )
    assert table.split("\n") == [
        "| Year | Sales North | Sales South |",
        "| --- | --- | --- |",
        "| 2020 | 1 | 2 |",
        "| 2020 | 3 | 4 |",
    ]


def test_columns_in_which_no_cell_begins_are_left_out() -> None:
    ((_, table),) = tables_of("<table><tr><td colspan=3>a<td>b<tr><td colspan=3>1<td>2</table>")
    assert table.split("\n") == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_rows_that_name_themselves_have_an_empty_header() -> None:
    ((header, table),) = tables_of("<table><tr><th>Kingdom<td>Animals<tr><th>Class<td>Birds</table>")
    assert header == "|  |  |\n| --- | --- |"
    assert table.endswith("| Kingdom | Animals |\n| Class | Birds |")


def test_cells_of_several_blocks_are_one_line() -> None:
    ((_, table),) = tables_of("<table><tr><th>a<th>b<tr><td><p>x</p><p>y</p><td><ul><li>1<li>2</ul></table>")
    assert table.endswith("| x y | 1 2 |")


def test_the_empty_elements_of_xhtml_do_not_swallow_the_page() -> None:
    head = '<?xml version="1.0"?><html><head><title/><script src="a.js"/><style type="x" /></head>'
    assert parse_html(head + "<body><p>seen</p></body></html>").text == "seen"


def test_long_cells_are_prose_not_a_row() -> None:
    assert not parse_html(f"<table><tr><td>menu<td>{'prose ' * 200}</table>").text.startswith("|")


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("<title> A\n b </title><h1>H</h1>", "A b"),
        ("<title> </title><p>x</p><h1>H<br>i</h1>", "H i"),
        ("<header><h1>Dropped <b>header</b></h1></header><p>x</p>", "Dropped header"),
        ("<p>x</p>", None),
    ],
)
def test_titles(source: str, title: str | None) -> None:
    assert parse_html(source).title == title


@pytest.mark.parametrize("source", ["<script>x</script>", "<html></html>", "<p>&nbsp;</p>", "<!-- only -->"])
def test_a_page_without_text_is_unreadable(source: str) -> None:
    with pytest.raises(UnreadableFileError, match="holds no text"):
        parse_text(source, mime_type="text/html")


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 300_000 + "deep text",
        "<table><tr><td>" * 5_000 + "deep text",
        "<ul><li>" * 50_000 + "deep text",
        "<p " + " ".join(f"a{number}=1" for number in range(50_000)) + ">deep text",
        "<table>" + "<tr><td colspan=1000>x" * 5000 + "<tr><td>deep text<td>y</table>",
        "<table><tr>" + "<td rowspan=1000>x" * 1000 + "<tr><td>deep text" * 2000,
        "<?xml version='1.0'?><p>deep text</p>" + "<script " * 50_000,
    ],
)
def test_hostile_pages_take_no_quadratic_time(source: str) -> None:
    began = time.monotonic()
    assert "deep text" in parse_html(source).text
    assert time.monotonic() - began < 10  # the parser alone took minutes


@given(st.lists(st.sampled_from([*TAGS, "word", "&amp;", "x\u00a0y"]), max_size=40))
def test_spans_lie_on_their_words(pieces: list[str]) -> None:
    try:
        document = parse_html(" ".join([*pieces, "end"]))
    except UnreadableFileError:
        return  # everything stood in <nav>
    for table in document.tables:
        lines = document.text[table.start : table.end].split("\n")
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
        assert document.text[table.start : table.header_end].split("\n") == lines[:2]
    at = 0
    for heading in document.headings:
        line = document.text[heading.start : heading.end]
        assert line == line.strip() != ""
        assert " ".join(line.split()) == heading.title
        assert heading.start >= at
        at = heading.end
    assert document.text == document.text.rstrip()

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse import FileType, parse, parse_text
from rag.parse.xml import parse_xml

JATS = """<?xml version="1.0"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.2//EN" "JATS-archivearticle1.dtd">
<article><front><journal-meta><issn>2050</issn></journal-meta><article-meta>
<article-id>99</article-id>
<title-group><article-title>Mice &amp; <italic>men</italic></article-title></title-group>
<contrib-group><contrib contrib-type="author"><name><surname>Wolf</surname>
<given-names>Ann</given-names></name></contrib>
<contrib contrib-type="editor"><name><surname>Red</surname></name></contrib></contrib-group>
<pub-date><year>2020</year></pub-date>
<abstract><p>What was found.</p></abstract><kwd-group><kwd>mouse</kwd><kwd>gene</kwd></kwd-group>
</article-meta></front>
<body><sec><label>1</label><title>Introduction</title><p>Mice are <bold>small</bold>
(<xref>Wolf, 2015</xref>).</p>
<sec><title>Aims</title><p>Two:<list><list-item><p>one</p></list-item><list-item><p>two</p>
<list><list-item><p>deeper</p></list-item></list></list-item></list>Then more.</p></sec></sec>
<sec><title>Results</title><table-wrap><label>Table 1.</label><caption><title>Counts.</title>
<p>In cages.</p></caption>
<table><thead><tr><th>Cage</th><th>Mice</th></tr></thead><tbody><tr><td>A</td><td>3</td></tr></tbody></table>
</table-wrap>
<fig><label>Figure 1.</label><caption><title>A mouse.</title></caption><graphic/></fig></sec></body>
<back><ref-list><title>References</title><ref><element-citation><person-group><name><surname>Wolf</surname>
<given-names>A</given-names></name></person-group><article-title>On mice</article-title><year>2015</year>
</element-citation></ref></ref-list></back></article>"""

JATS_TEXT = """\
Mice & men

Ann Wolf

Abstract

What was found.

Keywords: mouse, gene

1 Introduction

Mice are small (Wolf, 2015).

Aims

Two:

- one
- two
  - deeper

Then more.

Results

Table 1. Counts.

In cages.

| Cage | Mice |
| --- | --- |
| A | 3 |

Figure 1. A mouse.

References

- A Wolf. On mice. 2015"""


def outline(document: ParsedDocument) -> list[tuple[str, int]]:
    return [(document.text[h.start : h.end], h.level) for h in document.headings]


def test_an_article_is_read_by_its_structure() -> None:
    document = parse_xml(JATS)
    assert document.text == JATS_TEXT
    assert (document.title, document.mime_type) == ("Mice & men", FileType.XML)
    assert outline(document) == [
        ("Mice & men", 1),
        ("Abstract", 2),
        ("1 Introduction", 2),
        ("Aims", 3),
        ("Results", 2),
        ("References", 2),
    ]
    (table,) = document.tables
    assert document.text[table.start : table.header_end] == "| Cage | Mice |\n| --- | --- |"


def test_books_with_other_names_for_the_same_things() -> None:
    document = parse_xml(
        "<book><info><title>Guide</title></info><chapter><title>Start</title>"
        "<para>Do <emphasis>this</emphasis>:</para><programlisting>a = 1\n  b</programlisting>"
        "<orderedlist><listitem><para>x</para></listitem>"
        "<listitem><para>y</para></listitem></orderedlist><table><title>Sizes</title><tgroup><tbody>"
        "<row><entry>a</entry><entry>b</entry></row><row><entry morerows='1'>1</entry><entry>2</entry></row>"
        "<row><entry>3</entry></row></tbody></tgroup></table></chapter></book>"
    )
    assert outline(document) == [("Guide", 1), ("Start", 2)]
    assert document.text.endswith(
        "Do this:\n\na = 1\n  b\n\n1. x\n2. y\n\nSizes\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| 1 | 3 |"
    )


def test_words_beside_elements_stay_in_their_paragraph() -> None:
    assert (
        parse_xml("<note>Call <b>Ann</b> or <b>Bob</b> <i>today</i></note>").text == "Call Ann or Bob today"
    )
    assert parse_xml("<r><b>A</b> and <i>B</i></r>").text == "A and B"
    assert parse_xml("<r><p><b>A</b> <i>B</i></p><p>C</p></r>").text == "A B\n\nC"
    assert (
        parse_xml("<TEI><text><div><head>One</head><p>x<lb/> y</p></div></text></TEI>").text == "One\n\nx y"
    )


def test_data_reads_like_records() -> None:
    feed = parse_xml(
        "<rss version='2.0'><channel><title>News</title><item><link>http://a</link><title>One</title></item>"
        "<item><title>Two</title><category>x</category><category>y</category></item></channel></rss>"
    )
    assert [feed.text[r.start : r.end] for r in feed.records] == [
        "title: One\nlink: http://a",
        "title: Two\ncategory: x, y",
    ]
    assert (feed.text.split("\n\n")[0], feed.title) == ("title: News", "News")


def test_attributes_are_data_too() -> None:
    document = parse_xml(
        "<shop><lamp id='7' price='3'/><lamp id='8'>old<size unit='cm'>4</size></lamp></shop>"
    )
    assert [document.text[r.start : r.end] for r in document.records] == []  # words beside an element: a text
    document = parse_xml("<shop><lamp id='7' price='3'/><lamp id='8'><size unit='cm'>4</size></lamp></shop>")
    assert document.text == "id: 7\nprice: 3\n\nid: 8\nsize.unit: cm\nsize: 4"


def test_xml_that_is_a_web_page_is_read_as_one() -> None:
    page = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>T</h1></body></html>'
    document = parse(page, filename="a.xml", mime_type=None)
    assert (document.mime_type, outline(document)) == (FileType.HTML, [("T", 1)])


def test_the_declared_encoding_is_used() -> None:
    data = '<?xml version="1.0" encoding="iso-8859-1"?><p>naïve</p>'.encode("latin-1")
    assert parse(data, filename="a.xml", mime_type=None).text == "naïve"
    assert parse_text(data.decode("latin-1"), mime_type="application/xml").text == "naïve"


def test_names_of_characters_are_known_without_their_dtd() -> None:
    assert parse_xml("<p>caf&eacute;&nbsp;&amp; bar</p>").text == "café & bar"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<a><b></a>", r"not valid XML \(line 1, column 9\)"),
        ("<a>&unknown;</a>", "not valid XML"),
        ("<a/>", "holds no text"),
        ("words", "not valid XML"),
        ('<!DOCTYPE a [<!ENTITY b "xx"><!ENTITY c "&b;&b;">]><a>&c;</a>', "declares entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "declares entities"),
        ('<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/x"> %b;]><a>x</a>', "declares entities"),
    ],
)
def test_broken_and_hostile_xml(source: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_xml(source)


@pytest.mark.parametrize(
    "source",
    [
        "<a>" * 100_000 + "deep text" + "</a>" * 100_000,
        "<a>x" * 100_000 + "deep text" + "</a>" * 100_000,
        "<p>x<ul>" + "<li>x<ul>" * 5_000 + "deep text" + "</ul></li>" * 5_000 + "</ul></p>",
        "<sec><title>t</title>" * 5_000 + "<p>deep text</p>" + "</sec>" * 5_000,
        "<p>deep text<table><tr>"
        + "<td colspan='999' rowspan='999'>x</td>" * 500
        + "</tr><tr><td>y</td>" * 5_000
        + "</tr></table></p>",
    ],
)
def test_hostile_nesting_takes_no_quadratic_time(source: str) -> None:
    began = time.monotonic()
    assert "deep text" in parse_xml(source).text
    assert time.monotonic() - began < 10


TAGS = [
    "sec",
    "title",
    "p",
    "list",
    "list-item",
    "table",
    "tr",
    "td",
    "caption",
    "fig",
    "b",
    "label",
    "front",
    "article-meta",
    "ref",
    "element-citation",
    "name",
    "info",
]
TREES = st.recursive(
    st.sampled_from(["words", " ", "more &amp; more"]),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from(TAGS),
        st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)


@given(TREES)
def test_headings_and_tables_lie_on_their_words(tree: str) -> None:
    try:
        document = parse_xml(f"<article>{tree}</article>")
    except UnreadableFileError:
        return
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title
    for table in document.tables:
        assert document.text[table.start : table.end].startswith("| ")


@given(st.text(alphabet="<>/ab=\"' &;!?[]-x", max_size=80))
def test_any_text_gives_a_document_or_one_of_our_errors(text: str) -> None:
    with suppress(UnreadableFileError):
        parse_xml(text).text.encode()

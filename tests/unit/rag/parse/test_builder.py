from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.parse.builder import DocumentBuilder

CELLS = st.text(alphabet="ab |\n", max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("heading"), CELLS),
        st.tuples(st.just("paragraph"), CELLS),
        st.tuples(st.just("item"), CELLS),
        st.tuples(st.just("line"), CELLS),
        st.tuples(st.just("verbatim"), CELLS),
        st.tuples(st.just("table"), st.lists(st.lists(CELLS, max_size=3), max_size=4)),
    ),
    max_size=8,
)


def write(builder: DocumentBuilder, steps: list[tuple[str, object]]) -> None:
    for kind, value in steps:
        if kind == "heading":
            builder.heading(str(value), 2)
        else:
            getattr(builder, kind)(value)


def check_spans(document: ParsedDocument) -> None:
    text = document.text
    for heading in document.headings:
        assert text[heading.start : heading.end] == heading.title
    for table in document.tables:
        lines = text[table.start : table.end].split("\n")
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
        head = text[table.start : table.header_end].split("\n")
        assert head == lines[:2]
        assert set(lines[1]) <= set("| -")
    for spans in (document.headings, document.tables, document.records):
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)


@given(pages=st.lists(STEPS, min_size=1, max_size=3))
def test_spans_point_at_what_was_written(pages: list[list[tuple[str, object]]]) -> None:
    builder = DocumentBuilder()
    for number, steps in enumerate(pages, start=1):
        with builder.page(number), builder.record():
            write(builder, steps)
    document = builder.build("text/plain")
    check_spans(document)
    assert [page.number for page in document.pages] == list(range(1, len(pages) + 1))
    assert document.text == "\n\f".join(document.text[page.start : page.end] for page in document.pages)


@given(steps=STEPS, more=STEPS)
def test_a_document_inside_another_keeps_its_structure(
    steps: list[tuple[str, object]], more: list[tuple[str, object]]
) -> None:
    inner, outer = DocumentBuilder(), DocumentBuilder()
    write(inner, steps)
    part = inner.build("text/plain")
    write(outer, more)
    outer.heading("attachment", 1)
    outer.document(part, level=1)
    document = outer.build("text/plain")
    check_spans(document)
    assert len(document.headings) - len(part.headings) == 1 + sum(
        kind == "heading" and bool(str(value).split()) for kind, value in more
    )
    assert document.text.endswith(part.text.strip())


def test_what_each_kind_of_part_looks_like() -> None:
    builder = DocumentBuilder()
    builder.heading("Rates", 2)
    builder.paragraph("Per day.\nIn euros.")
    builder.item("one", depth=0)
    builder.item("two", depth=1, marker="1. ")
    builder.table([["Country", "Rate"], ["FR|BE", "50"], ["", ""], ["DE"]])
    assert builder.build("text/plain").text == (
        "Rates\n\nPer day.\nIn euros.\n\n- one\n  1. two\n\n"
        "| Country | Rate |\n| --- | --- |\n| FR\\|BE | 50 |\n| DE |  |"
    )


def test_several_header_rows_become_one() -> None:
    builder = DocumentBuilder()
    builder.table([["Year", "Sales", "Sales"], ["Year", "EU", "US"], ["2024", "1", "2"]], header_rows=2)
    assert builder.build("text/plain").text.split("\n")[0] == "| Year | Sales EU | Sales US |"


def test_a_table_of_one_cell_is_a_paragraph() -> None:
    builder = DocumentBuilder()
    builder.table([["", "only"], ["", ""]])
    document = builder.build("text/plain")
    assert document.text == "only"
    assert document.tables == ()


def test_rows_of_a_table_may_be_records() -> None:
    builder = DocumentBuilder()
    builder.paragraph("above")
    builder.table([["id", "name"], ["1", "x"], ["", ""], ["2", "y|z"]], rows_are_records=True)
    document = builder.build("text/csv")
    assert [document.text[record.start : record.end] for record in document.records] == [
        "| 1 | x |",
        "| 2 | y\\|z |",
    ]
    check_spans(document)

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import ChunkStrategy, chunk_document, repeat_table_headers
from rag.documents import Chunk, PageSpan, ParsedDocument, TableSpan
from rag.models.minilm import MiniLMEmbeddings
from rag.parse.builder import DocumentBuilder
from rag.tokens import Tokenizer
from tests.unit.rag.test_chunk import check
from tests.unit.rag.tokenizers import PieceTokenizer, WordTokenizer

WORDS = WordTokenizer()
BY_HEADING = ChunkStrategy.HEADING


def table(rows: Sequence[Sequence[str]], mime_type: str = "text/plain", above: str = "") -> ParsedDocument:
    builder = DocumentBuilder()
    builder.paragraph(above)
    builder.table(rows)
    return builder.build(mime_type)


def lines(document: ParsedDocument) -> list[list[str]]:
    """The blocks of a text, line by line."""
    return [block.split("\n") for block in document.text.split("\n\n")]


def cut(document: ParsedDocument, target: int, tokenizer: Tokenizer = WORDS) -> list[Chunk]:
    return chunk_document(
        document, tokenizer=tokenizer, target_tokens=target, overlap_tokens=target // 4, strategy=BY_HEADING
    )


def test_a_long_table_becomes_several_below_the_same_header() -> None:
    document = table([["k", "v"], *([f"a{n}", f"b{n}"] for n in range(5))])
    # Header and rule have 5 + 5 tokens with their bars, a row has 5.
    repeated = repeat_table_headers(document, tokenizer=WORDS, target_tokens=20)
    head = ["| k | v |", "| - | - |"]
    assert lines(repeated) == [
        [*head, "| a0 | b0 |", "| a1 | b1 |"],
        [*head, "| a2 | b2 |", "| a3 | b3 |"],
        [*head, "| a4 | b4 |"],
    ]
    assert [repeated.text[t.start : t.header_end].split("\n") for t in repeated.tables] == [head] * 3
    assert "\n\n".join(repeated.text[t.start : t.end] for t in repeated.tables) == repeated.text
    assert [chunk.text.split("\n") for chunk in cut(repeated, 20)] == lines(repeated)


def test_a_table_that_fits_stays_as_it_is() -> None:
    document = table([["k", "v"], ["a", "b"]])
    assert repeat_table_headers(document, tokenizer=WORDS, target_tokens=5 + 9 + 5) is document
    assert repeat_table_headers(document, tokenizer=WORDS, target_tokens=5 + 9 + 4) is not document


def test_a_table_that_fits_only_without_its_heading_is_parted() -> None:
    builder = DocumentBuilder()
    builder.heading("One two three four five", 2)
    builder.table([["k", "v"], ["a", "b"], ["c", "d"]])
    document = builder.build("text/plain")
    target = 5 + 9 + 5 + 5
    repeated = repeat_table_headers(document, tokenizer=WORDS, target_tokens=target)
    assert [chunk.text.split("\n") for chunk in cut(repeated, target)] == [
        ["One two three four five", "", "| k | v |", "| - | - |", "| a | b |"],
        ["| k | v |", "| - | - |", "| c | d |"],
    ]


def test_a_table_of_endless_words_is_bounded_in_characters() -> None:
    document = table([["k", "v"], *([f"a{n}", "x" * 99] for n in range(4))])
    target = 40  # tokens, so 320 characters: enough tokens for all of it, and characters for two rows
    for parsed in (document, repeat_table_headers(document, tokenizer=WORDS, target_tokens=target)):
        chunks = cut(parsed, target)
        check(parsed, chunks, WORDS, target)
        assert {line.count("|") for chunk in chunks for line in chunk.text.split("\n")} == {3}  # whole rows


def test_an_empty_header_is_not_repeated() -> None:
    builder = DocumentBuilder()
    builder.table([["a", "b"], ["c", "d"], ["e", "f"]], header_rows=0)
    document = builder.build("text/plain")
    assert repeat_table_headers(document, tokenizer=WORDS, target_tokens=20) is document
    assert [chunk.text.split("\n")[-1] for chunk in cut(document, 20)] == ["| a | b |", "| e | f |"]


def test_the_first_part_leaves_room_for_the_headings_and_the_caption_above() -> None:
    builder = DocumentBuilder()
    builder.paragraph("Something else is said here before the heading comes.")
    builder.heading("Head", 4)
    builder.heading("Deep", 5)
    builder.paragraph("All limits:")
    builder.table([["k", "v"], *([f"a{n}", f"b{n}"] for n in range(5))])
    repeated = repeat_table_headers(builder.build("text/plain"), tokenizer=WORDS, target_tokens=20)
    assert [chunk.text.split("\n") for chunk in cut(repeated, 20)] == [
        ["Something else is said here before the heading comes."],
        ["Head", "", "Deep", "", "All limits:", "", "| k | v |", "| - | - |", "| a0 | b0 |"],
        ["| k | v |", "| - | - |", "| a1 | b1 |", "| a2 | b2 |"],
        ["| k | v |", "| - | - |", "| a3 | b3 |", "| a4 | b4 |"],
    ]


def test_the_first_rows_stay_with_a_short_introduction() -> None:
    builder = DocumentBuilder()
    builder.heading("Head", 2)
    builder.paragraph("One two three.")
    builder.paragraph("Four five six.")
    builder.table([["k", "v"], *([f"a{n}", f"b{n}"] for n in range(5))])
    repeated = repeat_table_headers(builder.build("text/plain"), tokenizer=WORDS, target_tokens=24)
    first, *_, last = cut(repeated, 24)
    assert first.text.startswith(
        "Head\n\nOne two three.\n\nFour five six.\n\n| k | v |\n| - | - |\n| a0 | b0 |"
    )
    assert last.text.endswith("| a4 | b4 |")


@pytest.mark.parametrize(
    ("above", "moved"),
    [
        ("\n\nThe caption:", "The caption:"),
        ("\n\nNote this. The caption:", "Note this. The caption:"),
        ("\n\n1. The caption:", "1. The caption:"),
        ("\nThe caption:", ""),
        ("\n\nThe caption is one word too long:", ""),
    ],
)
def test_a_short_paragraph_of_one_line_is_kept_with_the_table_below(above: str, moved: str) -> None:
    document = table([["k", "v"], ["a", "b"]], above=f"One two three four five six.{above}")
    target = 28  # 19 for the table, a quarter of all for a caption: both fit, but not with the first sentence
    _, second = chunk_document(document, tokenizer=WORDS, target_tokens=target, overlap_tokens=0)
    assert second.text.partition("| k")[0].strip() == moved


def test_small_tables_and_paragraphs_share_a_chunk() -> None:
    builder = DocumentBuilder()
    for n in range(2):
        builder.paragraph(f"Paragraph {n}.")
        builder.table([["k", "v"], [f"a{n}", f"b{n}"]])
    document = builder.build("text/plain")
    (chunk,) = cut(document, 60)
    assert chunk.text == document.text


@pytest.mark.parametrize(("overlap", "begins"), [(5 + 9 + 5 + 4, "Three"), (5 + 9 + 5 + 5, "| k | v |")])
def test_the_overlap_is_a_whole_table_or_none_of_it(overlap: int, begins: str) -> None:
    builder = DocumentBuilder()
    builder.paragraph("One two one two one two one two one.")
    builder.table([["k", "v"], ["a", "b"], ["c", "d"]])
    builder.paragraph("Three four three four three four three four three.")
    _, second = chunk_document(
        builder.build("text/plain"), tokenizer=WORDS, target_tokens=36, overlap_tokens=overlap
    )
    assert second.text.startswith(begins)


def test_a_row_that_does_not_fit_below_the_header_is_written_with_its_headers() -> None:
    rows = [["Name", "Size", "Notes"], ["pin", "2", "ok"], ["bolt", "9", "long " * 12], ["nut", "3", "ok"]]
    repeated = repeat_table_headers(table(rows), tokenizer=WORDS, target_tokens=30)
    head = ["| Name | Size | Notes |", "| - | - | - |"]
    assert lines(repeated) == [
        [*head, "| pin | 2 | ok |"],
        ["Name: bolt; Size: 9; Notes: " + " ".join(["long"] * 12)],
        [*head, "| nut | 3 | ok |"],
    ]
    (record,) = repeated.records
    assert repeated.text[record.start : record.end].startswith("Name: bolt")


def test_a_row_too_long_for_a_chunk_is_divided_and_each_part_says_which_row_it_is() -> None:
    rows = [["Id", "One", "Two"], ["7", "word " * 12, " ".join(f"w{n}" for n in range(24))]]
    repeated = repeat_table_headers(table(rows), tokenizer=WORDS, target_tokens=20)
    key = 4  # `Id: 7;`
    assert [(line, len(WORDS.token_spans(line)) <= 20) for (line,) in lines(repeated)] == [
        ("Id: 7; One: " + " ".join(["word"] * 12), True),
        ("Id: 7; Two: " + " ".join(f"w{n}" for n in range(20 - key - 2)), True),
        ("Id: 7; Two: " + " ".join(f"w{n}" for n in range(20 - key - 2, 24)), True),
    ]
    assert [chunk.text for chunk in cut(repeated, 20)] == [line for (line,) in lines(repeated)]


def test_the_first_line_of_a_wide_row_leaves_room_for_the_heading() -> None:
    builder = DocumentBuilder()
    builder.heading("One two three four five six", 1)
    builder.table([[f"h{n}" for n in range(12)], [f"v{n}" for n in range(12)]])
    repeated = repeat_table_headers(builder.build("text/plain"), tokenizer=WORDS, target_tokens=20)
    assert [chunk.text for chunk in cut(repeated, 20)] == [
        "One two three four five six\n\nh0: v0; h1: v1; h2: v2",
        "h0: v0; h3: v3; h4: v4; h5: v5; h6: v6",
        "h0: v0; h7: v7; h8: v8; h9: v9; h10: v10",
        "h0: v0; h11: v11",
    ]


def test_headers_of_columns_without_values_are_kept() -> None:
    rows = [[f"Column {n}" for n in range(9)], ["a", *[""] * 7, "b"]]
    repeated = repeat_table_headers(table(rows), tokenizer=WORDS, target_tokens=20)
    assert lines(repeated) == [
        ["Column 0: a; Column 8: b"],
        ["; ".join(f"Column {n}" for n in range(1, 8))],
    ]


def test_long_prose_rows_of_a_data_file_become_records_and_numbers_do_not() -> None:
    prose = [["Name", "Text"], *([f"item {n}", "some words of prose " * 20] for n in range(3))]
    numbers = [["Name", "Text"], *([f"item {n}", "1,234 5,678 9,012 " * 10] for n in range(3))]
    records, rows = (
        repeat_table_headers(table(cells, "text/csv"), tokenizer=WORDS, target_tokens=220)
        for cells in (prose, numbers)
    )
    assert [len(records.tables), len(records.records)] == [0, 3]
    assert [len(rows.tables), len(rows.records)] == [2, 0]
    elsewhere = repeat_table_headers(table(prose, "text/html"), tokenizer=WORDS, target_tokens=220)
    assert [len(elsewhere.tables), len(elsewhere.records)] == [2, 0]


def test_spaces_and_dashes_that_line_columns_up_are_not_repeated() -> None:
    text = "| k     | v     |\n| :---- | ----: |\n" + "\n".join(f"|   a\\|  | b{n}    |" for n in range(3))
    document = ParsedDocument(
        text=text, mime_type="text/markdown", tables=(TableSpan(0, text.index("\n|  "), len(text)),)
    )
    repeated = repeat_table_headers(document, tokenizer=WORDS, target_tokens=20)
    assert lines(repeated)[0] == ["| k | v |", "| :- | -: |", "| a\\| | b0 |"]


def test_tables_without_bars_at_the_ends_are_read_too() -> None:
    text = "k | v\n--- | ---\n" + "\n".join(f"a{n} | b{n}" for n in range(3))
    document = ParsedDocument(text=text, mime_type="text/markdown", tables=(TableSpan(0, 15, len(text)),))
    repeated = repeat_table_headers(document, tokenizer=WORDS, target_tokens=15)
    assert lines(repeated) == [["k | v", "--- | ---", f"a{n} | b{n}"] for n in range(3)]
    assert [chunk.text.split("\n") for chunk in cut(repeated, 15)] == lines(repeated)


def test_a_page_that_begins_inside_a_table_moves_to_its_row() -> None:
    document = table([["k", "v"], *([f"a{n}", f"b{n}"] for n in range(6))])
    at = document.text.index("| a3")
    pages = (PageSpan(1, 0, at - 1), PageSpan(2, at, len(document.text)))
    repeated = repeat_table_headers(replace(document, pages=pages), tokenizer=WORDS, target_tokens=20)
    first, second = repeated.pages
    assert repeated.text[: first.end].endswith("| a2 | b2 |")
    assert repeated.text[second.start :].startswith("| a3 | b3 |")
    assert second.end == len(repeated.text)


def test_a_record_that_holds_a_table_gives_way_to_its_rows() -> None:
    builder = DocumentBuilder()
    with builder.record():
        builder.paragraph("before")
        builder.table(
            [[f"Column {n}" for n in range(9)], *([f"v{r}{n}" for n in range(9)] for r in range(2))]
        )
        builder.paragraph("after")
    with builder.record():
        builder.paragraph("next")
    repeated = repeat_table_headers(builder.build("application/json"), tokenizer=WORDS, target_tokens=40)
    assert ["\n".join(block) for block in lines(repeated)] == [
        repeated.text[record.start : record.end].strip() for record in repeated.records
    ]


def test_rows_that_are_records_stay_records_below_their_header() -> None:
    builder = DocumentBuilder()
    builder.table([["k", "v"], *([f"a{n}", f"b{n}"] for n in range(5))], rows_are_records=True)
    repeated = repeat_table_headers(builder.build("text/csv"), tokenizer=WORDS, target_tokens=20)
    rows = [repeated.text[record.start : record.end] for record in repeated.records]
    assert rows == [f"| a{n} | b{n} |" for n in range(5)]
    chunks = chunk_document(repeated, tokenizer=WORDS, target_tokens=20, overlap_tokens=5)
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["| k | v |"] * 3


def test_rows_of_data_become_records_when_the_strategy_asks_for_them() -> None:
    builder = DocumentBuilder()
    builder.table([["k", "v"], ["a", "b"], ["c", ""]], rows_are_records=True)
    document = builder.build("text/csv")
    repeated = repeat_table_headers(
        document, tokenizer=WORDS, target_tokens=90, strategy=ChunkStrategy.RECORD
    )
    chunks = chunk_document(repeated, tokenizer=WORDS, target_tokens=90, strategy=ChunkStrategy.RECORD)
    assert [chunk.text for chunk in chunks] == ["k: a; v: b", "k: c"]
    assert repeat_table_headers(document, tokenizer=WORDS, target_tokens=90) is document


# -- any document


WORD = st.sampled_from(["it", "failed.", "then", "x|y", "Worked!", "long-word", "日本", "a; b: c"])
CELL = st.lists(WORD, max_size=4) | st.lists(WORD, min_size=10, max_size=40)


@st.composite
def documents(draw: st.DrawFn) -> tuple[ParsedDocument, list[list[list[str]]]]:
    """A document and its tables' cells; the words of a cell and of a header are like no others."""
    builder = DocumentBuilder()
    tables: list[list[list[str]]] = []
    for page in range(draw(st.integers(1, 2))):
        with builder.page(page + 1):
            for part in range(draw(st.integers(0, 4))):
                _draw_part(draw, builder, tables, f"p{page}{part}")
    return builder.build(draw(st.sampled_from(["text/csv", "text/markdown"]))), tables


def _draw_part(draw: st.DrawFn, builder: DocumentBuilder, tables: list[list[list[str]]], name: str) -> None:
    kind = draw(st.sampled_from(["table", "table", "heading", "caption", "prose", "record"]))
    if kind == "heading":
        builder.heading(f"Heading {name}", draw(st.integers(1, 5)))
    elif kind == "caption":
        builder.paragraph(f"Caption {name}:")
    elif kind == "prose":
        builder.paragraph(f"A sentence {name}. " * draw(st.integers(1, 8)))
    elif kind == "record":
        with builder.record():
            builder.line(f"record {name}")
    else:
        columns = draw(st.integers(1, 5))
        body = draw(st.lists(st.lists(CELL, min_size=columns, max_size=columns), min_size=1, max_size=6))
        rows = [[f"h{name}c{column}" for column in range(columns)]]
        for r, row in enumerate(body):
            rows.append(
                [
                    " ".join(f"{name}r{r}c{c}w{w}{word}" for w, word in enumerate(cell))
                    for c, cell in enumerate(row)
                ]
            )
        tables.append(rows)
        builder.table(rows)


def _words(text: str) -> list[str]:
    return text.replace("\\|", "|").split()


@given(documents(), st.integers(16, 60), st.sampled_from([WORDS, PieceTokenizer()]))
def test_every_value_is_in_a_chunk_with_its_header(
    made: tuple[ParsedDocument, list[list[list[str]]]], target: int, tokenizer: Tokenizer
) -> None:
    document, tables = made
    repeated = repeat_table_headers(document, tokenizer=tokenizer, target_tokens=target)
    chunks = cut(repeated, target, tokenizer)
    check(repeated, chunks, tokenizer, target)
    found = [set(_words(chunk.text.replace(";", " ").replace(":", " "))) for chunk in chunks]
    whole = [chunk.text.replace("\\|", "|") for chunk in chunks]
    for header, *rows in tables:
        for row in rows:
            for name, cell in zip(header, row, strict=True):
                for word in cell.replace(";", " ").replace(":", " ").split():
                    assert any(name in words and word in words for words in found)
                line = f"{name}: {cell};"
                if len(tokenizer.token_spans(line)) <= target and len(line) <= target * 8 - 2:
                    assert any(name in text and cell in text for text in whole)


@given(documents(), st.integers(16, 60))
def test_no_chunk_begins_or_ends_inside_a_table(
    made: tuple[ParsedDocument, list[list[list[str]]]], target: int
) -> None:
    repeated = repeat_table_headers(made[0], tokenizer=WORDS, target_tokens=target)
    edges = [edge for chunk in cut(repeated, target) for edge in (chunk.start, chunk.end)]
    spans = [(t.start, t.end) for t in repeated.tables if t.header_end < t.end]
    for start, end in [*spans, *((record.start, record.end) for record in repeated.records)]:
        assert not [edge for edge in edges if start < edge < end]


@given(documents(), st.integers(16, 60))
def test_nothing_is_lost_and_all_spans_move_along(
    made: tuple[ParsedDocument, list[list[list[str]]]], target: int
) -> None:
    document, tables = made
    repeated = repeat_table_headers(document, tokenizer=WORDS, target_tokens=target)
    old, new = document.text, repeated.text
    assert [old[h.start : h.end] for h in document.headings] == [
        new[h.start : h.end] for h in repeated.headings
    ]
    at = 0
    for piece in _outside(document):
        assert piece in new[at:]
        at = new.index(piece, at) + len(piece)
    in_cells = {word for rows in tables for row in rows for cell in row for word in cell.split()}
    for before, after in zip(document.pages, repeated.pages, strict=True):
        words = set(_words(old[before.start : before.end])) & in_cells
        assert words <= set(_words(new[after.start : after.end].replace(";", " ").replace(":", " "))) | {
            word for word in words if ":" in word or ";" in word
        }
    for spans in (repeated.headings, repeated.pages, repeated.tables, repeated.records):
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(new) for edge in edges)
    assert [t for t in repeated.tables if not new[t.start : t.end].startswith("| ")] == []


def _outside(document: ParsedDocument) -> list[str]:
    """The text between tables."""
    edges = [0, *(edge for t in document.tables for edge in (t.start, t.end)), len(document.text)]
    return [document.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_a_wide_table_of_numbers_with_the_real_tokenizer(encoder: MiniLMEmbeddings) -> None:
    header = ["Country", *(f"Service revenue {2010 + n}" for n in range(10))]
    document = table(
        [header, *([f"Land {r}", *(f"{r * 37 + n * 1013:,}" for n in range(10))] for r in range(47))]
    )
    repeated = repeat_table_headers(document, tokenizer=encoder, target_tokens=220)
    chunks = chunk_document(repeated, tokenizer=encoder)
    check(repeated, chunks, encoder, 220)
    assert all(chunk.text.startswith("| Country | Service revenue 2010 |") for chunk in chunks)
    rows = [line for chunk in chunks for line in chunk.text.split("\n")[2:]]
    assert rows == document.text.split("\n")[2:]


def test_a_hundred_columns_with_the_real_tokenizer(encoder: MiniLMEmbeddings) -> None:
    header = [f"Measured value number {n}" for n in range(100)]
    document = table([header, *([f"{r}.{n}" for n in range(100)] for r in range(5))], "text/csv")
    repeated = repeat_table_headers(document, tokenizer=encoder, target_tokens=220)
    chunks = chunk_document(repeated, tokenizer=encoder)
    check(repeated, chunks, encoder, 220)
    for r in range(5):
        for n in range(100):
            assert any(f"Measured value number {n}: {r}.{n}" in chunk.text for chunk in chunks)
    assert len(chunks) == len(repeated.records)

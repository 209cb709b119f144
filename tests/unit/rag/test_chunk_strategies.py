import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import ChunkStrategy, automatic_strategy, chunk_document, repeat_table_headers
from rag.documents import ParsedDocument
from rag.models.minilm import MiniLMEmbeddings
from rag.parse import FileType, parse_text
from rag.parse.builder import DocumentBuilder
from rag.tokens import Tokenizer
from tests.unit.rag.test_chunk import HOSTILE, check, markdown
from tests.unit.rag.test_chunk_tables import documents
from tests.unit.rag.tokenizers import PieceTokenizer, WordTokenizer

WORDS = WordTokenizer()


def texts(
    document: ParsedDocument, strategy: ChunkStrategy, *, target: int = 20, overlap: int = 0
) -> list[str]:
    chunks = chunk_document(
        document, tokenizer=WORDS, target_tokens=target, overlap_tokens=overlap, strategy=strategy
    )
    check(document, chunks, WORDS, target)
    return [chunk.text for chunk in chunks]


def deck(*slides: tuple[str, str], mime_type: str = FileType.PPTX) -> ParsedDocument:
    builder = DocumentBuilder()
    for number, (title, body) in enumerate(slides, start=1):
        with builder.page(number):
            builder.heading(title, 1)
            builder.paragraph(body)
    return builder.build(mime_type)


# -- records


def test_records_that_are_most_of_a_document_are_chunks_and_others_are_packed() -> None:
    builder = DocumentBuilder()
    for name in ("A", "B"):
        with builder.record():
            builder.paragraph(f"name: {name}")
    mostly = builder.build(FileType.HTML)
    builder.paragraph("Some more text.")
    partly = builder.build(FileType.HTML)
    assert texts(mostly, ChunkStrategy.AUTO) == ["name: A", "name: B"]
    assert texts(partly, ChunkStrategy.AUTO) == ["name: A\n\nname: B\n\nSome more text."]


def test_each_record_is_a_chunk_however_short() -> None:
    builder = DocumentBuilder()
    builder.paragraph("All our lamps.")
    for name in ("A", "B"):
        with builder.record():
            builder.paragraph(f"name: {name}")
    document = builder.build(FileType.JSON)
    assert texts(document, ChunkStrategy.AUTO) == ["All our lamps.", "name: A", "name: B"]


def test_a_long_record_is_cut_between_its_lines() -> None:
    lines = [f"key {n}: value" for n in range(7)]  # of four tokens each
    builder = DocumentBuilder()
    with builder.record():
        builder.paragraph("\n".join(lines))
    with builder.record():
        builder.paragraph("next: one")
    assert texts(builder.build(FileType.JSON), ChunkStrategy.RECORD, target=22) == [
        "\n".join(lines[:5]),
        "\n".join(lines[5:]),
        "next: one",
    ]


def test_a_heading_above_a_record_is_in_its_chunk() -> None:
    builder = DocumentBuilder()
    builder.heading("lamps", 1)
    for name in ("A", "B"):
        with builder.record():
            builder.paragraph(f"name: {name}")
    chunks = chunk_document(builder.build(FileType.JSON), tokenizer=WORDS)
    assert [(chunk.text, chunk.heading_path) for chunk in chunks] == [
        ("lamps\n\nname: A", ("lamps",)),
        ("name: B", ("lamps",)),
    ]


def test_rows_of_a_small_table_are_not_parted_from_their_header() -> None:
    builder = DocumentBuilder()
    builder.table([["k", "v"], ["a", "b"], ["c", "d"]], rows_are_records=True)
    document = builder.build(FileType.CSV)
    assert automatic_strategy(document) is ChunkStrategy.HEADING
    for strategy in (ChunkStrategy.AUTO, ChunkStrategy.RECORD):
        assert texts(document, strategy, target=30) == [document.text]


# -- pages and slides


def test_each_slide_is_a_chunk_with_its_own_title_above_it() -> None:
    document = deck(("One", "First."), ("", "Second."), ("", ""), ("Four", ""))
    chunks = chunk_document(document, tokenizer=WORDS)
    assert [(chunk.text, chunk.heading_path, chunk.page) for chunk in chunks] == [
        ("One\n\nFirst.", ("One",), 1),
        ("Second.", (), 2),
        ("Four", ("Four",), 4),
    ]


def test_a_slide_with_several_headings_is_one_chunk_too() -> None:
    builder = DocumentBuilder()
    with builder.page(1):
        for title in ("One", "Two"):
            builder.heading(title, 1)
            builder.paragraph("Some words of text.")
    document = builder.build(FileType.PPTX)
    assert texts(document, ChunkStrategy.AUTO) == [document.text]


def test_a_heading_holds_over_the_pages_that_follow() -> None:
    document = deck(("One", "First."), ("", "Second."), mime_type=FileType.PDF)
    chunks = chunk_document(document, tokenizer=WORDS, strategy=ChunkStrategy.PAGE)
    assert [chunk.heading_path for chunk in chunks] == [("One",), ("One",)]


def test_a_long_page_is_cut_and_no_chunk_is_on_two_pages() -> None:
    body = "One two three four. " * 6
    document = deck(("", body), ("", "Short."), ("", body), mime_type=FileType.PDF)
    chunks = chunk_document(
        document, tokenizer=WORDS, target_tokens=20, overlap_tokens=5, strategy=ChunkStrategy.PAGE
    )
    assert [chunk.page for chunk in chunks] == [1, 1, 2, 3, 3]
    for chunk, page in zip(chunks, (0, 0, 1, 2, 2), strict=True):
        assert document.pages[page].start <= chunk.start < chunk.end <= document.pages[page].end


def test_a_document_without_pages_is_packed_by_heading() -> None:
    document = markdown("# A\n\nOne two three.\n\n# B\n\nFour five six.\n")
    assert texts(document, ChunkStrategy.PAGE, target=8) == texts(document, ChunkStrategy.HEADING, target=8)


# -- fixed windows


def test_windows_have_the_target_and_repeat_the_overlap() -> None:
    document = parse_text(" ".join(f"w{n}" for n in range(10)))
    assert texts(document, ChunkStrategy.FIXED, target=4, overlap=1) == [
        "w0 w1 w2 w3",
        "w3 w4 w5 w6",
        "w6 w7 w8 w9",
    ]


def test_windows_end_and_begin_at_white_space() -> None:
    document = parse_text("one two-two three-three four five")
    # The sixth token is the hyphen of the second pair, and the last two of the first are half of one.
    assert texts(document, ChunkStrategy.FIXED, target=6, overlap=2) == [
        "one two-two",
        "three-three four five",
    ]


def test_an_overlap_begins_with_a_whole_word() -> None:
    document = parse_text("one two-two three four five six")
    assert texts(document, ChunkStrategy.FIXED, target=5, overlap=3) == [
        "one two-two three",
        "three four five six",
    ]


def test_text_without_white_space_overlaps_too() -> None:
    document = parse_text("(" * 10)  # a token each
    assert texts(document, ChunkStrategy.FIXED, target=6, overlap=2) == ["(" * 6, "(" * 6]


# -- meaning


def subjects(batch: list[str]) -> list[list[float]]:
    """Texts about cats point one way, texts about dogs another, with a little of their own."""
    return [[text.lower().count("cat") + 0.01 * len(text), 5.0 * text.lower().count("dog")] for text in batch]


CATS = "A cat sleeps all day. The cat eats fish. Our cat likes milk. One cat purrs. "
DOGS = "A dog barks at night. The dog eats meat. Our dog likes bones. One dog runs. "


def test_a_chunk_ends_where_the_subject_changes() -> None:
    document = parse_text(CATS * 2 + DOGS * 2 + CATS * 2)
    chunks = chunk_document(
        document,
        tokenizer=WORDS,
        target_tokens=80,
        overlap_tokens=10,
        strategy=ChunkStrategy.SEMANTIC,
        embed=subjects,
    )
    check(document, chunks, WORDS, 80)
    assert [chunk.text for chunk in chunks] == [(part * 2).strip() for part in (CATS, DOGS, CATS)]


def test_the_target_is_kept_and_headings_end_chunks() -> None:
    document = markdown(f"# Cats\n\n{CATS * 4}\n\n# More cats\n\n{CATS}")
    chunks = chunk_document(
        document,
        tokenizer=WORDS,
        target_tokens=40,
        overlap_tokens=0,
        strategy=ChunkStrategy.SEMANTIC,
        embed=subjects,
    )
    check(document, chunks, WORDS, 40)
    assert [chunk.text.split("\n")[0] for chunk in chunks if "#" in chunk.text] == ["# Cats", "# More cats"]
    assert min(chunk.token_count for chunk in chunks) >= 40 // 4


def test_a_heading_is_not_parted_from_what_follows() -> None:
    document = markdown("# Dog dog dog dog dog dog dog dog dog dog\n\n" + CATS * 3)
    first, *_ = chunk_document(
        document, tokenizer=WORDS, target_tokens=40, strategy=ChunkStrategy.SEMANTIC, embed=subjects
    )
    assert "cat" in first.text


def test_each_sentence_is_embedded_once() -> None:
    seen: list[str] = []

    def embed(batch: list[str]) -> list[list[float]]:
        seen.extend(batch)
        return subjects(batch)

    sentences = [f"Sentence number {n}." for n in range(600)]
    chunk_document(
        parse_text(" ".join(sentences)), tokenizer=WORDS, strategy=ChunkStrategy.SEMANTIC, embed=embed
    )
    assert seen == sentences


def test_meaning_needs_vectors() -> None:
    with pytest.raises(ValueError, match="embed"):
        chunk_document(parse_text("x"), tokenizer=WORDS, strategy=ChunkStrategy.SEMANTIC)


def test_real_vectors_part_two_subjects(encoder: MiniLMEmbeddings) -> None:
    bread = (
        "Mix the flour with water and salt. Knead the dough for ten minutes. Let it rise in a warm place. "
        "Shape the loaf and put it into a tin. Bake the bread until the crust is brown. "
    )
    stars = (
        "A telescope gathers the light of distant stars. Large mirrors show faint galaxies. "
        "Astronomers measure the spectrum of each star. Planets are found by the dip in a star's light. "
        "The oldest stars hold almost no metals. "
    )
    chunks = chunk_document(
        parse_text(bread + stars),
        tokenizer=encoder,
        strategy=ChunkStrategy.SEMANTIC,
        embed=encoder.embed_documents,
        target_tokens=100,
    )
    assert [chunk.text for chunk in chunks] == [bread.strip(), stars.strip()]


# -- any document


@pytest.mark.parametrize("strategy", ChunkStrategy)
def test_a_blank_document_has_no_chunks(strategy: ChunkStrategy) -> None:
    for document in (ParsedDocument(text="", mime_type="text/plain"), deck(("", ""), ("", ""))):
        assert chunk_document(document, tokenizer=WORDS, strategy=strategy, embed=subjects) == []


@given(
    documents(),
    st.sampled_from(ChunkStrategy),
    st.tuples(st.integers(8, 60), st.integers(0, 20)),
    st.sampled_from([WORDS, PieceTokenizer()]),
    st.booleans(),
)
def test_any_document_is_covered_by_any_strategy(
    made: tuple[ParsedDocument, list[list[list[str]]]],
    strategy: ChunkStrategy,
    sizes: tuple[int, int],
    tokenizer: Tokenizer,
    repeat: bool,
) -> None:
    document, _ = made
    target, overlap = sizes
    if repeat:
        document = repeat_table_headers(
            document, tokenizer=tokenizer, target_tokens=target, strategy=strategy
        )
    chunks = chunk_document(
        document,
        tokenizer=tokenizer,
        target_tokens=target,
        overlap_tokens=min(overlap, target - 1),
        strategy=strategy,
        embed=subjects,
    )
    check(document, chunks, tokenizer, target)


@pytest.mark.parametrize("strategy", [ChunkStrategy.FIXED, ChunkStrategy.SEMANTIC])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_covered(encoder: MiniLMEmbeddings, name: str, strategy: ChunkStrategy) -> None:
    document = markdown(HOSTILE[name])
    chunks = chunk_document(document, tokenizer=encoder, strategy=strategy, embed=subjects)
    check(document, chunks, encoder, 220)

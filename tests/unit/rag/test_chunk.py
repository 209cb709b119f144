import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import chunk_document
from rag.chunking.measure import CHARACTERS_PER_TOKEN
from rag.documents import Chunk, PageSpan, ParsedDocument
from rag.embedding_text import embedding_text
from rag.models.minilm import MiniLMEmbeddings
from rag.parse import parse_text
from rag.tokens import Tokenizer
from tests.unit.rag.tokenizers import PieceTokenizer, WordTokenizer

WORDS = WordTokenizer()


def markdown(source: str) -> ParsedDocument:
    return parse_text(source, mime_type="text/markdown")


def check(document: ParsedDocument, chunks: list[Chunk], tokenizer: Tokenizer, target: int) -> None:
    """What holds for any document and tokenizer."""
    covered = 0
    for number, chunk in enumerate(chunks):
        assert chunk.index == number
        assert chunk.text == document.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert chunk.token_count == len(tokenizer.token_spans(chunk.text)) <= target
        assert len(chunk.text) <= target * CHARACTERS_PER_TOKEN
        assert not document.text[covered : chunk.start].strip()
        assert chunk.end > covered
        covered = chunk.end
    assert not document.text[covered:].strip()
    assert all(one.start < other.start for one, other in pairwise(chunks))


def test_sentences_are_packed_and_overlap_whole() -> None:
    document = parse_text("One two three. Four five six. Seven eight nine. Ten eleven twelve.")
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=8, overlap_tokens=4)
    assert [(chunk.text, chunk.token_count) for chunk in chunks] == [
        ("One two three. Four five six.", 4 + 4),
        ("Four five six. Seven eight nine.", 4 + 4),
        ("Seven eight nine. Ten eleven twelve.", 4 + 4),
    ]


def test_overlap_gives_way_to_a_sentence_that_needs_the_room() -> None:
    document = parse_text("One two. Three four. Five six seven eight nine.")
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=8, overlap_tokens=3)
    assert [chunk.text for chunk in chunks] == ["One two. Three four.", "Five six seven eight nine."]


def test_chunks_know_their_headings_and_begin_with_them() -> None:
    body = "Word word word word word.\n\n"
    document = markdown(f"# Guide\n\n## Setup\n\n{body}{body}## Use\n\n{body}{body}")
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=20, overlap_tokens=0)
    assert [(chunk.heading_path, chunk.text.split("\n")[0]) for chunk in chunks] == [
        (("Guide", "Setup"), "# Guide"),
        (("Guide", "Use"), "## Use"),
    ]


def test_a_chunk_over_several_subsections_has_their_common_path() -> None:
    document = markdown("# A\n\n## B\n\nfirst text\n\n#### C\n\nsecond text\n\n#### D\n\nthird text\n")
    (chunk,) = chunk_document(document, tokenizer=WORDS)
    assert chunk.heading_path == ("A", "B")


def test_a_heading_is_never_the_end_of_a_chunk() -> None:
    document = markdown("First one two three.\n\n#### Next\n\nSecond one two three.\n")
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=10, overlap_tokens=5)
    assert [chunk.text for chunk in chunks] == ["First one two three.", "#### Next\n\nSecond one two three."]


def test_nothing_is_repeated_before_a_heading() -> None:
    document = markdown("First one two three four. One two.\n\n#### Next\n\nSecond one two three four.\n")
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=14, overlap_tokens=3)
    assert [chunk.text for chunk in chunks] == [
        "First one two three four. One two.",
        "#### Next\n\nSecond one two three four.",
    ]


def test_a_long_sentence_is_cut_so_that_its_heading_is_not_alone() -> None:
    document = markdown("## Head\n\n" + "word " * 10)
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=10, overlap_tokens=0)
    assert [chunk.token_count for chunk in chunks] == [3 + 7, 3]


def test_a_tiny_end_is_evened_out() -> None:
    document = parse_text(" ".join(f"Sentence {number}." for number in range(11)))
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=30, overlap_tokens=0)
    assert [chunk.token_count for chunk in chunks] == [5 * 3, 6 * 3]  # not 30 and 3


def test_table_rows_stay_whole() -> None:
    rows = [f"| row {number} | value |" for number in range(20)]
    document = markdown("\n".join(rows))
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=30, overlap_tokens=10)
    assert {line for chunk in chunks for line in chunk.text.split("\n")} == set(rows)


def test_chunks_carry_the_page_they_start_on() -> None:
    text = "Page one.\n\f\n\fPage three text."
    pages = (PageSpan(1, 0, 9), PageSpan(2, 11, 11), PageSpan(3, 13, len(text)))
    document = ParsedDocument(text=text, mime_type="application/pdf", pages=pages)
    chunks = chunk_document(document, tokenizer=WORDS, target_tokens=4, overlap_tokens=0)
    assert [(chunk.text, chunk.page) for chunk in chunks] == [("Page one.", 1), ("Page three text.", 3)]


@pytest.mark.parametrize(("target", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_impossible_sizes_are_refused(target: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        chunk_document(parse_text("x"), tokenizer=WORDS, target_tokens=target, overlap_tokens=overlap)


HOSTILE = {
    "base64": "QUJDx9" * 5_000,
    "chinese": "日本語の文章、長い" * 2_000,
    "long words": ("x" * 99 + " ") * 200,
    "headings only": "# h\n" * 2_000,
    "wide spaces": ("a" + " " * 3_000) * 20,
    "zero width": "\u200b" * 5_000,
    "dots": "." * 5_000,
    "one paragraph": "Some words make a sentence. " * 2_000,
    "dashes": ("ab-" * 300 + " ") * 20,
    "combining": "e\u0301" * 5_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_embedded_text_fits_the_real_model(encoder: MiniLMEmbeddings, name: str) -> None:
    heading = "An endless heading " * 20
    document = markdown(f"# {heading}\n\n## {heading}\n\n{HOSTILE[name]}")
    chunks = chunk_document(document, tokenizer=encoder)
    check(document, chunks, encoder, 220)
    texts = [embedding_text(document.title, c.heading_path, c.text, tokenizer=encoder) for c in chunks]
    assert max(encoder.count_tokens(texts)) + 2 <= encoder.max_tokens


PIECES = st.sampled_from(
    [
        *("# H\n", "\n\n#### Deep\n", "Setext\n---\n", "| a | b |\n", "- item\n", "```\n", "\n\n", " " * 40),
        *(
            "word ",
            "word. ",
            "A long sentence of some words. ",
            "no-space.Dots",
            "日本。",
            "\u200b",
            "x" * 30,
        ),
    ]
)


@given(
    st.lists(PIECES, min_size=1, max_size=60),
    st.integers(1, 25),
    st.integers(0, 12),
    st.sampled_from([WORDS, PieceTokenizer()]),
)
def test_any_document_is_covered_within_the_target(
    pieces: list[str], target: int, overlap: int, tokenizer: Tokenizer
) -> None:
    text = "".join([*pieces, "end"])
    document = markdown(text)
    chunks = chunk_document(
        document, tokenizer=tokenizer, target_tokens=target, overlap_tokens=min(overlap, target - 1)
    )
    check(document, chunks, tokenizer, target)


def test_a_large_document_takes_seconds() -> None:
    document = markdown(
        "# Head\n\nSome words make a sentence. And another one follows here.\n\n" * 30_000
    )  # 2 MB
    began = time.monotonic()
    chunks = chunk_document(document, tokenizer=WORDS)
    assert time.monotonic() - began < 20
    assert chunks[-1].text.endswith("follows here.")

"""What crosses the pipe comes out as it went in, and nothing else comes out at all."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import Heading, PageSpan, ParsedDocument, RecordSpan, TableSpan
from rag.sandbox.wire import (
    Frame,
    FrameReader,
    FrameTooLargeError,
    Kind,
    Request,
    WireError,
    decode_document,
    encode_document,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
any_texts = st.text(st.characters())
offsets = st.integers(min_value=0, max_value=2**40)
documents = st.builds(
    ParsedDocument,
    text=texts,
    mime_type=texts,
    title=st.none() | texts,
    headings=st.lists(st.builds(Heading, offsets, offsets, offsets, texts)).map(tuple),
    pages=st.lists(st.builds(PageSpan, offsets, offsets, offsets)).map(tuple),
    tables=st.lists(st.builds(TableSpan, offsets, offsets, offsets)).map(tuple),
    records=st.lists(st.builds(RecordSpan, offsets, offsets)).map(tuple),
    warnings=st.lists(texts).map(tuple),
)
frames = st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=50), st.booleans())


def as_bytes(*sent: Frame) -> bytes:
    return b"".join(frame.header() + frame.payload for frame in sent)


@given(documents)
def test_a_document_comes_back_the_same(document: ParsedDocument) -> None:
    assert decode_document(encode_document(document)) == document


@pytest.mark.parametrize(("text", "title"), [("\udc80", None), ("", "\udc80")])
def test_a_lone_surrogate_does_not_cross(text: str, title: str | None) -> None:
    with pytest.raises((TypeError, UnicodeEncodeError)):
        encode_document(ParsedDocument(text=text, title=title, mime_type="text/plain"))


@given(st.binary() | texts.map(str.encode))
def test_what_is_no_document_is_refused(junk: bytes) -> None:
    with pytest.raises(WireError):
        decode_document(junk)


@given(documents, st.data())
def test_a_document_that_is_cut_short_is_refused_or_shorter(
    document: ParsedDocument, data: st.DataObject
) -> None:
    payload = encode_document(document)
    cut = payload[: data.draw(st.integers(0, len(payload)))]
    with suppress(WireError):
        assert document.text.startswith(decode_document(cut).text)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"text": 1, "mime_type": "text/plain"}',
        b'{"text": "", "mime_type": "text/plain", "pages": [{"number": "1", "start": 0, "end": 1}]}',
        b'{"text": "", "mime_type": "text/plain", "headings": [[0, 1, 1, "a"]]}',
        b'{"text": "", "mime_type": "\\ud800"}',
    ],
)
def test_a_document_of_other_types_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_document(len(payload).to_bytes(8, "big") + payload)


@given(st.lists(frames), st.data())
def test_frames_come_back_however_they_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    wire = as_bytes(*sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)))))
    reader = FrameReader(50)
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert [frame for piece in pieces for frame in reader.feed(piece)] == sent


@given(st.binary(min_size=10))
def test_junk_is_frames_or_an_error(junk: bytes) -> None:
    with suppress(WireError):
        for frame in FrameReader(50).feed(junk):
            assert frame.payload in junk


def test_a_long_payload_is_refused_before_it_comes() -> None:
    reader = FrameReader(10)
    assert len(list(reader.feed(as_bytes(Frame(Kind.DOCUMENT, b"x" * 10))))) == 1
    with pytest.raises(FrameTooLargeError):
        list(reader.feed(Frame(Kind.DOCUMENT, b"x" * 11).header()))


def test_frames_before_a_fault_are_not_lost() -> None:
    arriving = FrameReader(10).feed(as_bytes(Frame(Kind.STARTED)) + b"\xff" * 10)
    assert next(arriving) == Frame(Kind.STARTED)
    with pytest.raises(WireError):
        next(arriving)


@given(st.none() | any_texts, st.none() | any_texts)
def test_a_request_is_one_line(filename: str | None, mime_type: str | None) -> None:
    request = Request(Path("/a/\udc80"), filename, mime_type)
    line = request.encode()
    assert line.count(b"\n") == 1
    assert Request.decode(line) == request


def test_a_request_fits_into_a_pipe() -> None:
    request = Request(Path("/" + "🙂" * 1000), "🙂" * 100_000 + ".pdf", "text/plain" + "🙂" * 100_000)
    line = request.encode()
    assert len(line) < 64 * 1024
    assert (Request.decode(line).filename or "").endswith(".pdf")
    assert (Request.decode(line).mime_type or "").startswith("text/plain")

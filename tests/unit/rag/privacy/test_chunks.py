from hypothesis import given
from hypothesis import strategies as st

from rag.documents import Chunk
from rag.privacy import EntityKind, Finding, chunks_without, kinds_in


def chunk(index: int, start: int, end: int) -> Chunk:
    return Chunk(index=index, text="x" * (end - start), start=start, end=end, token_count=1)


CHUNKS = [chunk(0, 0, 10), chunk(1, 8, 20), chunk(2, 20, 30)]
MAIL = Finding(EntityKind.EMAIL, 8, 10, 0.9)
PHONE = Finding(EntityKind.PHONE, 15, 18, 0.9)
SECOND_MAIL = Finding(EntityKind.EMAIL, 18, 20, 0.9)


def test_a_chunk_lists_each_kind_once() -> None:
    findings = [MAIL, PHONE, SECOND_MAIL]
    assert [kinds_in(one, findings) for one in CHUNKS] == [("email",), ("email", "phone"), ()]


def test_chunks_that_touch_a_finding_go_and_the_others_are_numbered_anew() -> None:
    assert chunks_without(CHUNKS, [MAIL, PHONE]) == [chunk(0, 20, 30)]
    assert chunks_without(CHUNKS, []) == CHUNKS


def test_a_finding_that_ends_where_a_chunk_begins_does_not_touch_it() -> None:
    assert chunks_without(CHUNKS, [Finding(EntityKind.EMAIL, 10, 20, 0.9)]) == [
        chunk(0, 0, 10),
        chunk(1, 20, 30),
    ]


def test_a_finding_may_be_larger_than_a_chunk() -> None:
    assert chunks_without(CHUNKS, [Finding(EntityKind.ADDRESS, 0, 40, 0.9)]) == []


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=6),
)
def test_what_is_kept_holds_no_finding_and_what_goes_holds_one(
    ranges: list[tuple[int, int]], gaps: list[tuple[int, int]]
) -> None:
    chunks = [chunk(n, start, start + length) for n, (start, length) in enumerate(sorted(ranges))]
    findings, at = [], 0
    for gap, length in gaps:
        findings.append(Finding(EntityKind.EMAIL, at + gap, at + gap + length, 0.9))
        at += gap + length
    clean = [c for c in chunks if not any(f.start < c.end and c.start < f.end for f in findings)]
    kept = chunks_without(chunks, findings)
    assert [(c.start, c.end) for c in kept] == [(c.start, c.end) for c in clean]
    assert [c.index for c in kept] == list(range(len(kept)))

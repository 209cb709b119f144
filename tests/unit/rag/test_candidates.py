from uuid import UUID

from rag.candidates import CandidateChunk, CandidatePool, rank_pool
from rag.fuse import Candidate, Fusion, FusionMethod

BY_VECTOR = Fusion(FusionMethod.BOUNDED, 1.0)
BY_WORDS = Fusion(FusionMethod.BOUNDED, 0.0)


def chunk(
    number: int, cosine: float, bm25: float = 0.0, *, text: int | None = None, near: tuple[int, ...] = ()
) -> CandidateChunk:
    legs = Candidate(vector_score=cosine, lexical_score=bm25)
    fingerprint = number if text is None else text
    return CandidateChunk(number, UUID(int=number), f"doc-{number}", legs, fingerprint, frozenset(near))


def ranked(
    *chunks: CandidateChunk, fusion: Fusion = BY_VECTOR, limit: int = 10, near_places: int = 4
) -> list[int]:
    pool = CandidatePool(chunks, lexical_bound=10.0, near_kept=2, near_places=near_places)
    return [found.number for found in rank_pool(pool, fusion, limit=limit)]


def test_one_pool_is_ranked_by_any_fusion() -> None:
    chunks = [chunk(1, 0.9, 1.0), chunk(2, 0.5, 8.0), chunk(3, 0.1, 4.0)]
    assert ranked(*chunks, fusion=BY_VECTOR) == [1, 2, 3]
    assert ranked(*chunks, fusion=BY_WORDS) == [2, 3, 1]
    assert (0.5 + 8 / 10) / 2 > (0.9 + 1 / 10) / 2 > (0.1 + 4 / 10) / 2
    assert ranked(*chunks, fusion=Fusion(FusionMethod.BOUNDED, 0.5), limit=2) == [2, 1]


def test_of_equal_scores_the_lower_number_comes_first() -> None:
    assert ranked(chunk(3, 0.5), chunk(1, 0.5), chunk(2, 0.5)) == [1, 2, 3]


def test_the_better_one_of_two_copies_stays_whichever_it_is() -> None:
    chunks = [chunk(1, 0.9, 1.0, text=7), chunk(2, 0.5, 8.0, text=7), chunk(3, 0.1, 4.0)]
    assert ranked(*chunks, fusion=BY_VECTOR) == [1, 3]
    assert ranked(*chunks, fusion=BY_WORDS) == [2, 3]


def test_of_chunks_that_say_nearly_the_same_two_stay() -> None:
    group = [chunk(n, 1 - n / 10, near=tuple({1, 2, 3, 4} - {n})) for n in range(1, 5)]
    assert ranked(*group, chunk(5, 0.1)) == [1, 2, 5]


def test_copies_do_not_count_as_near() -> None:
    copies = [chunk(n, 1 - n / 10, text=7, near=tuple({1, 2, 3, 4} - {n})) for n in range(1, 4)]
    assert ranked(*copies, chunk(4, 0.1, near=(1, 2, 3))) == [1, 4]


def test_far_down_all_that_is_no_copy_stays() -> None:
    group = [chunk(n, 1 - n / 10, near=tuple({1, 2, 3, 4, 5} - {n})) for n in range(1, 6)]
    assert ranked(*group, limit=3, near_places=1) == [1, 2, 4]

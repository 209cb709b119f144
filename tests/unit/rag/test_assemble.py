from rag.assemble import SOURCE_OVERHEAD, enough_evidence, fill_budget
from tests.unit.rag.passages import make_passage, make_retrieved


def test_passages_fill_the_budget_in_their_order() -> None:
    passages = [make_retrieved(make_passage("word " * size, number=size)) for size in (100, 300, 50)]
    chosen = fill_budget(passages, budget=100 + 50 + 2 * SOURCE_OVERHEAD)
    assert [found.passage.token_count for found in chosen] == [100, 50]


def test_the_best_passage_always_goes_in() -> None:
    passages = [make_retrieved(make_passage("word " * 900))]
    assert fill_budget(passages, budget=10) == passages


def test_evidence_is_a_passage_near_enough() -> None:
    near, far = (make_retrieved(make_passage("text"), cosine=cosine) for cosine in (0.4, 0.1))
    assert enough_evidence([far, near], floor=0.3)
    assert not enough_evidence([far], floor=0.3)
    assert not enough_evidence([], floor=-1)


def test_words_that_match_are_evidence_where_no_vector_search_ran() -> None:
    assert enough_evidence([make_retrieved(make_passage("text"), cosine=None)], floor=0.9)

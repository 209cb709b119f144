from collections.abc import Sequence

import pytest

from eval.citation_metrics import (
    CitedStatement,
    citation_precision,
    citation_recall,
    citation_validity,
    read_statements,
)

SOURCES = ["red", "green", "red green", "blue"]


def has_all_words(statement: str, sources: Sequence[str]) -> bool:
    return set(statement.split()) <= set(" ".join(sources).split())


def test_an_answer_is_read_as_statements_with_their_sources() -> None:
    answer = (
        "Backups are kept for 35 days [1][3]. Logs stay for 90 days. [2] Yes. Hotels cost 160 EUR [2, 4]!"
    )
    assert read_statements(answer) == [
        CitedStatement("Backups are kept for 35 days.", (1, 3)),
        CitedStatement("Logs stay for 90 days.", (2,)),
        CitedStatement("Hotels cost 160 EUR!", (2, 4)),
    ]


def test_validity_is_the_share_of_sources_that_there_are() -> None:
    statements = [CitedStatement("red", (0, 1)), CitedStatement("green", (4, 5))]
    assert citation_validity(statements, 4) == 2 / 4
    assert citation_validity([CitedStatement("red", ())], 4) is None


def test_recall_is_the_share_of_statements_supported_by_all_they_cite() -> None:
    statements = [
        CitedStatement("red green", (1, 2)),
        CitedStatement("red green", (1, 4)),
        CitedStatement("red", ()),
        CitedStatement("blue", (9,)),
    ]
    assert citation_recall(statements, SOURCES, has_all_words) == 1 / 4
    assert citation_recall([], SOURCES, has_all_words) is None


@pytest.mark.parametrize(
    ("statement", "indexes", "expected"),
    [
        ("red", (1,), 1 / 1),
        ("red", (4,), 0 / 1),
        ("red", (1, 4), 1 / 2),  # the other adds nothing
        ("red green", (1, 2), 2 / 2),  # only both together
        ("red green", (3, 1), 1 / 2),  # the third does it alone, so the first isn't needed
        ("blue", (1, 2), 0 / 2),
        ("red", (1, 9), 1 / 2),  # there is no ninth
    ],
)
def test_precision_is_the_share_of_citations_that_serve(
    statement: str, indexes: tuple[int, ...], expected: float
) -> None:
    assert citation_precision([CitedStatement(statement, indexes)], SOURCES, has_all_words) == expected


def test_precision_needs_citations() -> None:
    assert citation_precision([CitedStatement("red", ())], SOURCES, has_all_words) is None

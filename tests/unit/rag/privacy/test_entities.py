from hypothesis import given
from hypothesis import strategies as st

from rag.privacy.entities import EntityKind, Finding, without_overlaps

FINDINGS = st.lists(
    st.builds(
        lambda kind, start, length, score: Finding(kind, start, start + length, score),
        st.sampled_from([EntityKind.EMAIL, EntityKind.PHONE]),
        st.integers(0, 30),
        st.integers(1, 10),
        st.sampled_from([0.5, 0.7, 0.9]),
    ),
    max_size=12,
)


def overlap(one: Finding, other: Finding) -> bool:
    return one.start < other.end and other.start < one.end


def test_the_more_certain_of_two_stays() -> None:
    card = Finding(EntityKind.CREDIT_CARD, 5, 24, 0.9)
    phone = Finding(EntityKind.PHONE, 0, 14, 0.6)
    assert without_overlaps([phone, card]) == [card]


def test_of_equally_certain_ones_the_longest_stays() -> None:
    iban = Finding(EntityKind.IBAN, 0, 27, 0.9)
    card = Finding(EntityKind.CREDIT_CARD, 5, 24, 0.9)
    assert without_overlaps([card, iban]) == [iban]


def test_neighbours_do_not_overlap() -> None:
    first, second = Finding(EntityKind.EMAIL, 0, 5, 0.9), Finding(EntityKind.EMAIL, 5, 9, 0.6)
    assert without_overlaps([second, first]) == [first, second]


@given(FINDINGS)
def test_what_stays_is_apart_and_what_goes_overlaps_something_better(findings: list[Finding]) -> None:
    kept = without_overlaps(findings)
    assert kept == sorted(kept, key=lambda finding: finding.start)
    for one in findings:
        if one not in kept:
            assert any(overlap(one, other) and other.score >= one.score for other in kept)
    for number, one in enumerate(kept):
        assert not any(overlap(one, other) for other in kept[number + 1 :])

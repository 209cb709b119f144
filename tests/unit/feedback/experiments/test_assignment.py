import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.experiments.assignment import assign, takes_part
from feedback.experiments.distributions import chi_squared_tail
from rag.errors import InvalidInputError

ROOT = Path(__file__).parents[4]
USERS = [f"user-{at}" for at in range(20_000)]
HALVES = {"control": 0.5, "challenger": 0.5}


def assigned(weights: Mapping[str, float], *, experiment: str = "prompt", salt: str = "s") -> list[str]:
    return [assign(experiment, salt, user, weights) for user in USERS]


def moved(before: list[str], after: list[str]) -> Counter[tuple[str, str]]:
    return Counter(pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])


def test_shares_are_the_weights() -> None:
    counts = Counter(assigned({"control": 90, "challenger": 10}))
    assert counts["challenger"] / len(USERS) == pytest.approx(0.1, abs=0.005)
    assert set(counts) == {"control", "challenger"}


def test_the_same_user_gets_the_same_variant_in_every_process_and_release() -> None:
    expected = "bbababaaabbaaababbba"
    code = (
        "from feedback.experiments.assignment import assign\n"
        "print(''.join(assign('known', 'salt', f'user-{at}', {'a': 1, 'b': 1}) for at in range(20)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    here = "".join(assign("known", "salt", user, {"b": 2, "a": 2}) for user in USERS[:20])
    assert here == ran.stdout.strip() == expected


@pytest.mark.parametrize(("salt", "other_salt"), [("s", "s"), ("s", "t")])
def test_two_experiments_are_independent(salt: str, other_salt: str) -> None:
    other = "model" if salt == other_salt else "prompt"
    pairs = Counter(
        zip(assigned(HALVES, salt=salt), assigned(HALVES, experiment=other, salt=other_salt), strict=True)
    )
    expected = len(USERS) / 4
    statistic = sum((count - expected) ** 2 / expected for count in pairs.values())
    assert chi_squared_tail(statistic, 3) > 0.001


def test_a_raised_weight_moves_exactly_that_share_and_only_to_its_variant() -> None:
    before = assigned({"control": 0.9, "challenger": 0.1})
    changed = moved(before, assigned({"control": 0.7, "challenger": 0.3}))
    assert set(changed) == {("control", "challenger")}
    assert changed.total() / len(USERS) == pytest.approx(0.2, abs=0.01)


def test_of_three_variants_only_the_one_that_changed_gains() -> None:
    """A third to a half: 1/6 move. Cumulative ranges would move 1/6 + 1/12."""
    before = assigned({"a": 1, "b": 1, "c": 1})
    changed = moved(before, assigned({"a": 2, "b": 1, "c": 1}))
    assert {to for _, to in changed} == {"a"}
    assert changed.total() / len(USERS) == pytest.approx(1 / 6, abs=0.01)


def test_a_new_variant_takes_from_all_alike() -> None:
    before = assigned({"a": 1, "b": 1})
    changed = moved(before, assigned({"a": 1, "b": 1, "c": 1}))
    assert set(changed) == {("a", "c"), ("b", "c")}
    assert changed["a", "c"] / len(USERS) == pytest.approx(1 / 6, abs=0.01)


def test_a_weight_of_0_gets_nobody() -> None:
    assert set(assigned({"control": 1, "challenger": 0})) == {"control"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": -0.1, "b": 1}, "weight of a is -0.1"),
        ({"a": float("nan"), "b": 1}, "weight of a is nan"),
        ({"a": float("inf")}, "weight of a is inf"),
        ({"a": 0, "b": 0}, "no variant has a weight above 0"),
        ({}, "no variant has a weight above 0"),
    ],
)
def test_wrong_weights_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        assign("e", "s", "u", weights)


def test_a_larger_share_of_traffic_only_adds_subjects() -> None:
    few = {user for user in USERS if takes_part("e", "s", user, 0.2)}
    more = {user for user in USERS if takes_part("e", "s", user, 0.5)}
    assert few < more
    assert len(few) / len(USERS) == pytest.approx(0.2, abs=0.01)
    assert not any(takes_part("e", "s", user, 0) for user in USERS)
    assert all(takes_part("e", "s", user, 1) for user in USERS)


def test_who_takes_part_says_nothing_of_the_variant() -> None:
    taking = [user for user in USERS if takes_part("prompt", "s", user, 0.3)]
    counts = Counter(assign("prompt", "s", user, HALVES) for user in taking)
    assert counts["control"] / len(taking) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_0_and_1_is_refused(share: float) -> None:
    with pytest.raises(InvalidInputError, match="share of traffic"):
        takes_part("e", "s", "u", share)


def test_parts_are_not_run_together() -> None:
    """Experiment "ab" with salt "c" is another one than "b" with salt "ca"."""
    weights = {"a": 1, "b": 1}
    one = [assign("ab", "c", user, weights) for user in USERS[:200]]
    other = [assign("b", "ca", user, weights) for user in USERS[:200]]
    assert one != other


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_subject(experiment: str, salt: str, subject: str) -> None:
    assert assign(experiment, salt, subject, HALVES) in HALVES


def test_a_lone_surrogate_is_a_subject_too() -> None:
    assert assign("e", "s", "\ud800", HALVES) in HALVES

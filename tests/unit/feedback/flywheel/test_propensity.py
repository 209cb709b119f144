import numpy as np
import pytest

from feedback.flywheel.propensity import Propensities, estimate_propensities
from feedback.flywheel.sessions import Session
from rag.errors import InvalidInputError
from rag.models.rerank_features import FEATURES
from tests.benchmarks.click_simulation import SHOWN, looked_at, simulate
from tests.unit.feedback.flywheel.made_lists import made_lists


def test_places_are_found_from_passages_that_moved() -> None:
    rankings = [made_lists(30, seed=1, noise=noise) for noise in (0.0, 1.0)]
    found = estimate_propensities(simulate(rankings, range(30), 6000, seed=1))
    assert found.method == "repeated"
    assert found.values == pytest.approx(looked_at(SHOWN).tolist(), abs=0.06)


def test_where_nothing_moved_the_passages_themselves_tell() -> None:
    found = estimate_propensities(simulate([made_lists(100, seed=2)], range(100), 4000, seed=2))
    assert found.method == "regression"
    assert found.values == pytest.approx(looked_at(SHOWN).tolist(), abs=0.12)


def test_two_places_are_compared_by_the_rates_of_what_was_at_both() -> None:
    # Two passages are first 100 times each with 60 clicks, and second 100 times with 15.
    sessions = []
    for wanted, other in (("a", "b"), ("c", "d")):
        sessions += [_shown(wanted, other, (at < 60, False)) for at in range(100)]
        sessions += [_shown(other, wanted, (False, at < 15)) for at in range(100)]
    assert estimate_propensities(sessions).values == pytest.approx((1.0, 15 / 60))


def test_a_click_counts_one_over_its_propensity_and_at_most_one_over_the_floor() -> None:
    weights = Propensities((1.0, 0.5, 0.01), "repeated", 0).weights(floor=0.1)
    assert weights.tolist() == [1 / 1.0, 1 / 0.5, 1 / 0.1]


def test_clicks_at_one_place_say_nothing_of_others() -> None:
    sessions = [_shown("a", "b", (True, False)) for _ in range(500)]
    with pytest.raises(InvalidInputError, match="all 500 clicks are at place 1"):
        estimate_propensities(sessions)


def test_too_few_clicks_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="0 clicks say too little"):
        estimate_propensities([])
    with pytest.raises(InvalidInputError, match="1 clicks say too little"):
        estimate_propensities([_shown("a", "b", (True, False)), _shown("a", "b", (False, False))])


def _shown(first: str, second: str, clicks: tuple[bool, bool]) -> Session:
    features = np.zeros((2, len(FEATURES)))
    return Session("q", (first, second), 2, features, np.array(clicks), np.zeros(2, bool))

import math

import numpy as np
import pytest

from feedback.flywheel.propensity import estimate_propensities
from feedback.flywheel.sessions import Session, data_version
from feedback.flywheel.train import FEWEST_SESSIONS, RIDGES, train_ranking
from rag.errors import InvalidInputError
from rag.models.rerank_features import FEATURES
from tests.benchmarks.click_simulation import simulate
from tests.unit.feedback.flywheel.made_lists import BY_PEOPLE, BY_SEARCH, made_lists


def test_corrected_for_places_it_ranks_better_than_uncorrected_and_both_better_than_the_search() -> None:
    """The flywheel's simulation at a small scale, on held-out questions."""
    rankings = [made_lists(300, seed=3, noise=noise) for noise in (0.0, 0.7)]
    sessions = simulate(rankings, range(150), 3000, seed=3)
    weights = estimate_propensities(sessions).weights()
    held_out = rankings[0][150:]
    search, uncorrected, corrected = (
        float(np.mean([one.ndcg(ranking) for one in held_out]))
        for ranking in (None, train_ranking(sessions, None), train_ranking(sessions, weights))
    )
    assert corrected > 1.02 * search
    assert corrected > uncorrected > search


def test_uncorrected_the_place_passes_for_what_the_search_goes_by() -> None:
    """Clicks at the top are clicks on what the search prefers; corrected, half of that preference goes."""
    lists = made_lists(150, seed=4, noise=0.7)
    sessions = simulate([lists, made_lists(150, seed=4)], range(150), 3000, seed=4)
    corrected = train_ranking(sessions, estimate_propensities(sessions).weights()).weights
    uncorrected = train_ranking(sessions, None).weights
    shares = [one[BY_SEARCH] / one[BY_PEOPLE] for one in (corrected, uncorrected)]
    assert shares[0] < shares[1]


def test_the_weights_are_those_of_a_logistic_regression_on_two_passages() -> None:
    # With one feature at ±1, 3 of 4 choose the higher one: softmax gives 3/4 at a difference of log 3.
    sessions = [_choice(at, first=at % 4 != 0) for at in range(4 * FEWEST_SESSIONS)]
    ranking = train_ranking(sessions, None, ridge=1e-9)
    scores = ranking.scores(sessions[0].features)
    assert scores[0] - scores[1] == pytest.approx(math.log(3), abs=1e-6)


def test_what_a_person_approved_counts_once_wherever_it_stood() -> None:
    sessions = [_choice(at, first=True) for at in range(FEWEST_SESSIONS)]
    sessions += [_choice(at, first=False, approved=True) for at in range(FEWEST_SESSIONS)]
    ranking = train_ranking(sessions, np.array([1.0, 10.0]), ridge=1e-9)
    scores = ranking.scores(sessions[0].features)
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_what_questions_disagree_about_changes_little() -> None:
    """Cross-validation sees that what one question's clicks teach does not hold for the next."""
    random = np.random.default_rng(5)
    sessions = [_choice(at, first=bool(random.random() < 0.5)) for at in range(FEWEST_SESSIONS)]
    careful, rash = (train_ranking(sessions, None, ridge=ridge) for ridge in (None, 1e-9))
    assert careful.ridge == max(RIDGES)
    assert np.abs(careful.weights).max() < np.abs(rash.weights).max()


def test_sessions_without_a_choice_teach_nothing() -> None:
    none = np.zeros(2, bool)
    idle = Session("q", ("a", "b"), 2, _features(), none, none)
    with pytest.raises(InvalidInputError, match="1 of 501 sessions, of 1 questions, tell what is better"):
        train_ranking([_choice(0, first=True), *[idle] * 500], None)


def test_many_clicks_on_few_questions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1000 of 1000 sessions, of 10 questions"):
        train_ranking([_choice(at % 10, first=True) for at in range(1000)], None)


def test_the_data_version_is_of_what_was_collected_not_of_its_order() -> None:
    sessions = [_choice(0, first=True), _choice(1, first=False)]
    version = data_version(sessions)
    assert data_version(sessions[::-1]) == version
    assert data_version([_choice(0, first=True), _choice(1, first=True)]) != version
    assert data_version(sessions[:1]) != version


def _choice(question: int, *, first: bool, approved: bool = False) -> Session:
    used, none = np.array([first, not first]), np.zeros(2, bool)
    clicked, liked = (none, used) if approved else (used, none)
    return Session(f"question {question}", ("a", "b"), 2, _features(), clicked, liked)


def _features() -> np.ndarray:
    features = np.zeros((2, len(FEATURES)))
    features[:, BY_SEARCH] = 1.0, -1.0
    return features

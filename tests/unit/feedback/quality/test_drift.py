import math
from collections.abc import Sequence

import numpy as np
import pytest

from feedback.quality.drift import (
    BLOCK,
    CLUSTERS,
    LIMIT,
    REFERENCE,
    WINDOW,
    Alarm,
    DriftState,
    Monitored,
    Observation,
    stability,
)
from feedback.quality.projection import DIMENSIONS, project
from feedback.quality.storage import dump, load


def questions(
    seed: int, count: int, *, topic: int = 0, score: float = 0.6, low: float | None = None
) -> list[Observation]:
    """About one topic: around a place of its own. `low` is the share of answers with low groundedness."""
    draw = np.random.default_rng(seed)
    centre = np.zeros(DIMENSIONS)
    centre[topic] = 0.6
    return [
        Observation(
            centre + draw.normal(0, 0.1, DIMENSIONS),
            score + float(draw.normal(0, 0.1)),
            None if low is None else float(draw.random() >= low),
        )
        for _ in range(count)
    ]


def shifted(seed: int, share: float, **changes: object) -> list[Observation]:
    """500 questions of which that share is about another topic, or as `changes` say."""
    usual, other = questions(seed, 500), questions(seed + 1, 500, **({"topic": 1} | changes))  # type: ignore[arg-type]
    draw = np.random.default_rng(seed)
    return [b if draw.random() < share else a for a, b in zip(usual, other, strict=True)]


def warmed_up(low: float | None = None) -> DriftState:
    state = DriftState()
    assert state.observe(questions(1, REFERENCE, low=low)) == []
    return state


def kinds(alarms: Sequence[Alarm]) -> set[Monitored]:
    return {alarm.monitored for alarm in alarms}


def test_more_of_the_same_does_not_alarm() -> None:
    assert warmed_up().observe(questions(2, 5000)) == []


def test_a_shift_of_three_in_ten_questions_alarms_within_500() -> None:
    found = warmed_up().observe(shifted(3, 0.3))
    assert kinds(found) & {Monitored.QUESTION_MEAN, Monitored.QUESTION_CLUSTERS}
    assert 0 < found[0].questions <= 500
    assert found[0].value > found[0].usual


def test_worse_passages_for_the_same_questions_alarm_by_their_scores() -> None:
    found = warmed_up().observe(questions(4, 500, score=0.4))
    assert kinds(found) == {Monitored.RETRIEVAL_SCORES}


def test_answers_that_lose_their_ground_alarm() -> None:
    found = warmed_up(low=0.05).observe(questions(5, 500, low=0.6))
    assert kinds(found) == {Monitored.GROUNDEDNESS}


def test_after_an_alarm_what_comes_next_is_the_new_usual() -> None:
    state = warmed_up()
    later = questions(6, 5000, topic=1)
    assert len(state.observe(later)) >= 1
    assert state.observe(questions(7, 3000, topic=1)) == []


def test_the_stability_index_is_its_formula() -> None:
    block, reference = np.array([30.0, 70.0]), np.array([50.0, 50.0])
    p, q = (30.5 / 101, 70.5 / 101), (0.5, 0.5)
    index = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    noise = 1 / 100 + 1 / 100
    found = stability(block, reference)
    assert found.value == pytest.approx(index)
    assert found.usual == pytest.approx(1 * noise)
    assert found.z == pytest.approx((index - noise) / (math.sqrt(2) * noise))


def test_without_counts_there_is_nothing_to_compare() -> None:
    assert stability(np.zeros(3), np.ones(3)).z == 0.0


def test_a_state_goes_on_from_where_it_was_stored() -> None:
    whole, parts = warmed_up(), warmed_up()
    later = shifted(8, 0.3)
    expected = whole.observe(later)
    found = []
    for start in range(0, len(later), 37):  # not a part of a block
        parts = load(dump(parts))
        found += parts.observe(later[start : start + 37])
    assert expected
    assert found == expected


def test_a_state_has_a_bounded_size() -> None:
    state = warmed_up()
    state.observe(questions(9, 20 * BLOCK))
    assert len(state.recent) == WINDOW
    assert len(dump(state)) < 64 * 1024


def test_what_is_not_a_state_is_begun_anew() -> None:
    assert load(b"").reference.count == 0
    assert load(dump(DriftState())).centroids.shape == (CLUSTERS, DIMENSIONS)


def test_a_projection_keeps_lengths_and_is_the_same_for_ever() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 384)).astype(np.float32)
    lengths = (project(vectors) ** 2).sum(1) / (vectors**2).sum(1)
    assert lengths.mean() == pytest.approx(1.0, abs=0.05)
    unit = np.zeros((1, 384), np.float32)
    unit[0, 0] = 1.0
    assert np.sign(project(unit)[0, :8]).astype(int).tolist() == SIGNS


SIGNS = [-1, 1, 1, -1, -1, -1, 1, -1]


def test_the_limit_is_far_from_what_chance_gives() -> None:
    state = warmed_up()
    state.observe(questions(10, 10 * BLOCK))
    assert state.statistics.max() < LIMIT

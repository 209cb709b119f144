from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from eval.baseline import (
    MetricChange,
    check_comparable,
    compare_pairs,
    configuration_changes,
    means,
    pair_scores,
    read_baseline,
    replace_baseline,
    write_baseline,
)
from eval.report.results import RunResults
from rag.errors import InvalidInputError
from tests.unit.eval.runs import good_run, make_case, make_run, run_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def compare(before: RunResults, after: RunResults) -> MetricChange:
    return compare_pairs(pair_scores("f", before, after), confidence=0.95, resamples=2000, seed=0)


def test_each_baseline_keeps_the_reasons_of_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(replace_baseline(None, good_run(), reason=" The first. ", now=NOW), path)
    newer = run_of({"faithfulness": [0.5, 1.0]}, run_id="run-2")
    changed = replace_baseline(read_baseline(path), newer, reason="A new model", now=NOW, below_floor=True)
    write_baseline(changed, path)
    baseline = read_baseline(path)
    assert baseline.run == newer
    assert [(c.reason, c.run_id, c.below_floor) for c in baseline.history] == [
        ("The first.", "run-1", False),
        ("A new model", "run-2", True),
    ]
    assert baseline.history[1].means == {"faithfulness": (0.5 + 1.0) / 2}


def test_a_blank_reason_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="reason is blank"):
        replace_baseline(None, good_run(), reason=" \n", now=NOW)


def test_a_run_is_no_baseline_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text('{"id": "x"}', encoding="utf-8")
    with pytest.raises(
        InvalidInputError, match=r"baseline\.json: .*: (Field required|there is no such field)"
    ):
        read_baseline(path)


def test_means_are_of_what_was_measured() -> None:
    assert means(run_of({"f": [0.0, None, 1.0], "g": [None, None, None]})) == {"f": 0.5}


def test_another_version_of_the_data_set_is_refused_with_both_named() -> None:
    other = make_run([make_case(0, {"f": 1.0})], sha256="cd" * 32)
    with pytest.raises(
        InvalidInputError, match=r"'handbook' \(abababababab\), not 'handbook' \(cdcdcdcdcdcd\)"
    ):
        check_comparable(good_run(), other)


def test_scores_of_another_judge_are_refused() -> None:
    scores = {"f": [0.5]}
    with pytest.raises(InvalidInputError, match="judged by a:b, this run by no model"):
        check_comparable(run_of(scores, judge="a:b"), run_of(scores))
    check_comparable(run_of(scores, judge="a:b", chat="x:y"), run_of(scores, judge="a:b", chat="x:z"))


def test_cases_are_paired_by_id_whatever_their_order() -> None:
    before = make_run([make_case(n, {"f": n / 10}) for n in range(5)])
    after = make_run([make_case(n, {"f": n / 20}) for n in (4, 1, 7)])
    pairs = pair_scores("f", before, after)
    assert pairs.case_ids == ("q1", "q4")
    np.testing.assert_allclose(pairs.baseline, [0.1, 0.4])
    np.testing.assert_allclose(pairs.candidate, [0.05, 0.2])
    assert pairs.applicable == 6  # q0 to q4, and q7


def test_what_either_run_did_not_measure_is_no_pair() -> None:
    pairs = pair_scores("f", run_of({"f": [1.0, None, 0.5]}), run_of({"f": [1.0, 1.0, None]}))
    assert pairs.case_ids == ("q0",)
    assert pairs.applicable == 3


def test_a_drop_is_one_only_if_the_permutation_test_agrees() -> None:
    before = run_of({"f": [1.0] * 100})
    few, many = (run_of({"f": [0.0] * n + [1.0] * (100 - n)}) for n in (4, 12))
    assert compare(before, few).difference.high < 0
    assert not compare(before, few).has_dropped(0.95)
    assert compare(before, many).has_dropped(0.95)
    assert not compare(many, before).has_dropped(0.95)


def test_a_change_tells_what_it_could_have_found() -> None:
    change = compare(run_of({"f": [1.0, 1.0, 0.5, 0.5]}), run_of({"f": [1.0, 0.5, 0.5, 0.5]}))
    deviation = np.std([0, -0.5, 0, 0], ddof=1)
    assert (change.pairs, change.changed) == (4, 1)
    assert change.deviation == pytest.approx(deviation)
    assert change.detectable == pytest.approx((1.95996 + 0.84162) * deviation / 2, rel=1e-4)


def test_what_was_configured_otherwise_is_listed() -> None:
    scores = {"f": [1.0]}
    assert configuration_changes(run_of(scores), run_of(scores)) == []
    assert configuration_changes(run_of(scores, rerank="a:b"), run_of(scores, chat="x:y")) == [
        ("chat model", "local:extractive", "x:y"),
        ("rerank model", "a:b", "none"),
    ]

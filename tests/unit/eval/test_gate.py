from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from eval.gate import EXIT_CODES, GateReport, Verdict, run_gate
from eval.gate_settings import GateSettings, Threshold, read_gate_settings
from rag.errors import InvalidInputError
from tests.unit.eval.runs import baseline_of, good_run, make_case, make_run, run_of

PRIMARY = GateSettings(primary_metric="f", thresholds={})


def verdicts(report: GateReport) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in report.checks}


def detail(report: GateReport, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


def gate_pair(before: Sequence[float | None], after: Sequence[float | None], **options: bool) -> GateReport:
    return run_gate(run_of({"f": after}), baseline_of(run_of({"f": before})), PRIMARY, **options)


def noisy(cases: int, seed: int = 0) -> list[float]:
    return [
        float(x) for x in np.random.default_rng(seed).choice([0.0, 0.5, 1.0], p=[0.1, 0.2, 0.7], size=cases)
    ]


def test_good_scores_pass() -> None:
    report = run_gate(good_run())
    assert report.verdict is Verdict.PASS
    assert list(verdicts(report)) == [
        "faithfulness, mean",
        "contextual_relevancy, mean",
        "answer_relevancy, mean",
    ]


@pytest.mark.parametrize(
    ("metric", "mean", "verdict"),
    [
        ("faithfulness", 0.7499, Verdict.FAIL),
        ("faithfulness", 0.75, Verdict.WARN),
        ("faithfulness", 0.7999, Verdict.WARN),
        ("faithfulness", 0.80, Verdict.PASS),
        ("contextual_relevancy", 0.6999, Verdict.FAIL),
        ("contextual_relevancy", 0.70, Verdict.WARN),
        ("contextual_relevancy", 0.75, Verdict.PASS),
        ("answer_relevancy", 0.7499, Verdict.FAIL),
        ("answer_relevancy", 0.75, Verdict.WARN),
        ("answer_relevancy", 0.80, Verdict.PASS),
    ],
)
def test_floors_are_those_of_the_documentation(metric: str, mean: float, verdict: Verdict) -> None:
    report = run_gate(good_run(**{metric: [mean] * 200}))
    assert verdicts(report)[f"{metric}, mean"] is verdict
    assert report.verdict is verdict


def test_a_mean_that_is_its_floor_but_for_rounding_is_not_below_it() -> None:
    scores = [0.1, 0.7, 0.6] * 10 + [1.0] * 0
    floor = GateSettings(primary_metric="f", thresholds={"f": Threshold(fail=1.4 / 3, warn=1.4 / 3)})
    assert run_gate(run_of({"f": scores}), settings=floor).verdict is Verdict.PASS


def test_too_little_measured_is_inconclusive_and_says_why() -> None:
    report = run_gate(good_run(answer_relevancy=[0.9] * 189 + [None] * 11))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert detail(report, "answer_relevancy, mean") == (
        "measured on 189 of 200 cases, and 95% are needed; most often: the judge timed out"
    )
    assert run_gate(good_run(answer_relevancy=[0.9] * 190 + [None] * 10)).verdict is Verdict.PASS


def test_a_metric_that_no_case_has_is_inconclusive() -> None:
    assert run_gate(run_of({"other": [1.0]})).verdict is Verdict.INCONCLUSIVE
    assert run_gate(run_of({"other": [1.0]}), settings=PRIMARY).verdict is Verdict.INCONCLUSIVE


def test_cases_that_a_metric_does_not_apply_to_are_not_missed() -> None:
    cases = [make_case(n, {"f": 1.0} if n % 2 else {}) for n in range(100)]
    report = run_gate(make_run(cases), settings=PRIMARY)
    assert report.verdict is Verdict.PASS
    assert report.summaries[0].applicable == 50


def test_a_broken_floor_outweighs_what_was_not_measured() -> None:
    report = run_gate(good_run(faithfulness=[0.5] * 200, answer_relevancy=[None] * 200))
    assert report.verdict is Verdict.FAIL


def test_the_same_answers_again_pass() -> None:
    scores = noisy(300)
    report = gate_pair(scores, scores)
    assert report.verdict is Verdict.PASS
    assert "ruled out" in detail(report, "f, change")


def test_a_drop_of_the_primary_metric_fails_or_warns_as_asked() -> None:
    before = noisy(300)
    after = [0.0 if at % 10 == 0 else score for at, score in enumerate(before)]
    failed = gate_pair(before, after)
    assert failed.verdict is Verdict.FAIL
    assert "answers are worse: -0.0" in detail(failed, "f, change")
    assert "would be found 4 times in 5" in detail(failed, "f, change")
    assert gate_pair(before, after, fail_on_regression=False).verdict is Verdict.WARN


def test_a_gain_passes() -> None:
    before = noisy(300)
    assert gate_pair(before, [min(1.0, score + 0.2) for score in before]).verdict is Verdict.PASS


def test_few_changed_cases_only_warn() -> None:
    report = gate_pair([1.0] * 100, [0.0] * 4 + [1.0] * 96)
    assert report.verdict is Verdict.WARN
    assert detail(report, "f, change").startswith("may be worse, but only 4 cases differ")


def test_a_drop_that_is_not_ruled_out_warns_and_says_how_many_cases_would_do() -> None:
    report = gate_pair(noisy(120, seed=1), noisy(120, seed=2))
    assert report.verdict is Verdict.WARN
    assert "one of 0.05 is not ruled out" in detail(report, "f, change")
    assert "That takes about" in detail(report, "f, change")


def test_non_inferiority_is_not_claimed_of_few_cases() -> None:
    changed = [0.99]
    assert gate_pair([1.0] * 99, changed + [1.0] * 98).verdict is Verdict.WARN
    assert gate_pair([1.0] * 100, changed + [1.0] * 99).verdict is Verdict.PASS


def test_a_drop_of_one_metric_among_many_is_told_but_may_be_chance() -> None:
    others = [f"m{n}" for n in range(40)]
    before = run_of({"f": [1.0] * 120, **dict.fromkeys(others, [1.0] * 120)})
    dropped = [0.0] * 10 + [1.0] * 110
    after = run_of({"f": [1.0] * 120, **dict.fromkeys(others, [1.0] * 120), "m0": dropped})
    report = run_gate(after, baseline_of(before), GateSettings(primary_metric="f", thresholds={}))
    assert report.verdict is Verdict.PASS
    assert detail(report, "m0, change").startswith(
        "a drop that may be chance among so many metrics: -0.083 ["
    )
    assert detail(report, "m1, change") == "no drop was found: none of 120 cases has changed"


def test_without_any_change_it_takes_fewer() -> None:
    assert 0.95**71 > 0.025 > 0.95**72
    assert gate_pair([1.0] * 71, [1.0] * 71).verdict is Verdict.WARN
    assert gate_pair([1.0] * 72, [1.0] * 72).verdict is Verdict.PASS


def test_a_handful_of_cases_is_inconclusive() -> None:
    report = gate_pair([1.0] * 29, [0.0] * 29)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert detail(report, "f, change") == "both runs measured 29 cases, and 30 are needed"


def test_a_run_of_a_sample_is_inconclusive_beside_the_whole() -> None:
    report = gate_pair([1.0] * 300, [1.0] * 100)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "100 of 300 cases" in detail(report, "f, change")


def test_losing_the_metric_on_cases_that_had_it_is_inconclusive() -> None:
    before = make_run([make_case(n, {"f": 0.9}) for n in range(200)])
    after = make_run([make_case(n, {"f": 1.0} if n < 150 else {}) for n in range(200)])
    assert run_gate(after, baseline_of(before), PRIMARY).verdict is Verdict.INCONCLUSIVE


def test_other_metrics_only_warn_and_are_corrected_for_their_number() -> None:
    scores = [1.0] * 300
    slightly = [0.0] * 7 + scores[7:]  # p about 2 / 2^7 = 0.016
    same = {"f": scores, "g": scores}
    before = baseline_of(run_of(same))
    assert run_gate(run_of({"f": scores, "g": slightly}), before, PRIMARY).verdict is Verdict.WARN
    many = {f"m{n}": scores for n in range(9)}
    report = run_gate(run_of({"f": scores, "g": slightly, **many}), baseline_of(run_of(same | many)), PRIMARY)
    assert report.verdict is Verdict.PASS
    assert report.adjusted["g"] == pytest.approx(0.016 * 10, abs=0.05)
    assert "f" not in report.adjusted


def test_a_collapse_of_another_metric_does_not_fail() -> None:
    before, after = run_of({"f": [1.0] * 100, "g": [1.0] * 100}), run_of({"f": [1.0] * 100, "g": [0.0] * 100})
    assert run_gate(after, baseline_of(before), PRIMARY).verdict is Verdict.WARN


def test_a_new_metric_and_a_lost_one_warn() -> None:
    before, after = (
        run_of({"f": [1.0] * 100, "old": [1.0] * 100}),
        run_of({"f": [1.0] * 100, "new": [1.0] * 100}),
    )
    report = run_gate(after, baseline_of(before), PRIMARY)
    assert report.verdict is Verdict.WARN
    assert detail(report, "new, change") == "the baseline does not have this metric"
    assert verdicts(report)["old, change"] is Verdict.WARN


def test_a_metric_with_a_floor_needs_non_inferiority_too() -> None:
    settings = GateSettings(primary_metric="f", thresholds={"g": Threshold(fail=0.1, warn=0.1)})
    before = run_of({"f": [1.0] * 120, "g": noisy(120, seed=1)})
    after = run_of({"f": [1.0] * 120, "g": noisy(120, seed=2)})
    assert verdicts(run_gate(after, baseline_of(before), settings))["g, change"] is Verdict.WARN


def test_the_same_seed_gives_the_same_report() -> None:
    before, after = noisy(120, seed=1), noisy(120, seed=2)
    assert gate_pair(before, after).checks == gate_pair(before, after).checks


def test_a_baseline_of_another_data_set_is_refused() -> None:
    other = make_run([make_case(0, {"f": 1.0})], sha256="cd" * 32)
    with pytest.raises(InvalidInputError, match="another data set"):
        run_gate(good_run(), baseline_of(other))


def test_only_a_pass_exits_with_zero_and_no_code_means_two_things() -> None:
    assert EXIT_CODES == {"pass": 0, "fail": 1, "warn": 2, "inconclusive": 3}


TOML = """
primary_metric = "answer_relevancy"
min_measured_share = 0.9

[thresholds.answer_relevancy]
fail = 0.6
warn = 0.7
"""


def test_settings_are_read_from_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "gate.json").write_text('{"confidence": 0.9, "thresholds": {}}', encoding="utf-8")
    settings = read_gate_settings(tmp_path / "gate.toml")
    assert settings.thresholds == {"answer_relevancy": Threshold(fail=0.6, warn=0.7)}
    assert settings.min_measured_share == 0.9
    assert read_gate_settings(tmp_path / "gate.json") == GateSettings(confidence=0.9, thresholds={})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("primary = 'f'", "primary: there is no such field"),
        ("confidence = nan", "confidence: Input should be a finite number"),
        ("confidence = 95", "confidence: Input should be less than 1"),
        ("min_pairs = 1", "min_pairs: Input should be greater than or equal to 2"),
        ("thresholds.f = {fail = 0.8, warn = 0.7}", "thresholds.f: warn (0.7) is below fail (0.8)"),
        ("thresholds.f = {fail = 0.8}", "thresholds.f.warn: Field required"),
        ("seed = 2026-01-01", "seed: Input should be a valid integer"),
        ("=", "Invalid"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        read_gate_settings(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_metric_beside_the_primary_one_may_stop_applying() -> None:
    settings = GateSettings(primary_metric="f", thresholds={"g": Threshold(fail=0.5, warn=0.5)})
    before = make_run([make_case(n, {"f": 0.9, "g": 0.9}) for n in range(200)])
    after = make_run([make_case(n, {"f": 0.9, "g": 0.9} if n < 150 else {"f": 0.9}) for n in range(200)])
    assert run_gate(after, baseline_of(before), settings).verdict is Verdict.PASS

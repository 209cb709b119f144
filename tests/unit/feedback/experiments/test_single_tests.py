"""The classical tests and effect sizes beside scipy's and statsmodels'."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_effectsize, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from eval.statistics import Scores, holm
from feedback.experiments.comparison import relative_lift
from feedback.experiments.means import cohens_d, welch_test
from feedback.experiments.proportions import Share, cohens_h, newcombe_interval, two_proportion_test
from feedback.experiments.ratios import Estimate, Sums, bootstrap_difference, ratio_of_sums
from feedback.experiments.sample_ratio import check_sample_ratio
from rag.errors import InvalidInputError

PAIRS = [((10, 100), (20, 100)), ((1000, 10_000), (1150, 10_000)), ((0, 30), (3, 41)), ((7, 7), (1, 9))]
EXACT = 1e-9


@pytest.mark.parametrize(("control", "challenger"), PAIRS)
def test_the_two_proportion_test_is_statsmodels(
    control: tuple[int, int], challenger: tuple[int, int]
) -> None:
    expected = proportions_ztest([challenger[0], control[0]], [challenger[1], control[1]])
    test = two_proportion_test(Share(*control), Share(*challenger))
    assert (test.statistic, test.p_value) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(("control", "challenger"), PAIRS)
def test_newcombes_interval_is_statsmodels(control: tuple[int, int], challenger: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*challenger, *control, compare="diff", method="newcomb", alpha=0.1)
    interval = newcombe_interval(Share(*control), Share(*challenger), confidence=0.9)
    assert (interval.low, interval.high) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("share", [Share(0, 50), Share(50, 50)])
def test_nobody_or_everybody_in_both_arms_is_no_difference(share: Share) -> None:
    test = two_proportion_test(share, share)
    assert (test.statistic, test.p_value) == (0, 1)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_a_share_beyond_0_and_1_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes of {trials} trials"):
        Share(successes, trials)


def test_cohens_h_is_statsmodels() -> None:
    assert cohens_h(0.1, 0.115) == pytest.approx(proportion_effectsize(0.115, 0.1), rel=EXACT)


def arms(sizes: tuple[int, int], scale: float) -> tuple[Scores, Scores]:
    random = np.random.default_rng(sum(sizes))
    return random.gamma(2, 1, sizes[0]), random.gamma(2.1, scale, sizes[1])


@pytest.mark.parametrize("sizes", [(2, 3), (12, 30), (500, 40), (20_000, 30_000)])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_welchs_test_is_scipys_and_statsmodels(sizes: tuple[int, int], scale: float) -> None:
    control, challenger = arms(sizes, scale)
    test = welch_test(control, challenger, confidence=0.9)
    expected = stats.ttest_ind(challenger, control, equal_var=False)
    assert test.statistic == pytest.approx(expected.statistic, rel=EXACT)
    assert test.degrees == pytest.approx(expected.df, rel=EXACT)
    assert test.p_value == pytest.approx(expected.pvalue, rel=EXACT)
    compared = CompareMeans(DescrStatsW(challenger), DescrStatsW(control))
    bounds = compared.tconfint_diff(alpha=0.1, usevar="unequal")
    assert (test.difference.low, test.difference.high) == pytest.approx(bounds, rel=EXACT)


def test_cohens_d_is_the_difference_in_pooled_deviations() -> None:
    control, challenger = np.array([1.0, 3.0]), np.array([4.0, 6.0, 8.0])
    pooled = ((1 + 1) + (4 + 0 + 4)) / (1 + 2)
    assert cohens_d(control, challenger) == pytest.approx((6 - 2) / pooled**0.5, rel=EXACT)
    assert cohens_d([1, 1], [1, 1]) is None


@pytest.mark.parametrize(("control", "challenger"), [([1.0], [1, 2, 3]), ([], [1, 2]), ([[1, 2]], [1, 2])])
def test_an_arm_of_one_has_no_variance(control: list[float], challenger: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two values"):
        welch_test(control, challenger)


def test_equal_values_have_no_variance_but_rounding() -> None:
    with pytest.raises(ValueError, match="vary in neither arm"):
        welch_test([0.1] * 7, [0.1] * 11)


def ratio_arm(seed: int, size: int = 800) -> Sums:
    random = np.random.default_rng(seed)
    answers = random.integers(1, 9, size).astype(float)
    return Sums(answers * random.gamma(4, 0.01, size), answers)


def test_a_mean_is_a_ratio_with_the_means_variance() -> None:
    values = np.random.default_rng(5).normal(3, 2, 50)
    estimate = ratio_of_sums(Sums.of_values(values))
    assert estimate.value == pytest.approx(values.mean(), rel=EXACT)
    assert estimate.variance == pytest.approx(stats.sem(values) ** 2, rel=EXACT)


def test_the_delta_method_is_taylors_formula() -> None:
    """Var(ȳ/x̄) = (s_y² − 2 R s_xy + R² s_x²) / (n x̄²)."""
    arm = ratio_arm(1)
    y, x = arm.numerators, arm.denominators
    covariance, ratio = np.cov(y, x), y.sum() / x.sum()
    spread = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
    assert ratio_of_sums(arm).variance == pytest.approx(spread / (y.size * x.mean() ** 2), rel=EXACT)


def test_bootstrap_and_delta_method_agree() -> None:
    control, challenger = ratio_arm(2), ratio_arm(3)
    interval = bootstrap_difference(control, challenger, resamples=4000)
    first, second = ratio_of_sums(control), ratio_of_sums(challenger)
    half = 1.96 * (first.variance + second.variance) ** 0.5
    assert interval.value == pytest.approx(second.value - first.value, rel=EXACT)
    assert interval.low == pytest.approx(interval.value - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.value + half, abs=0.1 * half)


def test_subjects_that_are_drawn_in_groups_vary_as_much() -> None:
    control, challenger = ratio_arm(4, 30_000), ratio_arm(5, 30_000)
    interval = bootstrap_difference(control, challenger, resamples=1000)
    first, second = ratio_of_sums(control), ratio_of_sums(challenger)
    width = 2 * 1.96 * (first.variance + second.variance) ** 0.5
    assert interval.high - interval.low == pytest.approx(width, rel=0.1)


def test_the_same_seed_draws_the_same_bootstrap() -> None:
    one, other = ratio_arm(6), ratio_arm(7)
    assert bootstrap_difference(one, other, resamples=200, seed=1) == bootstrap_difference(
        one, other, resamples=200, seed=1
    )
    assert bootstrap_difference(one, other, resamples=200, seed=1) != bootstrap_difference(
        one, other, resamples=200, seed=2
    )


def test_requests_of_one_user_are_not_independent() -> None:
    """Counting each of 10 equal requests of a user as a subject makes the variance 10 times too small."""
    per_user = np.random.default_rng(8).normal(0, 1, 100)
    by_user = ratio_of_sums(Sums(per_user * 10, np.full(100, 10.0)))
    by_request = ratio_of_sums(Sums.of_values(np.repeat(per_user, 10)))
    assert by_user.variance / by_request.variance == pytest.approx(10, rel=0.02)


def test_sums_that_are_no_ratio_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Sums(np.ones(2), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="one denominator for each"):
        Sums(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="above 0"):
        ratio_of_sums(Sums(np.ones(2), np.zeros(2)))


def test_the_lift_of_proportions_is_katzs_interval() -> None:
    control, challenger = Share(100, 1000), Share(130, 1000)
    estimates = [
        Estimate(share.value, share.value * (1 - share.value) / share.trials, share.trials)
        for share in (control, challenger)
    ]
    lift = relative_lift(estimates[0], estimates[1], stats.norm.ppf(0.975))
    assert lift is not None
    low, high = Table2x2([[130, 870], [100, 900]]).riskratio_confint()
    assert (lift.value, lift.low, lift.high) == pytest.approx((0.3, low - 1, high - 1), rel=EXACT)


def test_nothing_is_relative_to_0() -> None:
    assert relative_lift(Estimate(0, 0.1, 5), Estimate(1, 0.1, 5), 2) is None


@settings(max_examples=20, deadline=None)  # the oracle takes its time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=EXACT)


@pytest.mark.parametrize("counts", [(9000, 1000), (9100, 900), (5, 5), (3000, 3000, 3200)])
def test_the_sample_ratio_test_is_scipys(counts: tuple[int, ...]) -> None:
    weights = {"a": 0.9, "b": 0.1} if len(counts) == 2 else {"a": 1, "b": 1, "c": 1}
    named = dict(zip("abc", counts, strict=False))
    ratio = check_sample_ratio(named, weights)
    shares = np.array(list(weights.values())) / sum(weights.values())
    expected = stats.chisquare(counts, shares * sum(counts))
    assert (ratio.statistic, ratio.p_value) == pytest.approx(tuple(expected), rel=EXACT)


def test_a_sample_ratio_of_a_thousandth_is_flagged() -> None:
    weights = {"control": 0.5, "challenger": 0.5}
    assert check_sample_ratio({"control": 5000, "challenger": 4600}, weights).is_mismatch
    assert not check_sample_ratio({"control": 5000, "challenger": 4800}, weights).is_mismatch
    assert check_sample_ratio({"control": 5000}, weights).is_mismatch


def test_too_few_subjects_are_no_mismatch() -> None:
    ratio = check_sample_ratio({"control": 9}, {"control": 0.5, "challenger": 0.5})
    assert not ratio.is_mismatch
    assert check_sample_ratio({}, {"control": 0.5, "challenger": 0.5}).p_value == 1


def test_subjects_of_a_variant_without_weight_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="subjects of other"):
        check_sample_ratio({"a": 5, "other": 1}, {"a": 1, "other": 0})

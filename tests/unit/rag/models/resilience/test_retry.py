import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.resilience.deadline import deadline
from rag.models.resilience.faults import Fault, FaultKind
from rag.models.resilience.retry import Backoff, RetryBudget, RetryPolicy

DOWN = Fault(FaultKind.UNAVAILABLE)


def policy(*, attempts: int = 3, base_s: float = 0.2, budget: RetryBudget | None = None) -> RetryPolicy:
    return RetryPolicy(attempts, Backoff(base_s, 5.0), budget or RetryBudget())


@given(st.integers(1, 60))
def test_a_pause_is_anything_up_to_an_exponential_bound(failed: int) -> None:
    assert 0 <= Backoff(0.2, 5.0).pause(failed) <= min(5.0, 0.2 * 2 ** (failed - 1))


def test_pauses_spread_over_all_of_it() -> None:
    pauses = [Backoff(0.2, 5.0).pause(3) for _ in range(2000)]
    assert sum(pauses) / len(pauses) == pytest.approx(0.8 / 2, abs=0.05)
    assert min(pauses) < 0.05
    assert max(pauses) > 0.75


def test_attempts_end() -> None:
    assert policy().pause(2, DOWN) is not None
    assert policy().pause(3, DOWN) is None


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if not kind.is_transient])
def test_what_would_fail_again_is_not_repeated(kind: FaultKind) -> None:
    assert policy().pause(1, Fault(kind)) is None


def test_the_provider_says_how_long_to_wait() -> None:
    assert policy().pause(1, Fault(FaultKind.THROTTLED, retry_after_s=7)) == 7
    assert policy().pause(1, Fault(FaultKind.THROTTLED, retry_after_s=600)) is None


def test_nothing_is_waited_for_past_the_deadline_and_nothing_paid() -> None:
    budget = RetryBudget(capacity=1)
    with deadline(3):
        assert policy(budget=budget).pause(1, Fault(FaultKind.THROTTLED, retry_after_s=3)) is None
        assert policy(budget=budget).pause(1, Fault(FaultKind.THROTTLED, retry_after_s=1)) == 1


def test_the_budget_ends() -> None:
    budget = RetryBudget(capacity=2)
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    for _ in range(4):
        budget.earn(repeated=False)  # 4 x 0.25 = 1
    assert [budget.spend() for _ in range(2)] == [True, False]


def test_an_attempt_that_works_gives_back_what_it_cost() -> None:
    budget = RetryBudget(capacity=1)
    for _ in range(20):
        assert budget.spend()
        budget.earn(repeated=True)


def test_the_budget_never_holds_more_than_its_capacity() -> None:
    budget = RetryBudget(capacity=1)
    for _ in range(100):
        budget.earn(repeated=False)
    assert [budget.spend(), budget.spend()] == [True, False]


def attempts_per_call(share: float, *, calls: int = 4000) -> tuple[float, float]:
    """Attempts and answers per call, where a share of attempts fails."""
    chance = random.Random(7)  # noqa: S311 - repeatable on purpose
    retry = policy(base_s=0.0)
    attempts = answers = 0
    for _ in range(calls):
        for number in range(1, 4):
            attempts += 1
            if chance.random() >= share:
                answers += 1
                retry.budget.earn(repeated=number > 1)
                break
            if retry.pause(number, DOWN) is None:
                break
    return attempts / calls, answers / calls


@pytest.mark.parametrize("percent", range(0, 101, 5))
def test_a_call_never_takes_more_than_one_and_a_half_attempts(percent: int) -> None:
    attempts, _ = attempts_per_call(percent / 100)
    assert attempts <= 1.5


def test_a_quarter_of_failures_is_mended() -> None:
    attempts, answers = attempts_per_call(0.25)
    assert attempts < 1.35
    assert answers > 0.97  # at best 1 - 0.25 ** 3 = 0.984


def test_an_outage_does_not_multiply_calls() -> None:
    attempts, _ = attempts_per_call(1.0)
    assert attempts < 1.01

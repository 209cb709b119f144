from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from rag.errors import OverloadedError
from rag.models.resilience.breaker import WINDOW, BreakerState, CircuitBreaker

INTERVAL = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, on_change: Callable[[BreakerState], None] | None = None) -> CircuitBreaker:
    return CircuitBreaker("m", failures=5, probe_interval_s=INTERVAL, clock=clock, on_change=on_change)


def call(breaker: CircuitBreaker, *, worked: bool | None) -> None:
    breaker.report(breaker.admit(), worked=worked)


def state(breaker: CircuitBreaker) -> str:
    return breaker.state.value


def opened(clock: Clock) -> CircuitBreaker:
    breaker = made(clock)
    for _ in range(5):
        call(breaker, worked=False)
    assert state(breaker) == "open"
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = made(Clock())
    for worked in [False, False, False, False, True, False, False, False, False]:
        call(breaker, worked=worked)
    assert state(breaker) == "closed"
    call(breaker, worked=False)
    assert state(breaker) == "open"


@given(st.lists(st.integers(0, 1), min_size=10, max_size=10))
def test_ten_failures_open_it_whatever_works_between(successes: list[int]) -> None:
    breaker = made(Clock())
    for between in successes:
        if breaker.state is BreakerState.CLOSED:
            call(breaker, worked=False)
        for _ in range(between):
            if breaker.state is BreakerState.CLOSED:
                call(breaker, worked=True)
    assert state(breaker) == "open"


def test_a_quarter_of_failures_does_not_open_it() -> None:
    breaker = made(Clock())
    for number in range(400):
        call(breaker, worked=number % 4 != 0)
    assert state(breaker) == "closed"


def test_what_says_nothing_of_the_model_does_not_count() -> None:
    breaker = made(Clock())
    for _ in range(3 * WINDOW):
        call(breaker, worked=None)
    assert state(breaker) == "closed"


def test_while_open_it_says_when_to_come_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 4
    with pytest.raises(OverloadedError, match="the model m is given time") as refused:
        breaker.admit()
    assert refused.value.retry_after_s == 6


def test_one_probe_goes_out_after_the_interval_and_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += INTERVAL
    probe = breaker.admit()
    assert state(breaker) == "half_open"
    with pytest.raises(OverloadedError):
        breaker.admit()
    breaker.report(probe, worked=True)
    assert state(breaker) == "closed"
    call(breaker, worked=False)
    assert state(breaker) == "closed"  # the failures before it are forgotten


def test_a_probe_that_fails_opens_it_for_another_interval() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += INTERVAL
    call(breaker, worked=False)
    with pytest.raises(OverloadedError) as refused:
        breaker.admit()
    assert refused.value.retry_after_s == INTERVAL


def test_a_probe_without_outcome_leaves_room_for_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += INTERVAL
    call(breaker, worked=None)
    call(breaker, worked=True)
    assert state(breaker) == "closed"


def test_late_outcomes_change_nothing() -> None:
    clock = Clock()
    breaker = made(clock)
    late = breaker.admit()
    for _ in range(5):
        call(breaker, worked=False)
    breaker.report(late, worked=True)
    assert state(breaker) == "open"
    clock.now += INTERVAL
    probe = breaker.admit()
    breaker.report(late, worked=True)
    breaker.report(late, worked=False)
    assert state(breaker) == "half_open"
    breaker.report(probe, worked=True)
    assert state(breaker) == "closed"


def test_changes_are_logged_and_told() -> None:
    clock = Clock()
    told: list[BreakerState] = []
    breaker = made(clock, told.append)
    with capture_logs() as logs:
        for _ in range(5):
            call(breaker, worked=False)
        clock.now += INTERVAL
        call(breaker, worked=True)
    assert [(line["event"], line["model"]) for line in logs] == [
        ("breaker_opened", "m"),
        ("breaker_closed", "m"),
    ]
    assert told == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


class Breaking(RuleBasedStateMachine):
    """Any order of calls, outcomes and passing time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = made(self.clock)
        self.running: list[int] = []

    @rule()
    def ask(self) -> None:
        if self.breaker.state is BreakerState.HALF_OPEN or self.clock.now < self.breaker._probe_at:
            with pytest.raises(OverloadedError) as refused:
                self.breaker.admit()
            assert 0 < refused.value.retry_after_s <= INTERVAL
        else:
            self.running.append(self.breaker.admit())

    @precondition(lambda self: self.running)
    @rule(data=st.data(), worked=st.sampled_from([True, False, None]))
    def end(self, data: st.DataObject, worked: bool | None) -> None:
        at = data.draw(st.integers(0, len(self.running) - 1))
        self.breaker.report(self.running.pop(at), worked=worked)

    @rule(seconds=st.sampled_from([0.5, 3.0, INTERVAL]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def it_recovers_within_one_interval(self) -> None:
        """When all that runs has ended and the interval has passed, one call that works closes it."""
        copy = made(self.clock)
        copy.__dict__.update(self.breaker.__dict__)
        copy._outcomes = self.breaker._outcomes.copy()
        for admitted in self.running:
            copy.report(admitted, worked=None)
        now, self.clock.now = self.clock.now, self.clock.now + INTERVAL
        copy.report(copy.admit(), worked=True)
        assert copy.state is BreakerState.CLOSED
        self.clock.now = now


TestBreaking = Breaking.TestCase
TestBreaking.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)

import pytest

from app.experiments.guard import crossed
from db.repositories.experiments import Guard
from db.repositories.exposures import Health

GUARD = Guard(max_error_rate=0.1, max_latency_ratio=1.5, min_samples=20)
SLOW = (
    "95 % of requests took up to 601 ms (control: 400 ms), 1.50 times as long; at most 1.5 times is allowed"
)
HEALTHY = Health(100, 2, 400.0)


@pytest.mark.parametrize(
    ("challenger", "reason"),
    [
        (HEALTHY, None),
        (Health(100, 10, 400.0), None),
        (Health(100, 11, 400.0), "11.0% of 100 requests failed (control: 2.0%); at most 10.0% may"),
        (Health(19, 19, None), None),
        (Health(20, 20, None), "100.0% of 20 requests failed (control: 2.0%); at most 10.0% may"),
        (Health(100, 2, 600.0), None),
        (
            Health(100, 2, 601.0),
            SLOW,
        ),
    ],
)
def test_a_guard_is_crossed_beyond_its_bounds(challenger: Health, reason: str | None) -> None:
    assert crossed(GUARD, HEALTHY, challenger) == reason


def test_failures_that_the_control_shares_are_not_the_challengers() -> None:
    failing = Health(100, 50, 400.0)
    assert crossed(GUARD, failing, failing) is None
    assert crossed(GUARD, Health(100, 49, 400.0), failing) is not None


def test_too_few_of_the_control_say_nothing() -> None:
    assert crossed(GUARD, Health(19, 0, 400.0), Health(1000, 1000, None)) is None


def test_a_rule_that_is_left_out_is_no_rule() -> None:
    assert crossed(Guard(min_samples=1), HEALTHY, Health(100, 100, 4000.0)) is None

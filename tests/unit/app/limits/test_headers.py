import pytest

from app.limits.admission import Admission, RouteClass
from app.limits.headers import limit_headers
from db.repositories.limits import Standing
from rag.errors import LimitExceededError, RateLimitedError

TENANT = Standing("tenant", 600, 1, reset_s=59.2, need=1, is_rate=True)
DAY = Standing("requests-day", 1000, 950, reset_s=3600, need=1)
TOKENS = Standing("tokens-month", 1_000_000, 990_000, reset_s=86_400, need=6500)
COST = Standing("cost-month", 5, 4.9996, reset_s=86_400, need=0)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("POST /chat", "chat"),
        ("POST /search", "search"),
        ("POST /ingest", "ingest"),
        ("POST /ingest/uploads", "ingest"),
        ("GET /ingest", "other"),
        ("GET /usage", "other"),
        ("DELETE /documents/1", "other"),
        ("POST /admin/keys", "other"),
        ("", "other"),
    ],
)
def test_routes_that_cost_have_a_class_of_their_own(route: str, expected: str) -> None:
    assert RouteClass.of(route) == expected


def test_a_policy_and_what_is_left_of_it_are_structured_fields() -> None:
    headers = limit_headers(Admission((TENANT, Standing("requests-day", 1000, 5, reset_s=3600.5, need=1))))
    assert headers == {
        "RateLimit-Policy": '"tenant";q=600;w=60, "requests-day";q=1000;w=86400',
        "RateLimit": '"tenant";r=599;t=60, "requests-day";r=995;t=3601',
    }


def test_less_than_a_tenth_left_of_a_quota_is_a_warning() -> None:
    headers = limit_headers(Admission((TENANT, DAY, TOKENS, COST)))
    assert headers["X-Quota-Warning"] == (
        '"requests-day";r=50;q=1000;t=3600, "tokens-month";r=10000;q=1000000;t=86400, '
        '"cost-month";r=0.000;q=5;t=86400'
    )
    assert "tokens" not in headers["RateLimit"], "the draft has no unit for them"
    tenth = Standing("tokens-month", 1000, 900, reset_s=1)
    assert limit_headers(Admission((tenth,))) == {}


def test_a_rate_that_is_nearly_used_up_is_no_warning() -> None:
    assert "X-Quota-Warning" not in limit_headers(Admission((Standing("key", 10, 10, 1, 1, is_rate=True),)))


def test_no_limits_no_headers() -> None:
    assert limit_headers(Admission()) == {}


def test_a_refusal_says_which_limit_and_when_there_is_more() -> None:
    with pytest.raises(RateLimitedError) as caught:
        Admission((TENANT,), refused_by=TENANT).check()
    assert (caught.value.scope, caught.value.limit, caught.value.used) == ("tenant", 600, 1)
    assert caught.value.reset is not None
    with pytest.raises(LimitExceededError, match="documents"):
        Admission(refused_by=Standing("documents", 100, 101)).check()
    Admission((TENANT,)).check()

import time
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources.robots import parse_robots

RFC_EXAMPLE = """\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("other", "/example/a", False),
        ("other", "/publications/a", True),
        ("other", "/a/b.gif", False),
        ("other", "/a/b.gif?size=1", True),
        ("other", "/", True),
        ("FooBot", "/publications/a", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/a.gif", True),
        ("quxbot", "/example/page.html", True),
    ],
)
def test_the_example_of_the_standard(agent: str, path: str, allowed: bool) -> None:
    assert parse_robots(RFC_EXAMPLE, agent).allows(path) is allowed


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow:", "/a", True),
        ("Disallow: /", "/a", False),
        ("Disallow: /\nAllow: /docs", "/docs/a", True),  # the longest rule, not the first
        ("Allow: /docs\nDisallow: /docs", "/docs", True),  # as long: the one that allows
        ("Disallow: /a*c", "/abbc", False),
        ("Disallow: /a*c", "/abb", True),
        ("Disallow: /*?", "/a?b=1", False),
        ("Disallow: /*?", "/a", True),
        ("Disallow: /a$", "/a", False),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: /a*b*a$", "/aba", False),
        ("Disallow: /a*a$", "/a", True),
        ("Disallow: /*.pdf$", "/x.pdf.pdf", False),
        ("Disallow: /ü", "/%C3%BCber", False),
        ("Disallow: /%c3%bc", "/%C3%BCber", False),
        ("Disallow: /a%2Fb", "/a/b", True),
        ("Disallow: /a # why", "/a", False),
        ("disallow : /a", "/a", False),
        ("Disallow: relative", "/relative", True),
        ("Sitemap: https://docs.example/s.xml\nDisallow: /a", "/a", False),
    ],
)
def test_a_rule_says_what_the_standard_says(rules: str, path: str, allowed: bool) -> None:
    assert parse_robots(f"User-agent: *\n{rules}", "Groundwork").allows(path) is allowed


def test_rules_for_us_replace_those_for_all_and_are_put_together() -> None:
    text = (
        "User-agent: groundwork/9\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n"
        "User-agent: GroundWork\nDisallow: /b\n"
    )
    robots = parse_robots(text, "Groundwork")
    assert [robots.allows(path) for path in ("/a", "/b", "/c")] == [False, False, True]


@pytest.mark.parametrize(
    ("line", "delay"),
    [("Crawl-delay: 2.5", 2.5), ("Crawl-delay: 99999", 60), ("Crawl-delay: -1", 0), ("Crawl-delay: ²", 0)],
)
def test_a_host_can_ask_for_time_between_requests(line: str, delay: float) -> None:
    assert parse_robots(f"User-agent: *\n{line}\nDisallow:", "Groundwork").delay_s == delay


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_can_be_read(text: str, path: str) -> None:
    parse_robots(text, "Groundwork").allows(f"/{path}")


@given(st.lists(st.text("ab", max_size=3), max_size=4), st.text("ab", max_size=5))
def test_without_wildcards_disallowing_is_what_pythons_own_parser_does(rules: list[str], path: str) -> None:
    text = "User-agent: *\n" + "".join(f"Disallow: /{rule}\n" for rule in rules)
    theirs = RobotFileParser()
    theirs.parse(text.splitlines())
    assert parse_robots(text, "Groundwork").allows(f"/{path}") == theirs.can_fetch("Groundwork", f"/{path}")


def test_no_pattern_takes_long() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /" + "*a" * 5000 + "b$", "Groundwork")
    started = time.process_time()
    assert robots.allows("/" + "a" * 2000)
    assert time.process_time() - started < 5

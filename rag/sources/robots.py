"""robots.txt (RFC 9309): what a host asks of programs that read it.

Python's own `urllib.robotparser` takes the first rule that fits and reads `*` and `$` in paths as themselves;
the standard takes the longest, and most hosts' rules are written with them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

MAX_BYTES = 512 * 1024  # RFC 9309, 2.5: at least 500 KiB are read
MAX_DELAY_S = 60.0  # a host that asks for more is asked once a minute
_LINE = re.compile(r"^\s*([A-Za-z-]+)\s*:\s*([^#]*?)\s*(?:#.*)?$")
_KEPT = "/*$?&=+,;:@!~()'%"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` with `*` for anything, and `$` at its end for the end of the path."""

    pattern: str
    allows: bool


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for one program.

    Attributes:
        rules: The longest pattern first; of two that are as long, the one that allows.
        delay_s: Seconds between two requests, if the host asks for it (`Crawl-delay`, not in the standard).
    """

    rules: tuple[Rule, ...] = ()
    delay_s: float = 0.0

    def allows(self, path: str) -> bool:
        """Whether the path, with its query, may be read: the first rule that fits says."""
        path = _normal(path)
        return next((rule.allows for rule in self.rules if _fits(rule.pattern, path)), True)


ALLOW_ALL = Robots()


def parse_robots(text: str, agent: str) -> Robots:
    """The rules for the program called `agent`, such as `Groundwork`; those for `*` if none are for it."""
    groups = list(_groups(text))
    own = [group for group in groups if agent.lower() in group.agents]
    chosen = own or [group for group in groups if "*" in group.agents]
    rules = sorted(
        (rule for group in chosen for rule in group.rules),
        key=lambda rule: (-len(rule.pattern), not rule.allows),
    )
    return Robots(tuple(rules), max((group.delay_s for group in chosen), default=0.0))


@dataclass(slots=True)
class _Group:
    agents: set[str]
    rules: list[Rule]
    delay_s: float = 0.0


def _groups(text: str) -> Iterator[_Group]:
    """Lines of `User-agent`, and the rules for them; other lines don't end a group."""
    group = _Group(set(), [])
    in_rules = False
    for key, value in _lines(text):
        if key == "user-agent":
            if in_rules:
                yield group
                group, in_rules = _Group(set(), []), False
            group.agents.add(value.partition("/")[0].lower())  # a version is no part of the name
        elif key in {"allow", "disallow", "crawl-delay"} and group.agents:
            in_rules = True
            if key == "crawl-delay":
                group.delay_s = _seconds(value)
            elif value.startswith(("/", "*")):
                group.rules.append(Rule(_normal(value), allows=key == "allow"))
    yield group


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        found = _LINE.match(line)
        if found is not None:
            yield found[1].lower(), found[2]


def _seconds(value: str) -> float:
    return min(float(value), MAX_DELAY_S) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII) else 0.0


def _normal(path: str) -> str:
    """The path with escapes in one way of writing, so that `/%C3%BC` and `/ü` are the same."""
    parts = re.split(r"(%2[fF]|%2[aA]|%24|%3[fF]|%25)", path)  # escapes that mean something else unescaped
    return "".join(
        part.upper() if n % 2 else quote(unquote_to_bytes(part), safe=_KEPT) for n, part in enumerate(parts)
    )


def _fits(pattern: str, path: str) -> bool:
    """Whether the path begins as the pattern says. Linear: no pattern makes it slow."""
    whole = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if rest and whole else None
    for part in rest:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= at
    return not whole or at == len(path)

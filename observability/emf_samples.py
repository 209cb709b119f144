"""What CloudWatch would draw of embedded-metric-format lines: the search expressions that our dashboards use.

Their grammar is that of "CloudWatch search expression syntax" in its guide: a schema of the namespace and the
names of dimensions, a metric's name, values of dimensions; then a statistic and a period.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SEARCH = re.compile(
    r"""SEARCH\('\{(?P<schema>[^}]*)\} MetricName="(?P<metric>[^"]+)"(?P<where>[^']*)', """
    r"""'(?P<statistic>\w+)', \d+\)"""
)
_WHERE = re.compile(r'"([^"]+)"="([^"]*)"')
_RATIO = re.compile(r"SUM\((SEARCH\(.*?\))\)/SUM\((SEARCH\(.*?\))\)")
_LABEL = re.compile(r"\$\{PROP\('Dim\.([^']+)'\)\}")


@dataclass(frozen=True, slots=True)
class Line:
    """Values of one legend entry, by when their period began (in seconds since 1970)."""

    label: str
    points: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    values: tuple[tuple[float, float], ...]  # with how often each was there


@dataclass(frozen=True, slots=True)
class _Key:
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]

    def fill(self, label: str) -> str:
        """The label with the values of the dimensions that it names."""
        own = dict(self.dimensions)
        return _LABEL.sub(lambda name: own[name[1]], label)


class Samples:
    """What was recorded, by metric and dimensions.

    Args:
        lines: Log lines; those that are no embedded metrics are passed over.
        period_s: Seconds that one value stands for.
    """

    def __init__(self, lines: Iterable[str], *, period_s: int) -> None:
        self._period_s = period_s
        self._samples: dict[_Key, list[_Sample]] = defaultdict(list)
        for line in lines:
            for key, sample in _read(line):
                self._samples[key].append(sample)

    @property
    def span_s(self) -> tuple[float, float] | None:
        """When the first and the last were recorded; None without any."""
        times = [sample.at_s for samples in self._samples.values() for sample in samples]
        return (min(times), max(times)) if times else None

    def lines(self, expression: str, label: str) -> list[Line]:
        """The lines of one expression, in the order of their labels.

        Raises:
            ValueError: The expression is none that our dashboards use.
        """
        if ratio := _RATIO.fullmatch(expression):
            part, whole = (self._total(each) for each in ratio.groups())
            points = {at: part.get(at, 0.0) / of for at, of in whole.items() if of}
            return [Line(label, points)] if points else []
        found = [Line(key.fill(label), points) for key, points in self._search(expression)]
        return sorted(found, key=lambda line: line.label)

    def _total(self, expression: str) -> dict[int, float]:
        total: dict[int, float] = defaultdict(float)
        for _, points in self._search(expression):
            for at, value in points.items():
                total[at] += value
        return dict(sorted(total.items()))

    def _search(self, expression: str) -> Iterator[tuple[_Key, dict[int, float]]]:
        read = _SEARCH.fullmatch(expression)
        if read is None:
            raise ValueError(f"not a search that can be drawn: {expression}")
        namespace, *names = read["schema"].split(",")
        wanted = dict(_WHERE.findall(read["where"]))
        for key, samples in self._samples.items():
            own = dict(key.dimensions)
            is_meant = (key.namespace, key.metric, set(own)) == (namespace, read["metric"], set(names))
            if is_meant and wanted.items() <= own.items():
                yield key, self._by_period(samples, read["statistic"])

    def _by_period(self, samples: Iterable[_Sample], statistic: str) -> dict[int, float]:
        periods: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for sample in samples:
            periods[int(sample.at_s // self._period_s * self._period_s)].extend(sample.values)
        return {at: _statistic(statistic, values) for at, values in sorted(periods.items())}


def _read(line: str) -> Iterator[tuple[_Key, _Sample]]:
    try:
        document = json.loads(line)
        declared, at_ms = document["_aws"]["CloudWatchMetrics"], document["_aws"]["Timestamp"]
    except (ValueError, TypeError, KeyError):
        return
    for each in declared:
        for names in each["Dimensions"]:
            dimensions = tuple((name, str(document[name])) for name in names)
            for metric in each["Metrics"]:
                key = _Key(each["Namespace"], metric["Name"], dimensions)
                yield key, _Sample(at_ms / 1000, _values(document[metric["Name"]]))


def _values(recorded: Any) -> tuple[tuple[float, float], ...]:
    if isinstance(recorded, dict):
        return tuple(zip(recorded["Values"], recorded["Counts"], strict=True))
    return ((recorded, 1.0),)


def _statistic(name: str, values: list[tuple[float, float]]) -> float:
    if name == "Sum":
        return sum(value * count for value, count in values)
    if name == "Maximum":
        return max(value for value, _ in values)
    if name == "Average":
        return _statistic("Sum", values) / sum(count for _, count in values)
    rank = math.ceil(float(name.removeprefix("p")) / 100 * sum(count for _, count in values))
    seen = 0.0
    for value, count in sorted(values):
        seen += count
        if seen >= rank:
            return value
    raise AssertionError

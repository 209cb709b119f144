"""Counts and measures by the registry: what is recorded costs a look-up in a dictionary, no more."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector, CollectorRegistry

from observability.registry import METRICS, Kind, Metric

OTHER = "other"
# Of a label whose values settings and code say; a service with more of them counts the rest together.
MOST_VALUES = 100

Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """How many values fell into each bucket; the last is that of all larger ones."""

    counts: list[int]
    sum: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Series:
    """A metric with values of its labels, and what was recorded under them."""

    metric: Metric
    labels: Labels
    value: float | Histogram


@dataclass(slots=True)
class Metrics:
    """What a process has recorded since its start; it may be told from any thread.

    Attributes:
        enabled: Without it, nothing is recorded.
    """

    enabled: bool = True
    _lock: Lock = field(default_factory=Lock)
    _numbers: dict[tuple[Metric, Labels], float] = field(default_factory=dict)
    _histograms: dict[tuple[Metric, Labels], Histogram] = field(default_factory=dict)
    _seen: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def count(self, metric: Metric, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter."""
        if self.enabled:
            with self._lock:
                key = metric, self._bounded(metric, labels)
                self._numbers[key] = self._numbers.get(key, 0.0) + amount

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Set a gauge, or a counter that is kept elsewhere."""
        if self.enabled:
            with self._lock:
                self._numbers[metric, self._bounded(metric, labels)] = value

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Add a value to a histogram."""
        if not self.enabled:
            return
        with self._lock:
            key = metric, self._bounded(metric, labels)
            histogram = self._histograms.get(key)
            if histogram is None:
                histogram = self._histograms[key] = Histogram([0] * (len(metric.buckets) + 1))
            histogram.counts[bisect_left(metric.buckets, value)] += 1
            histogram.sum += value

    def series(self) -> list[Series]:
        """Copies of all that was recorded, by metric in the registry's order."""
        with self._lock:
            found = [Series(metric, labels, value) for (metric, labels), value in self._numbers.items()]
            for (metric, labels), known in self._histograms.items():
                found.append(Series(metric, labels, Histogram([*known.counts], known.sum)))
        order = {metric: position for position, metric in enumerate(METRICS)}
        return sorted(found, key=lambda each: (order[each.metric], each.labels))

    def exposition(self) -> bytes:
        """In Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self.series()))
        return generate_latest(registry)

    def _bounded(self, metric: Metric, labels: dict[str, str]) -> Labels:
        return tuple(
            value if value in label.values or (not label.values and self._admits(metric, label.name, value))
            else OTHER
            for label, value in ((label, labels[label.name]) for label in metric.labels)
        )  # fmt: skip

    def _admits(self, metric: Metric, label: str, value: str) -> bool:
        seen = self._seen.setdefault((metric.name, label), set())
        if value not in seen and len(seen) < MOST_VALUES:
            seen.add(value)
        return value in seen


class _Families(Collector):
    """What was recorded, as the Prometheus client writes it."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            yield _family(metric, [each for each in self._series if each.metric is metric])


def _family(metric: Metric, series: Iterable[Series]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histograms = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.label_names)
        for each in series:
            if isinstance(each.value, Histogram):
                buckets = list(_cumulative(metric, each.value))
                histograms.add_metric(each.labels, buckets, each.value.sum)
        return histograms
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    numbers = family(metric.full_name, metric.help, labels=metric.label_names)
    for each in series:
        if isinstance(each.value, float | int):
            numbers.add_metric(each.labels, each.value)
    return numbers


def _cumulative(metric: Metric, histogram: Histogram) -> Iterator[tuple[str, float]]:
    so_far = 0
    for bound, count in zip((*map(str, metric.buckets), "+Inf"), histogram.counts, strict=True):
        so_far += count
        yield bound, so_far

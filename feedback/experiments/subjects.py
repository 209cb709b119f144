"""Subjects from rows. The subject is what was assigned, so it is what is counted.

Two requests of one user are alike, and share that user's variant: counted as independent observations they
would make every interval too narrow (Deng, Lu and Litz, "Trustworthy Analysis of Online A/B Tests", WSDM
2017).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from feedback.experiments.metrics import Kind, Metric, measure
from feedback.experiments.ratios import Sums
from feedback.experiments.rows import Row
from rag.errors import InvalidInputError

NO_SEGMENT = "(none)"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who was exposed to one variant, and all rows of theirs.

    Attributes:
        exposed_at: The earliest time in their rows, whatever order the rows are in.
        segments: Of the earliest row: what happens after the exposure may be the variant's doing.
    """

    variant: str
    exposed_at: datetime
    segments: Mapping[str, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """All subjects that count, and how many don't.

    Attributes:
        crossed: Subjects seen in two variants: neither variant's effect on them can be told.
        from_the_future: Subjects whose first exposure lies after the analysis, so that a clock is wrong.
    """

    subjects: tuple[Subject, ...]
    crossed: int
    from_the_future: int

    def counts(self) -> Mapping[str, int]:
        return Counter(subject.variant for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of the subjects of one variant, in the order of their exposure.

    Attributes:
        days: The day of each exposure, as its proleptic ordinal, never falling.
    """

    variant: str
    sums: Sums
    days: NDArray[np.int64]

    def until(self, day: int) -> "Sample":
        """Of the subjects that were exposed by the end of a day."""
        size = int(np.searchsorted(self.days, day, side="right"))
        sums = Sums(self.sums.numerators[:size], self.sums.denominators[:size])
        return Sample(self.variant, sums, self.days[:size])


def gather(rows: Iterable[Row], *, variants: Iterable[str] | None, now: datetime) -> Population:
    """The subjects of these rows.

    Args:
        rows: In any order.
        variants: All that there are; None takes those in the rows.
        now: Of the analysis.

    Raises:
        InvalidInputError: A row names an unknown variant.
    """
    known = None if variants is None else frozenset(variants)
    by_subject: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if known is not None and row.variant not in known:
            raise InvalidInputError(f"{row.origin}: unknown variant {row.variant!r}")
        by_subject[row.subject].append(row)
    in_one = [own for own in by_subject.values() if len({row.variant for row in own}) == 1]
    subjects = [_subject(own) for own in in_one]
    past = sorted((s for s in subjects if s.exposed_at <= now), key=lambda s: s.exposed_at)
    return Population(tuple(past), len(by_subject) - len(in_one), len(subjects) - len(past))


def with_kind(metric: Metric, subjects: Sequence[Subject]) -> Metric:
    """The metric, with its kind from the data if it has none."""
    if metric.kind is not None:
        return metric
    values = {value[0] for subject in subjects if (value := measure(metric, subject.rows))}
    return replace(metric, kind=Kind.PROPORTION if values <= {0.0, 1.0} else Kind.MEAN)


def sample(metric: Metric, subjects: Iterable[Subject], variant: str) -> Sample:
    """The metric of a variant's subjects; those of whom it wasn't measured are left out.

    Raises:
        InvalidInputError: A value can't be used (`feedback.experiments.metrics.measure`).
    """
    own = ((s, measure(metric, s.rows)) for s in subjects if s.variant == variant)
    measured = [(subject.exposed_at, value) for subject, value in own if value is not None]
    pairs = np.array([value for _, value in measured], float).reshape(-1, 2)
    days = np.array([time.toordinal() for time, _ in measured], np.int64)
    return Sample(variant, Sums(pairs[:, 0], pairs[:, 1]), days)


def segment_values(subjects: Iterable[Subject]) -> list[tuple[str, str]]:
    """Each segment column with each of its values, largest first within a column."""
    counted: Counter[tuple[str, str]] = Counter()
    everyone = list(subjects)
    columns = sorted({column for subject in everyone for column in subject.segments})
    for subject in everyone:
        counted.update((column, subject.segments.get(column, NO_SEGMENT)) for column in columns)
    return sorted(counted, key=lambda segment: (segment[0], -counted[segment], segment[1]))


def is_in(subject: Subject, segment: tuple[str, str]) -> bool:
    column, value = segment
    return subject.segments.get(column, NO_SEGMENT) == value


def day_of(ordinal: int) -> str:
    """An ISO date in UTC."""
    return date.fromordinal(ordinal).isoformat()


def _subject(rows: Sequence[Row]) -> Subject:
    first = min(rows, key=lambda row: row.exposed_at)
    return Subject(first.variant, first.exposed_at, first.segments, tuple(rows))

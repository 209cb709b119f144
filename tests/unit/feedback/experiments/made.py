"""Made-up experiments."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from feedback.experiments.rows import Row, make_row

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=60)


def row(subject: str, variant: str, *, at: datetime = START, **fields: Any) -> Row:
    record = {"subject": subject, "variant": variant, "exposed_at": at.isoformat(), **fields}
    return make_row(f"line of {subject}", record)


def experiment(
    rates: Mapping[str, float],
    *,
    subjects: int = 2000,
    days: int = 10,
    seed: int = 0,
    **columns: Sequence[Any],
) -> list[Row]:
    """As many subjects of each variant, of whom exactly this share converted, in random order over the days.

    Other columns are taken in turn, those of the variants one after the other.
    """
    random = np.random.default_rng(seed)
    rows = []
    for place, (variant, rate) in enumerate(rates.items()):
        converted = random.permutation(np.arange(subjects) < round(rate * subjects))
        for at in range(subjects):
            others = {name: values[(place * subjects + at) % len(values)] for name, values in columns.items()}
            time = START + timedelta(days=days * at / subjects)
            rows.append(row(f"{variant}-{at}", variant, at=time, converted=int(converted[at]), **others))
    return rows

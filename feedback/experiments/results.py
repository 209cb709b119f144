"""An analysis as JSON; docs/experiments.md describes it."""

import json
from dataclasses import asdict
from datetime import datetime

from feedback.experiments.analysis import Analysis

FORMAT = 1


def to_json(analysis: Analysis) -> str:
    """Everything that the analysis holds; what can't be told is null, never NaN."""
    record = {"format": FORMAT, **asdict(analysis)}
    return json.dumps(record, default=_written, allow_nan=False, ensure_ascii=False, indent=2) + "\n"


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")

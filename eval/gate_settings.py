"""How strict the gate is, from a TOML or JSON file."""

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from eval.report.results import CHECKED, MetricName, Score, first_mistake
from rag.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Threshold:
    """A mean below `fail` fails, one below `warn` warns."""

    fail: Score
    warn: Score

    def __post_init__(self) -> None:
        if self.warn < self.fail:
            raise ValueError(f"warn ({self.warn:g}) is below fail ({self.fail:g})")


DEFAULT_THRESHOLDS = {
    "faithfulness": Threshold(fail=0.75, warn=0.80),
    "contextual_relevancy": Threshold(fail=0.70, warn=0.75),
    "answer_relevancy": Threshold(fail=0.75, warn=0.80),
}


JUDGED_METRIC = "faithfulness"
# Of what is measured without a judge.
OFFLINE_METRIC = "answer_correctness"
OFFLINE_THRESHOLDS = {
    "groundedness": Threshold(fail=0.75, warn=0.80),
    "citation_validity": Threshold(fail=0.95, warn=1.0),
    "embedding_relevance": Threshold(fail=0.40, warn=0.45),
}


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class GateSettings:
    """How strict the gate is.

    Attributes:
        primary_metric: The one whose drop fails.
        thresholds: Of the means; each of these metrics must be measured.
        min_measured_share: Of the cases that a metric applies to; below it the metric is inconclusive.
        min_pairs: Cases measured in both runs that a comparison needs.
        non_inferiority_margin: The drop that must be ruled out, of the metrics named above.
        confidence: Of all intervals, and one less it the level of all tests.
        resamples: Of each bootstrap and permutation test.
        seed: Of the same.
    """

    primary_metric: MetricName = JUDGED_METRIC
    thresholds: Mapping[MetricName, Threshold] = field(default_factory=lambda: DEFAULT_THRESHOLDS)
    min_measured_share: Score = 0.95
    min_pairs: Annotated[int, Field(ge=2)] = 30
    non_inferiority_margin: Annotated[float, Field(gt=0, le=1)] = 0.05
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=1000, le=1_000_000)] = 5000
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def gated_metrics(self) -> tuple[str, ...]:
        """Those that must be measured, the primary one first."""
        return tuple(dict.fromkeys((self.primary_metric, *self.thresholds)))


def settings_for(metrics: Collection[str]) -> GateSettings:
    """Those for a run with these metrics, whether or not a model has judged it."""
    if OFFLINE_METRIC not in metrics:
        return GateSettings()
    known = {**OFFLINE_THRESHOLDS, **DEFAULT_THRESHOLDS}
    thresholds = {name: threshold for name, threshold in known.items() if name in metrics}
    return GateSettings(primary_metric=OFFLINE_METRIC, thresholds=thresholds)


_SETTINGS: TypeAdapter[GateSettings] = TypeAdapter(GateSettings)


def read_gate_settings(path: Path) -> GateSettings:
    """The settings of a TOML file, or of a JSON file named *.json.

    Raises:
        InvalidInputError: The file can't be read, or something in it, which the message names, is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = text if path.suffix == ".json" else json.dumps(tomllib.loads(text), default=str)
        return _SETTINGS.validate_json(data)
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise InvalidInputError(f"{path}: {first_mistake(exc)}") from exc
    except ValueError as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc

"""The model card: where a model comes from and what it is worth, as JSON and for people.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. It quotes no question and no passage.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.baseline import MetricChange
from feedback.flywheel.judge import Judgement
from feedback.flywheel.learn import Learned
from rag.models.learned_reranker import MODEL_FILE, write_weights

CARD_JSON, CARD_MARKDOWN = "card.json", "card.md"
LIMITS = """It ranks what the search has found, by words and scores: it knows no meaning beyond the embedding
model's. It is this tenant's: elsewhere people ask and documents are written otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who made a model, when, and of what.

    Attributes:
        tenant_id: Whose sessions it learned from.
        created_at: In ISO 8601.
        days: How far back the sessions go.
        current: The reranker that it was compared with.
        collected: Answers that were looked at, and why some are no sessions.
    """

    name: str
    tenant_id: str
    created_by: str
    created_at: str
    git_revision: str
    days: int
    current: str
    collected: Mapping[str, int]


def model_files(learned: Learned, judgement: Judgement, origin: Origin) -> dict[str, bytes]:
    """The files of a version: weights, and the card twice."""
    card = _card(learned, judgement, origin)
    return {
        MODEL_FILE: write_weights(learned.weights),
        CARD_JSON: json.dumps(card, indent=2, allow_nan=False).encode() + b"\n",
        CARD_MARKDOWN: _markdown(learned, judgement, origin).encode(),
    }


def _card(learned: Learned, judgement: Judgement, origin: Origin) -> dict[str, Any]:
    return {
        **asdict(origin),
        "data_version": learned.data_version,
        "counts": dict(learned.counts),
        "training": {"loss": "softmax, inverse propensity", "ridge": learned.ridge, "floor": learned.floor},
        "propensities": asdict(learned.propensities),
        "features": [asdict(feature) for feature in learned.features],
        "evaluation": {
            "dataset": judgement.dataset[0],
            "dataset_version": judgement.dataset[1],
            "cases": judgement.cases,
            "gain": judgement.gain,
            "refusals": list(judgement.refusals),
            "metrics": [_metric(change) for change in judgement.changes],
        },
    }


def _metric(change: MetricChange) -> dict[str, Any]:
    return {
        "metric": change.metric,
        "current": change.baseline_mean,
        "candidate": change.candidate_mean,
        "difference": change.difference.value,
        "low": change.difference.low,
        "high": change.difference.high,
        "pairs": change.pairs,
    }


def _markdown(learned: Learned, judgement: Judgement, origin: Origin) -> str:
    sections = (
        _summary(learned, judgement, origin),
        _data(learned, origin),
        _evaluation(judgement),
        _features(learned),
        ["## Limits", "", LIMITS],
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _summary(learned: Learned, judgement: Judgement, origin: Origin) -> list[str]:
    verdict = "passed the gate" if judgement.is_promoted else "did not pass the gate"
    gain = f"{judgement.gain:.4f} times the mean reciprocal rank of {origin.current}"
    dataset, version = judgement.dataset
    return [
        f"# {origin.name}",
        "",
        f"A linear reranker, learned from what users did with answers. It {verdict}: {gain}.",
        "",
        f"- Made by {origin.created_by} at {origin.created_at}, code {origin.git_revision}",
        f"- Data version `{learned.data_version}`: tenant {origin.tenant_id}, last {origin.days} days",
        f"- Golden set {dataset}, version `{version}`: none of its questions was learned from",
    ]


def _data(learned: Learned, origin: Origin) -> list[str]:
    found = learned.propensities
    looked = ", ".join(f"{value:.3f}" for value in found.values)
    counts = [*origin.collected.items(), *learned.counts.items()]
    return [
        "## Data",
        "",
        *_table(("Count", ""), counts),
        "",
        f"How likely each place is looked at, by {found.method} from {found.clicks} clicks: {looked}.",
        f"A click counts one over that, and at most {1 / learned.floor:g} times.",
    ]


def _evaluation(judgement: Judgement) -> list[str]:
    rows = [(c.metric, _3(c.baseline_mean), _3(c.candidate_mean), _interval(c)) for c in judgement.changes]
    return [
        f"## On {judgement.cases} golden questions",
        "",
        *_table(("Metric", "Today", "This model", "Difference, 95 %"), rows),
        *(f"\nRefused: {refusal}." for refusal in judgement.refusals),
    ]


def _features(learned: Learned) -> list[str]:
    rows = [(f.name, f"{f.weight:+.3f}", _3(f.mean_abs_shap)) for f in learned.features]
    return [
        "## Features",
        "",
        "Weights are of standardised features; mean |SHAP| is how far each moves a score, on average.",
        "",
        *_table(("Feature", "Weight", "Mean \\|SHAP\\|"), rows),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def _3(value: float) -> str:
    return f"{value:.3f}"


def _interval(change: MetricChange) -> str:
    d = change.difference
    return f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"

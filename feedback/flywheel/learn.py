"""From screened sessions to a model: propensities, weights, and what each feature is worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eval.logistic import Matrix
from feedback.flywheel.propensity import FLOOR, Propensities, estimate_propensities
from feedback.flywheel.screen import Screened
from feedback.flywheel.sessions import data_version
from feedback.flywheel.train import LinearRanking, train_ranking
from rag.models.learned_reranker import RerankerWeights
from rag.models.rerank_features import FEATURES


@dataclass(frozen=True, slots=True)
class FeatureWorth:
    """What a feature does to scores.

    Attributes:
        weight: Of the standardised feature.
        mean_abs_shap: Mean of |weight · (x − mean) / scale| over the training rows. For a linear model these
            are its SHAP values exactly (Lundberg and Lee, NeurIPS 2017, for independent features).
    """

    name: str
    weight: float
    mean_abs_shap: float


@dataclass(frozen=True, slots=True)
class Learned:
    """A model with where it comes from.

    Attributes:
        weights: The model.
        propensities: What its clicks were weighted by.
        data_version: Hash of what it learned from.
        counts: How much that was.
        features: The most telling first.
        floor: Least propensity that a click was divided by.
        ridge: That cross-validation chose.
    """

    weights: RerankerWeights
    propensities: Propensities
    data_version: str
    counts: Mapping[str, int]
    features: tuple[FeatureWorth, ...]
    floor: float
    ridge: float


def learn(screened: Screened, *, floor: float = FLOOR) -> Learned:
    """The model that the sessions teach.

    Raises:
        InvalidInputError: They are too few, or say nothing of places; the message says what is missing.
    """
    sessions = screened.sessions
    propensities = Propensities((), "none", 0)  # what people approved of needs none
    if any(session.clicked.any() for session in sessions):
        propensities = estimate_propensities(sessions)
    ranking = train_ranking(sessions, propensities.weights(floor))
    weights = reranker_weights(ranking)
    rows = np.vstack([session.features for session in sessions if session.is_telling])
    return Learned(
        weights=weights,
        propensities=propensities,
        data_version=data_version(sessions),
        counts={
            "sessions": len(sessions),
            "left_out_as_golden": screened.left_out,
            "telling_sessions": sum(session.is_telling for session in sessions),
            "questions": len({session.key for session in sessions}),
            "clicks": int(sum(session.clicked.sum() for session in sessions)),
            "approved_passages": int(sum(session.approved.sum() for session in sessions)),
        },
        features=_worth(weights, rows),
        floor=floor,
        ridge=ranking.ridge,
    )


def reranker_weights(ranking: LinearRanking) -> RerankerWeights:
    """The ranking as a model file has it."""
    return RerankerWeights(
        features=FEATURES,
        mean=tuple(ranking.mean.tolist()),
        scale=tuple(ranking.scale.tolist()),
        weights=tuple(ranking.weights.tolist()),
    )


def _worth(weights: RerankerWeights, rows: Matrix) -> tuple[FeatureWorth, ...]:
    shap = np.abs(weights.contributions(rows)).mean(axis=0)
    found = (
        FeatureWorth(name, weight, float(worth))
        for name, weight, worth in zip(FEATURES, weights.weights, shap, strict=True)
    )
    return tuple(sorted(found, key=lambda one: -one.mean_abs_shap))

"""Ridge logistic regression: what the fitted models of the extractive answerer and of groundedness are."""

import numpy as np
from numpy.typing import NDArray

RIDGE = 1.0
_ITERATIONS = 15
_CONSTANT = 1e-6  # a column that varies less gets no weight

Matrix = NDArray[np.float64]


def fit_logistic(
    matrix: Matrix, labels: NDArray[np.bool_], *, worth: Matrix | None = None, ridge: float = RIDGE
) -> tuple[Matrix, float]:
    """Weights and bias by iteratively reweighted least squares, over standardised columns.

    Args:
        matrix: A row per example.
        labels: Which examples are positive.
        worth: How much each example counts; 1 each by default.
        ridge: Penalty of half the squared weights of the standardised columns; the bias has none.
    """
    counts = np.ones(len(matrix)) if worth is None else worth
    mean, scale = matrix.mean(0), column_scale(matrix)
    design = np.column_stack([(matrix - mean) / scale, np.ones(len(matrix))])
    penalty = ridge * np.diag(np.r_[np.ones(matrix.shape[1]), 0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        chance = sigmoid(design @ weights)
        gradient = design.T @ (counts * (labels - chance)) - penalty @ weights
        hessian = (design * (counts * chance * (1 - chance))[:, None]).T @ design + penalty
        weights += np.linalg.solve(hessian, gradient)
    slopes = weights[:-1] / scale
    return slopes, float(weights[-1] - slopes @ mean)


def column_scale(matrix: Matrix) -> Matrix:
    """Each column's standard deviation; so large for a constant one that it gets no weight."""
    deviation = matrix.std(0)
    scale: Matrix = np.where(deviation > _CONSTANT, deviation, 1e9)
    return scale


def sigmoid(logits: Matrix) -> Matrix:
    chance: Matrix = 1 / (1 + np.exp(-logits))
    return chance

"""Fits the weights of `eval.groundedness_weights` and prints how they do on answers held out.

    python -m eval.fit_groundedness

A fit takes each example's worst sentence, as the score does: which one that is depends on the weights, so it
is fitted three times. Figures are cross-fitted: the examples are dealt into folds by their source, each fold
is scored with weights of the others, and the area under the ROC curve is taken over all. "Transfer" fits on
the other sets only. The floor is plain word recall; the gain over it has a paired bootstrap interval.

Environment:
    GROUNDWORK_BENCH_DATA: folder of the shared data sets; default `../shared/data`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.datasets import data_folder
from eval.fit_extractive import CachedEncoder
from eval.groundedness import UNDECIDED, GroundednessScorer
from eval.groundedness_data import (
    GroundednessExample,
    Kind,
    load_altered,
    load_begin,
    load_halueval,
)
from eval.groundedness_features import FEATURES
from eval.groundedness_weights import GroundednessWeights
from eval.logistic import Matrix, fit_logistic, sigmoid
from eval.metrics import Interval, auroc, bootstrap_interval
from rag.models.minilm import MiniLMEmbeddings
from rag.words import content_words

# What a set counts, whatever its size. People's judgments come first; HaluEval would mostly teach that short
# answers are right; the altered sentences tell the weight of numbers and negations, of which BEGIN has few.
WORTH = {"BEGIN": 1.0, "HaluEval": 0.2, "altered ClapNQ": 0.05}
EXAMPLES = 430  # that a set of worth 1 counts for: as many as BEGIN has
FOLDS = 10
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSet:
    """A set of examples, measured.

    Attributes:
        rows: For each example its claims' rows; none where it claims nothing.
        floor: Word recall of each.
    """

    name: str
    examples: tuple[GroundednessExample, ...]
    rows: tuple[Matrix, ...]
    floor: Matrix

    @property
    def labels(self) -> NDArray[np.bool_]:
        return np.array([example.grounded for example in self.examples])

    def only(self, chosen: NDArray[np.bool_]) -> "MeasuredSet":
        kept = np.flatnonzero(chosen)
        return MeasuredSet(
            self.name,
            tuple(self.examples[i] for i in kept),
            tuple(self.rows[i] for i in kept),
            self.floor[kept],
        )


def load_sets(encoder: MiniLMEmbeddings) -> dict[str, list[GroundednessExample]]:
    folder = data_folder()
    samples = folder / "halueval_qa_sample"
    return {
        "BEGIN": load_begin(folder / "begin_wow" / "begin_dev_wow.tsv"),
        "HaluEval": load_halueval([samples / f"qa_{turns}-turn_data.jsonl" for turns in ("one", "multi")]),
        "altered ClapNQ": load_altered(folder / "clapnq_dev" / "clapnq_dev_answerable.jsonl", encoder),
    }


def measure_sets(encoder: MiniLMEmbeddings) -> dict[str, MeasuredSet]:
    scorer = GroundednessScorer(CachedEncoder(encoder))
    return {name: measure_set(name, examples, scorer) for name, examples in load_sets(encoder).items()}


def measure_set(
    name: str, examples: Sequence[GroundednessExample], scorer: GroundednessScorer
) -> MeasuredSet:
    rows = tuple(scorer.measure(example.answer, example.sources).matrix for example in examples)
    return MeasuredSet(name, tuple(examples), rows, np.array([word_recall(e) for e in examples]))


def word_recall(example: GroundednessExample) -> float:
    """The floor: share of the answer's content words, by their first five letters, that the sources have."""
    words = content_words(example.answer)
    found = set(content_words(" ".join(example.sources)))
    return sum(word in found for word in words) / len(words) if words else 0.0


def fit(sets: Sequence[MeasuredSet]) -> GroundednessWeights:
    claiming = [each.only(np.array([len(matrix) > 0 for matrix in each.rows])) for each in sets]
    labels = np.concatenate([each.labels for each in claiming])
    worth = np.concatenate(
        [np.full(len(each.rows), WORTH[each.name] * EXAMPLES / len(each.rows)) for each in claiming]
    )
    rows = [matrix for each in claiming for matrix in each.rows]
    chosen = np.stack([matrix.mean(0) for matrix in rows])
    for _ in range(_ROUNDS):
        slopes, bias = fit_logistic(chosen, labels, worth=worth)
        chosen = np.stack([matrix[int((matrix @ slopes).argmin())] for matrix in rows])
    return GroundednessWeights(slopes, bias)


def score_set(measured: MeasuredSet, weights: GroundednessWeights) -> Matrix:
    """As `GroundednessScorer` scores: by the worst claim."""
    logits = [(matrix @ weights.slopes + weights.bias).min(initial=np.inf) for matrix in measured.rows]
    return np.where(np.isinf(logits), UNDECIDED, sigmoid(np.array(logits)))


def deal_folds(measured: MeasuredSet, *, folds: int = FOLDS, seed: int = 0) -> NDArray[np.intp]:
    """The fold of each example; a group stays together."""
    groups = sorted({example.group for example in measured.examples})
    order = np.random.default_rng(seed).permutation(len(groups)) % folds
    fold = dict(zip(groups, order, strict=True))
    return np.array([fold[example.group] for example in measured.examples])


def cross_fit(sets: Mapping[str, MeasuredSet], *, seed: int = 0) -> dict[str, Matrix]:
    """Each set's scores, with weights fitted on the other folds of all sets."""
    dealt = {name: deal_folds(each, seed=seed) for name, each in sets.items()}
    scores = {name: np.empty(len(each.rows)) for name, each in sets.items()}
    for fold in range(FOLDS):
        weights = fit([each.only(dealt[name] != fold) for name, each in sets.items()])
        for name, each in sets.items():
            held_out = dealt[name] == fold
            scores[name][held_out] = score_set(each.only(held_out), weights)
    return scores


def transfer(sets: Mapping[str, MeasuredSet], to: str, *, sources: Sequence[str]) -> float:
    """The area under the curve on a set, with weights fitted on others only."""
    return auroc(score_set(sets[to], fit([sets[name] for name in sources])), sets[to].labels)


def area(scores: Matrix, measured: MeasuredSet) -> Interval:
    labels = measured.labels
    return bootstrap_interval(lambda drawn: auroc(scores[drawn], labels[drawn]), len(labels))


def gain(scores: Matrix, measured: MeasuredSet) -> Interval:
    """The area above the floor's, over the same draws."""
    labels, floor = measured.labels, measured.floor
    return bootstrap_interval(
        lambda drawn: auroc(scores[drawn], labels[drawn]) - auroc(floor[drawn], labels[drawn]), len(labels)
    )


def by_kind(scores: Matrix, measured: MeasuredSet) -> dict[Kind, float]:
    """How well right sentences are told from those altered in one way."""
    kinds = np.array([example.kind for example in measured.examples])
    labels = measured.labels
    return {
        kind: auroc(scores[chosen], labels[chosen])
        for kind in Kind
        if (chosen := (kinds == kind) | labels).any() and not labels[chosen].all()
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _shown(figure: Interval) -> str:
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


def say_weights(weights: GroundednessWeights) -> None:
    for name, slope in zip(FEATURES, weights.slopes, strict=True):
        _say(f"    {name}={slope:.3f},")
    _say(f"    bias={weights.bias:.3f},")


def main() -> None:
    sets = measure_sets(MiniLMEmbeddings.load())
    say_weights(fit(list(sets.values())))
    scores = cross_fit(sets)
    for name, each in sets.items():
        others = [other for other in sets if other != name]
        _say(f"{name}: {len(each.rows)} answers, {each.labels.sum()} of them grounded")
        _say(f"  floor {auroc(each.floor, each.labels):.4f}, cross-fitted {_shown(area(scores[name], each))}")
        _say(f"  gain over the floor {_shown(gain(scores[name], each))}")
        _say(f"  transfer from {' and '.join(others)}: {transfer(sets, name, sources=others):.4f}")
        for other in others:
            _say(f"  transfer from {other} alone: {transfer(sets, name, sources=[other]):.4f}")
    for kind, value in by_kind(scores["altered ClapNQ"], sets["altered ClapNQ"]).items():
        _say(f"  {kind}: {value:.4f}")


if __name__ == "__main__":
    main()

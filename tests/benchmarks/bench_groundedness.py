"""Groundedness without a judge: cross-fitted figures on three sets, and the shipped weights' speed.

The floor is plain word recall. "Transfer" is measured with weights fitted on the other sets only. Undecided
are answers that claim nothing by themselves, such as a bare "Yes".
"""

import time

import numpy as np

from eval.fit_groundedness import (
    MeasuredSet,
    area,
    by_kind,
    cross_fit,
    gain,
    load_sets,
    measure_set,
    transfer,
)
from eval.groundedness import UNDECIDED, GroundednessScorer
from eval.logistic import Matrix
from eval.metrics import Interval, auroc
from rag.models.minilm import MiniLMEmbeddings
from tests.benchmarks.report import BenchmarkRow, at_least, for_information, print_table

ALTERED = "altered ClapNQ"
LEAST_AREA = {"BEGIN": 0.95, "HaluEval": 0.93, ALTERED: 0.85}


def run() -> list[BenchmarkRow]:
    encoder = MiniLMEmbeddings.load()
    scorer = GroundednessScorer(encoder)
    sets: dict[str, MeasuredSet] = {}
    speeds = {}
    for name, examples in load_sets(encoder).items():
        start = time.perf_counter()
        sets[name] = measure_set(name, examples, scorer)
        speeds[name] = len(examples) / (time.perf_counter() - start)
    scores = cross_fit(sets)
    rows = [row for name in sets for row in _rows(sets, name, scores[name])]
    kinds = by_kind(scores[ALTERED], sets[ALTERED]).items()
    return [
        *rows,
        *(for_information(f"{ALTERED}: {kind}, AUROC", value) for kind, value in kinds),
        *(at_least(f"{name}: speed", speeds[name], 20, "pairs/s") for name in ("BEGIN", "HaluEval")),
        for_information(f"{ALTERED}: speed, with up to four passages", speeds[ALTERED], "pairs/s"),
    ]


def _rows(sets: dict[str, MeasuredSet], name: str, scores: Matrix) -> list[BenchmarkRow]:
    measured = sets[name]
    total, gained = area(scores, measured), gain(scores, measured)
    others = [other for other in sets if other != name]
    return [
        for_information(f"{name}: answers", len(measured.rows)),
        for_information(f"{name}: word recall (floor), AUROC", auroc(measured.floor, measured.labels)),
        for_information(f"{name}: shortness alone, AUROC", auroc(_shortness(measured), measured.labels)),
        at_least(f"{name}: AUROC, 95 % interval {_bounds(total)}", total.value, LEAST_AREA[name]),
        at_least(f"{name}: gain over the floor {_bounds(gained)}, lower bound", gained.low, 1e-9),
        for_information(
            f"{name}: AUROC with undecided answers counted as 0",
            auroc(np.where(scores == UNDECIDED, 0, scores), measured.labels),
        ),
        at_least(
            f"{name}: transfer from the other sets, AUROC",
            transfer(sets, name, sources=others),
            LEAST_AREA[name],
        ),
    ]


def _shortness(measured: MeasuredSet) -> Matrix:
    return np.array([-float(len(example.answer)) for example in measured.examples])


def _bounds(interval: Interval) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    print_table(run())

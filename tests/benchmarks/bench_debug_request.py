"""Faults that are told: the share of requests with a fault whose `primary_cause` names it.

114 faults, six of each of 19 kinds, and 30 controls, in random order, over the sample of SQuAD 2.0 in
`eval/datasets`. Set GROUNDWORK_BENCH_SEED for another draw.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence

from app.evaluation.corpus import folder_services
from app.settings import Settings
from rag.models.local import LocalModels
from tests.benchmarks.faults import CONTROLS, FAULTS, SAMPLE, Told, open_lab, tell_all
from tests.benchmarks.report import BenchmarkRow, at_least, for_information, print_table
from tests.standins.chat_servers import chat_server

REPETITIONS = int(os.environ.get("GROUNDWORK_BENCH_REPETITIONS", "6"))
CONTROL_REPETITIONS = 10
QUESTIONS = 24
SEED = int(os.environ.get("GROUNDWORK_BENCH_SEED", "0"))


async def _measure() -> list[Told]:
    local = LocalModels()
    settings = Settings(_env_file=None, db_connections=4, role="api", log_level="ERROR")
    with chat_server() as server:
        os.environ |= {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "sk-test"}
        async with (
            folder_services([SAMPLE], settings, local=local) as services,
            open_lab(services, local, server, questions=QUESTIONS, seed=SEED) as lab,
        ):
            return await tell_all(
                lab, faults=REPETITIONS * len(FAULTS), controls=CONTROL_REPETITIONS * len(CONTROLS)
            )


def print_confusions(told: Sequence[Told]) -> None:
    """Each kind of fault with what was told of it."""
    for fault, expected in (*FAULTS, *CONTROLS):
        named = Counter(each.story.primary_cause.value for each in told if each.fault == fault.__name__)
        said = ", ".join(f"{cause} {count}" for cause, count in named.most_common())
        print(f"{fault.__name__:<20} {expected.value:<22} {said}")
    for each in told:
        if not each.is_right:
            print(each.fault, each.story.query, *each.story.causes, sep="\n  ")


def run() -> list[BenchmarkRow]:
    told = asyncio.run(_measure())
    print_confusions(told)
    names = {fault.__name__ for fault, _ in FAULTS}
    faults = [each for each in told if each.fault in names]
    controls = [each for each in told if each.fault not in names]
    return [
        for_information("faults", len(faults)),
        at_least("faults told rightly", sum(each.is_right for each in faults) / len(faults), 0.95),
        for_information("requests without a fault", len(controls)),
        at_least("told rightly", sum(each.is_right for each in controls) / len(controls), 0.95),
    ]


if __name__ == "__main__":
    print_table(run())

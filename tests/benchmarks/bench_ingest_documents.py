"""Files in many formats, good, hard and broken: what becomes of each, beside what another reader saw of it.

The set's manifest says how many characters pypdf, python-docx and python-pptx found. `python -m
tests.benchmarks.bench_ingest_documents` prints the table file by file.
"""

import asyncio
import csv
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InvalidInputError, UnavailableError
from rag.quality import check_quality
from rag.sandbox.limits import Limits
from rag.sandbox.pool import Sandbox, open_sandbox
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information

FOLDER = DATA / "documents"
LIMITS = Limits()
ENOUGH = 0.95  # of the characters that the other reader found


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one file.

    Attributes:
        state: "read", "kept back" by the quality gate, "refused" with a reason, or "broke".
        observed: Characters that another reader found; None if the manifest doesn't say.
        note: The reason, or warnings.
    """

    name: str
    state: str
    characters: int
    observed: int | None
    seconds: float
    note: str


def run() -> list[BenchmarkRow]:
    readings = asyncio.run(read_all())
    read = [reading for reading in readings if reading.state in {"read", "kept back"}]
    compared = [reading for reading in read if reading.observed]
    complete = [r for r in compared if r.observed and r.characters >= ENOUGH * r.observed]
    return [
        for_information("files", len(readings)),
        for_information("files read", len(read)),
        for_information(
            "of those, kept back by the quality gate", len(read) - sum(r.state == "read" for r in read)
        ),
        for_information("files refused with a reason", sum(r.state == "refused" for r in readings)),
        at_most("files that broke their reader", sum(r.state == "broke" for r in readings), 0),
        at_least("files at least as complete as another reader saw", len(complete) / len(compared), 1),
        at_most("longest time for a file", max(r.seconds for r in readings), LIMITS.wall_s, "s"),
    ]


async def read_all() -> list[Reading]:
    async with open_sandbox(LIMITS, processes=2) as sandbox:
        return list(await asyncio.gather(*(_read(sandbox, *file) for file in _files())))


def _files() -> Iterator[tuple[Path, int | None]]:
    with (FOLDER / "manifest.tsv").open(encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            found = re.search(r"(\d+) chars", row["observed"])
            yield FOLDER / row["file"], int(found[1]) if found else None


async def _read(sandbox: Sandbox, path: Path, observed: int | None) -> Reading:
    name = path.relative_to(FOLDER).as_posix()
    began = time.perf_counter()
    state, characters = "read", 0
    try:
        document = await sandbox.parse(path, filename=path.name, mime_type=None)
    except InvalidInputError as exc:
        state, note = "broke" if "crashed" in str(exc) else "refused", str(exc)
    except UnavailableError as exc:
        state, note = "broke", str(exc)
    else:
        characters, note = len(document.text), "; ".join(document.warnings)
        if issues := check_quality(document):
            state, note = "kept back", issues[0].message
    return Reading(name, state, characters, observed, time.perf_counter() - began, note)


def main() -> None:
    for reading in asyncio.run(read_all()):
        observed = "" if reading.observed is None else f"{reading.observed:,}"
        counts = f"{reading.characters:>8,} {observed:>8}"
        print(f"{reading.name:<62} {reading.state:<9} {counts}  {reading.note[:90]}")


if __name__ == "__main__":
    main()

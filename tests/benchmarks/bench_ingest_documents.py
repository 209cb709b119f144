"""Files in many formats, good, hard and broken: what becomes of each, beside what other readers saw of it.

The set's manifest says how many characters pypdf, python-docx and python-pptx found. It counts white space
too, which readers set as they like: a file in which ours has fewer is compared again with the text of the
second reader (see `second_reader`), white space aside on both sides, if that has as many as it says.

The words are compared with that second reader's, by the rules of `word_f1`. Left out are files in which it
finds no words (scans without a text layer, which ours reads by OCR), and files that ours refuses.

`python -m tests.benchmarks.bench_ingest_documents` prints the table file by file.
"""

import asyncio
import csv
import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InvalidInputError, UnavailableError
from rag.quality import check_quality
from rag.sandbox.limits import Limits
from rag.sandbox.pool import Sandbox, open_sandbox
from tests.benchmarks.data import DATA, ROOT
from tests.benchmarks.environments import python_with
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information
from tests.benchmarks.word_f1 import OtherText, word_f1, words

FOLDER = DATA / "documents"
LIMITS = Limits()
ENOUGH = 0.95  # of the characters that the manifest's reader found
SAME_WORDS = 0.95  # word F1 against the second reader
REQUIREMENTS = Path(__file__).with_name("second_reader_requirements.txt")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one file.

    Attributes:
        state: "read", "kept back" by the quality gate, "refused" with a reason, or "broke".
        text: What ours read; empty unless it was read or kept back.
        observed: Characters that the manifest's reader found; None if the manifest doesn't say.
        other: What the second reader says; None if it could not read the file.
        note: The reason, or warnings.
    """

    name: str
    state: str
    text: str
    observed: int | None
    other: OtherText | None
    seconds: float
    note: str

    @property
    def is_complete(self) -> bool:
        """Whether ours has as many characters as the manifest's reader found, white space aside."""
        observed = self.observed or 0
        if len(self.text) >= ENOUGH * observed:
            return True
        other = self.other.text if self.other else ""
        return len(other) >= observed and _inked(self.text) >= ENOUGH * _inked(other)

    @property
    def f1(self) -> float | None:
        """None if there is nothing to compare."""
        if not self.text or self.other is None or not words(self.other.text):
            return None
        return word_f1(self.text, self.other)


def run() -> list[BenchmarkRow]:
    readings = read_all()
    read = [reading for reading in readings if reading.state in {"read", "kept back"}]
    compared = [reading for reading in read if reading.observed]
    scores = [reading.f1 for reading in read if reading.f1 is not None]
    return [
        for_information("files", len(readings)),
        for_information("files read", len(read)),
        for_information(
            "of those, kept back by the quality gate", len(read) - sum(r.state == "read" for r in read)
        ),
        for_information("files refused with a reason", sum(r.state == "refused" for r in readings)),
        at_most("files that broke their reader", sum(r.state == "broke" for r in readings), 0),
        at_least(
            "files at least as complete as another reader saw",
            sum(r.is_complete for r in compared) / len(compared),
            1,
        ),
        at_most("files that only ours could read", sum(reading.other is None for reading in read), 0),
        for_information("files whose words were compared with another reader's", len(scores)),
        at_least(
            f"files with word F1 of at least {SAME_WORDS} against another reader",
            sum(score >= SAME_WORDS for score in scores) / len(scores),
            1,
        ),
        at_most("longest time for a file", max(r.seconds for r in readings), LIMITS.wall_s, "s"),
    ]


def read_all() -> list[Reading]:
    files = list(_files())
    return asyncio.run(_read_all(files, _other_texts([path for path, _ in files])))


def _other_texts(paths: Sequence[Path]) -> list[OtherText | None]:
    """What the second reader says of each file."""
    python = python_with(REQUIREMENTS, "second-reader-venv")
    command: list[str | Path] = [python, "-m", "tests.benchmarks.second_reader", *paths]
    answers = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [json.loads(answer) for answer in answers.splitlines()]
    return [None if answer["text"] is None else OtherText(**answer) for answer in found]


async def _read_all(
    files: Sequence[tuple[Path, int | None]], others: Sequence[OtherText | None]
) -> list[Reading]:
    async with open_sandbox(LIMITS, processes=2) as sandbox:
        readings = (_read(sandbox, *file, other) for file, other in zip(files, others, strict=True))
        return list(await asyncio.gather(*readings))


def _inked(text: str) -> int:
    """Characters that are not white space."""
    return len(_SPACE.sub("", text))


def _files() -> Iterator[tuple[Path, int | None]]:
    with (FOLDER / "manifest.tsv").open(encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            found = re.search(r"(\d+) chars", row["observed"])
            yield FOLDER / row["file"], int(found[1]) if found else None


async def _read(sandbox: Sandbox, path: Path, observed: int | None, other: OtherText | None) -> Reading:
    name = path.relative_to(FOLDER).as_posix()
    began = time.perf_counter()
    state, text = "read", ""
    try:
        document = await sandbox.parse(path, filename=path.name, mime_type=None)
    except InvalidInputError as exc:
        state, note = "broke" if "crashed" in str(exc) else "refused", str(exc)
    except UnavailableError as exc:
        state, note = "broke", str(exc)
    else:
        text, note = document.text, "; ".join(document.warnings)
        if issues := check_quality(document):
            state, note = "kept back", issues[0].message
    return Reading(name, state, text, observed, other, time.perf_counter() - began, note)


def main() -> None:
    for reading in read_all():
        observed = "" if reading.observed is None else f"{reading.observed:,}"
        score = "" if reading.f1 is None else f"{reading.f1:.3f}"
        counts = f"{len(reading.text):>8,} {observed:>8} {score:>6}"
        print(f"{reading.name:<62} {reading.state:<9} {counts}  {reading.note[:90]}")


if __name__ == "__main__":
    main()

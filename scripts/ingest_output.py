"""What the ingestion commands show: a progress bar and lines for people, one JSON object for programs."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.ingestion.sync import Synced
from app.problems import printable

FAILED = frozenset({"failed", "quarantined", "cancelled"})


@dataclass(slots=True)
class Summary:
    """Outcomes, as they come in."""

    outcomes: list[Synced] = field(default_factory=list)

    def add(self, outcome: Synced) -> None:
        self.outcomes.append(outcome)

    @property
    def failed(self) -> bool:
        return any(outcome.outcome in FAILED for outcome in self.outcomes)

    def counts(self) -> dict[str, int]:
        return dict(sorted(Counter(outcome.outcome for outcome in self.outcomes).items()))

    def lines(self) -> Iterator[str]:
        counts = self.counts()
        chunks = sum(outcome.chunks for outcome in self.outcomes)
        others = [
            f"{counts[name]} {name}" for name in ("removed", "quarantined", "cancelled") if name in counts
        ]
        yield ", ".join(
            [
                f"{counts.get('ingested', 0)} ok ({chunks} chunks)",
                f"{counts.get('unchanged', 0)} unchanged",
                f"{counts.get('failed', 0)} failed",
                *others,
            ]
        )
        for outcome in self.outcomes:
            if outcome.outcome in FAILED:
                yield f"  {outcome.outcome}: {printable(outcome.name)}: {outcome.reason}"
            for warning in outcome.warnings:
                yield f"  warning: {printable(outcome.name)}: {warning}"

    def as_json(self) -> dict[str, Any]:
        return {"counts": self.counts(), "documents": [asdict(outcome) for outcome in self.outcomes]}


class Output:
    """Where a command's result goes.

    Args:
        as_json: One JSON object on standard output, instead of lines.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, lines: Iterator[str], data: dict[str, Any]) -> None:
        if self._as_json:
            print(json.dumps(data, default=str, ensure_ascii=False))
        else:
            for line in lines:
                print(line)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator["Bar"]:
        """A bar on standard error while the block runs; none where nobody looks."""
        console = Console(stderr=True)
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        with bar:
            yield Bar(bar, bar.add_task(label, total=total))


class Bar:
    """A progress bar that runs."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def step(self) -> None:
        self._progress.advance(self._task)

    def reach(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

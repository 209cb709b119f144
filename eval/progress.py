"""A run's results so far, in a file beside its output, so that a run that was stopped can go on.

The first line says what the run is; each other is a case's result. A line that was cut off is left out.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eval.report.results import CaseResult
from rag.errors import InvalidInputError

_CASE: TypeAdapter[CaseResult] = TypeAdapter(CaseResult)


class ProgressFile:
    """Results so far of the run that `identity` describes.

    Args:
        output: What the run will write; the file is `<output>.partial`.
        identity: What makes two runs the same: data set, models, seed.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        self._path = output.with_name(f"{output.name}.partial")
        self._identity = dict(identity)

    def start(self, *, resume: bool) -> dict[str, CaseResult]:
        """Open the file, with what is kept in it if the run is to go on.

        Raises:
            InvalidInputError: It can't be written; or there is one already, of another run or not to go on.
        """
        try:
            kept = self._read() if self._path.exists() else None
            if kept is None:
                self._path.write_text(json.dumps(self._identity) + "\n", encoding="utf-8")
                return {}
        except OSError as exc:
            raise InvalidInputError(f"{self._path}: {exc.strerror}") from exc
        if not resume:
            raise InvalidInputError(f"{self._path} is of a run that was stopped: --resume, or delete it")
        return kept

    def add(self, result: CaseResult) -> None:
        """Keep one more.

        Raises:
            InvalidInputError: It can't be written.
        """
        try:
            with self._path.open("ab") as file:
                file.write(_CASE.dump_json(result) + b"\n")
        except OSError as exc:
            raise InvalidInputError(f"{self._path}: {exc.strerror}") from exc

    def remove(self) -> None:
        """The run has written its output."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, CaseResult]:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        first, *lines = whole.splitlines() or [b""]
        try:
            if json.loads(first) != self._identity:
                raise InvalidInputError(f"{self._path} is of another run: delete it, or name another output")
            results = [_CASE.validate_json(line) for line in lines]
        except (ValueError, ValidationError) as exc:
            raise InvalidInputError(f"{self._path} is damaged: delete it") from exc
        if whole != data:
            self._path.write_bytes(whole)
        return {result.id: result for result in results}

"""What is done of a set, in a file beside it: one JSON object a chunk, so that a broken run can go on."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from eval.cases import EvaluationCase
from rag.errors import InvalidInputError

TRAFFIC = -1  # the place of what was asked by users, which comes before all chunks


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one chunk.

    Attributes:
        at: Its place in the sample.
        cases: Kept.
        counts: Of questions written, kept and left out for each reason.
    """

    at: int
    cases: list[EvaluationCase] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Progress:
    """A file of what is done. Made by `start` or `resume`.

    Attributes:
        done: What the file held when it was opened, in order.
    """

    def __init__(self, path: Path, done: list[Done]) -> None:
        self.done = done
        self._path = path

    @classmethod
    def start(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Begin anew.

        Raises:
            InvalidInputError: The file can't be written.
        """
        try:
            path.write_bytes(_line({"settings": dict(settings)}))
        except OSError as exc:
            raise InvalidInputError(f"{path}: {exc.strerror}") from exc
        return cls(path, [])

    @classmethod
    def resume(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Go on with what the file holds. A last line that was cut off in the writing is dropped.

        Raises:
            InvalidInputError: The file can't be read, or was begun with other settings or documents.
        """
        try:
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if whole != data:
                os.truncate(path, len(whole))
        except OSError as exc:
            raise InvalidInputError(f"{path}: {exc.strerror}") from exc
        begun, done = _read(whole, path)
        changed = sorted(name for name in settings if begun.get(name) != settings[name])
        if changed:
            raise InvalidInputError(f"{path} was begun with other {', '.join(changed)}; --force starts anew")
        return cls(path, done)

    def add(self, done: Done) -> None:
        """Write down what became of a chunk, by one call, and keep it through a loss of power.

        Raises:
            InvalidInputError: The file can't be written.
        """
        cases = [case.model_dump(mode="json", exclude_defaults=True) for case in done.cases]
        line = _line({"at": done.at, "cases": cases, "counts": done.counts})
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
                os.fsync(file.fileno())
        except OSError as exc:
            raise InvalidInputError(f"{self._path}: {exc.strerror}") from exc


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _read(data: bytes, path: Path) -> tuple[dict[str, Any], list[Done]]:
    try:
        first, *rest = map(json.loads, data.splitlines())
        done = [Done(each["at"], _cases(each["cases"]), each["counts"]) for each in rest]
        settings: dict[str, Any] = first["settings"]
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidInputError(f"{path} can't be resumed: {exc}") from exc
    return settings, done


def _cases(listed: list[Any]) -> list[EvaluationCase]:
    return [EvaluationCase.model_validate(fields) for fields in listed]

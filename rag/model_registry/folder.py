"""A model registry in a folder: `<name>/<version>/`, with the version's files and its state."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rag.errors import NotFoundError, UnavailableError
from rag.model_registry.types import ModelState, ModelVersion, RegisteredModel, check_name

STATE_FILE = "state.json"
_PARTIAL = ".partial-"


class FolderRegistry:
    """`ModelRegistry` in a folder, which is made when it is first needed.

    A version is a folder that is renamed to its number when it is complete: whoever looks sees all or none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def register(self, name: str, files: Mapping[str, bytes], *, by: str) -> ModelVersion:
        home = self._folder / check_name(name)
        with _disk_errors(f"the model {name} can't be registered"):
            home.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(dir=home, prefix=_PARTIAL))
            try:
                staged.chmod(0o755)
                for file, data in {**files, STATE_FILE: state_record(ModelState.CANDIDATE, by)}.items():
                    _write(staged / file, data)
                return ModelVersion(name, _publish(staged, home))
            finally:
                shutil.rmtree(staged, ignore_errors=True)

    def read(self, model: ModelVersion, file: str) -> bytes:
        try:
            return (self._home(model) / file).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise NotFoundError(f"there is no model {model}, or it has no {file}") from exc
        except OSError as exc:
            raise UnavailableError(f"{file} of {model} can't be read: {exc.strerror}") from exc

    def versions(self, name: str) -> list[RegisteredModel]:
        with _disk_errors(f"the versions of {name} can't be read"):
            numbers = _numbers(self._folder / check_name(name))
        return [self._state(ModelVersion(name, number)) for number in numbers]

    def set_state(self, model: ModelVersion, state: ModelState, *, by: str) -> None:
        self._state(model)
        path = self._home(model) / STATE_FILE
        with _disk_errors(f"the state of {model} can't be changed"):
            unfinished = path.with_name(f"{_PARTIAL}{STATE_FILE}")
            _write(unfinished, state_record(state, by))
            unfinished.replace(path)

    def _state(self, model: ModelVersion) -> RegisteredModel:
        return read_state(model, self.read(model, STATE_FILE))

    def _home(self, model: ModelVersion) -> Path:
        return self._folder / check_name(model.name) / str(model.version)


def state_record(state: ModelState, by: str) -> bytes:
    """The file that says what a version's state is, who gave it, and when."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"state": state.value, "by": by, "at": now}).encode()


def read_state(model: ModelVersion, data: bytes) -> RegisteredModel:
    """Raises: UnavailableError when the file is damaged."""
    try:
        record = json.loads(data)
        return RegisteredModel(model, ModelState(record["state"]), str(record["by"]), str(record["at"]))
    except (ValueError, TypeError, KeyError) as exc:
        raise UnavailableError(f"the state of {model} is damaged") from exc


def _publish(staged: Path, home: Path) -> int:
    """Give the folder the next number that is free; another process may take one in between."""
    number = max(_numbers(home), default=0)
    while True:
        number += 1
        try:
            staged.rename(home / str(number))
        except OSError as exc:
            if exc.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
        else:
            return number


def _numbers(home: Path) -> list[int]:
    if not home.is_dir():
        return []
    return sorted(int(path.name) for path in home.iterdir() if path.name.isdecimal())


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UnavailableError(f"{what}: {exc.strerror}") from exc

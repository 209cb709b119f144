"""The port of model registries, and what they all agree on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rag.errors import InvalidInputError, NotFoundError

# SageMaker's for the group of a model's versions.
_NAME = re.compile(r"[a-z0-9](-*[a-z0-9]){0,62}")
_REFERENCE = re.compile(rf"({_NAME.pattern})@([1-9]\d{{0,8}})")


class ModelState(StrEnum):
    """A candidate has passed the gate; a person approves or rejects it after it met users."""

    CANDIDATE = "candidate"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model; written as `name@version`."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version in a registry.

    Attributes:
        state: What people think of it.
        changed_by: Who gave it that state.
        changed_at: When, in ISO 8601; empty where the registry doesn't say.
    """

    id: ModelVersion
    state: ModelState
    changed_by: str
    changed_at: str


class ModelRegistry(Protocol):
    """Versions of models, each with its files. Calls block; make them in a thread.

    Each raises InvalidInputError for a name that can't be one or what may not be done, NotFoundError for a
    version that isn't there, and UnavailableError when the registry can't be reached or written.
    """

    def register(self, name: str, files: Mapping[str, bytes], *, by: str) -> ModelVersion:
        """Keep the files as the model's next version, a candidate: all of them, or nothing."""
        ...

    def read(self, model: ModelVersion, file: str) -> bytes:
        """The bytes of one of its files."""
        ...

    def versions(self, name: str) -> list[RegisteredModel]:
        """Of a model, the oldest first."""
        ...

    def set_state(self, model: ModelVersion, state: ModelState, *, by: str) -> None:
        """Say what `by` thinks of it; nothing else of a version ever changes."""
        ...


def parse_version(text: str) -> ModelVersion:
    """The version that `name@version` names.

    Raises:
        InvalidInputError: It is no such name.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            f"{text[:100]!r} names no version of a model: write name@version, such as team@3"
        )
    return ModelVersion(found[1], int(found[3]))


def is_version(text: str) -> bool:
    """Whether it is written as `name@version`."""
    return _REFERENCE.fullmatch(text) is not None


def check_name(name: str) -> str:
    """The name, if it can be one.

    Raises:
        InvalidInputError: It has other characters than small letters, digits and hyphens, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name[:100]!r} can't be the name of a model: small letters, digits and hyphens, at most 63"
        )
    return name


def find_version(registry: ModelRegistry, model: ModelVersion) -> RegisteredModel:
    """What the registry says of a version.

    Raises:
        NotFoundError: It isn't there.
        UnavailableError: The registry can't be reached.
    """
    for found in registry.versions(model.name):
        if found.id == model:
            return found
    raise NotFoundError(f"there is no model {model}")

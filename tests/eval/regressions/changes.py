"""Changes to the code or the settings, as a pull request would bring them, and their making in a copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What the gate should say of it: that it fails, or that it doesn't."""

    REGRESSION = "regression"
    REFACTORING = "refactoring"


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` becomes `new` in a file; `path` is from the root of the sources."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One pull request.

    Attributes:
        name: What its title could say.
        part: Of the service that it touches.
        edits: Of the code, in this order.
        settings: Environment variables.
    """

    name: str
    part: str
    kind: Kind
    edits: Sequence[Edit] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name as part of a file's name."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())


class StaleEditError(Exception):
    """The code is no longer what the edit was written for: write it anew."""


def apply_edits(edits: Sequence[Edit], root: Path) -> None:
    """Change the files below `root`.

    Raises:
        StaleEditError: What an edit replaces isn't there, or stands there more than once.
    """
    for edit in edits:
        file = root / edit.path
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if (found := text.count(edit.old)) != 1:
            raise StaleEditError(f"{edit.path} has {found} times, not once: {edit.old!r}")
        file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")

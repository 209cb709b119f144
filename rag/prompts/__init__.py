"""The system prompts, one file a version. A released file never changes: a new wording is a new file.

Files are named `<purpose>-<number>.md`, and a trace names the version that its answer was written by.
"""

from dataclasses import dataclass
from pathlib import Path

from rag.errors import InvalidInputError

FOLDER = Path(__file__).parent
ANSWER_PROMPT = "answer-1"


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """A system prompt and the version that traces name it by."""

    version: str
    text: str


def prompt_versions() -> list[str]:
    """All that there are, in the order of their names."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def load_prompt(version: str) -> SystemPrompt:
    """Raises: InvalidInputError when there is no such version; the message names those that there are."""
    known = prompt_versions()
    if version not in known:
        raise InvalidInputError(f"there is no prompt {version!r}: there are {', '.join(known)}")
    return SystemPrompt(version, (FOLDER / f"{version}.md").read_text(encoding="utf-8"))

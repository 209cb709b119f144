"""A Dockerfile as data: its stages and their instructions, as far as ours uses the language."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_FLAG = re.compile(r"--([\w-]+)=(\S+)\s+")
_PAIR = re.compile(r'(\w+)=("[^"]*"|\S*)')


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, such as `COPY --from=build a b`: name COPY, flags {"from": "build"}, text "a b"."""

    name: str
    text: str
    flags: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> list[str]:
        """The text's words; those of a JSON list where it is one.

        Raises:
            ValueError: It was to be a list and isn't one.
        """
        return list(json.loads(self.text)) if self.text.startswith("[") else self.text.split()


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows one FROM. `base` is an image, or the name of an earlier stage."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in their order.

    Raises:
        ValueError: A stage has no name, or something other than ARG precedes the first one.
    """
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", instruction.text, re.IGNORECASE).groups()  # type: ignore[union-attr]
            stages[name] = Stage(name, substitute(base, arguments), ())
        elif stages:
            last = list(stages)[-1]
            stage = stages[last]
            stages[last] = Stage(stage.name, stage.base, (*stage.instructions, instruction))
        elif instruction.name == "ARG":
            arguments |= pairs(instruction.text, {})
        else:
            raise ValueError(f"{instruction.name} comes before the first stage")
    return stages


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`text` with its variables filled in; those that aren't set are empty."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)


def pairs(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Of `NAME=value NAME="value"`, as ENV and ARG have them."""
    return {name: substitute(value.strip('"'), variables) for name, value in _PAIR.findall(text)}


def _instructions(text: str) -> Iterator[Instruction]:
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(kept)).splitlines():
        name, rest = line.split(None, 1)
        flags: dict[str, str] = {}
        while match := _FLAG.match(rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        yield Instruction(name.upper(), rest.strip(), flags)

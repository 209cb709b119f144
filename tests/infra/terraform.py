"""Terraform as a program, on a copy of infra/terraform."""

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "infra" / "terraform"
PROGRAM = shutil.which("terraform")
MIRROR = "registry.terraform.io"
# Where a mirror of providers is looked for, when TERRAFORM_PLUGIN_DIR doesn't say.
USUAL_PLACES = (
    "~/.terraform.d/plugins",
    "/usr/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/opt/*",
)
PARALLELISM = "-parallelism=4"
QUIETLY = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_CLI_ARGS": "-no-color"}
WRITTEN = (".terraform*", "*.tfstate*", "*_override.tf")  # by Terraform, or by a test before


def plugin_dir() -> Path | None:
    """The folder that holds a mirror of providers; None leaves it to Terraform to fetch them."""
    named = os.environ.get("TERRAFORM_PLUGIN_DIR")
    if named:
        return Path(named)
    for place in USUAL_PLACES:
        path = Path(place).expanduser()
        for folder in Path(path.anchor).glob(str(path.relative_to(path.anchor))):
            if (folder / MIRROR).is_dir():
                return folder
    return None


class TerraformError(AssertionError):
    """Terraform ended with an error; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Terraform:
    """A folder of configuration, and the environment that Terraform is run with.

    Attributes:
        folder: A copy, which is Terraform's to write into.
        environment: All variables.
        arguments: Of `plan` and `destroy`: variables and their files.
    """

    folder: Path
    environment: Mapping[str, str]
    arguments: Sequence[str] = ()

    def run(self, *command: str, seconds: float = 120) -> str:
        """What it wrote.

        Raises:
            TerraformError: It ended with an error.
        """
        assert PROGRAM is not None
        environment = {**self.environment, **QUIETLY}
        environment.pop("TF_CLI_CONFIG_FILE", None)
        ended = subprocess.run(
            ["nice", PROGRAM, *command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if ended.returncode:
            raise TerraformError(f"terraform {command[0]}:\n{ended.stdout[-4000:]}\n{ended.stderr[-8000:]}")
        return ended.stdout

    def init(self, *arguments: str) -> None:
        mirror = plugin_dir()
        places = [] if mirror is None else [f"-plugin-dir={mirror}"]
        self.run("init", "-input=false", *places, *arguments)

    def apply(self, *, seconds: float) -> None:
        self.run("apply", "-auto-approve", "-input=false", PARALLELISM, *self.arguments, seconds=seconds)

    def destroy(self, *, seconds: float) -> None:
        self.run("destroy", "-auto-approve", "-input=false", PARALLELISM, *self.arguments, seconds=seconds)

    def resources(self) -> dict[str, str]:
        """Types of what the state holds, by address; data sources apart."""
        state = json.loads(self.run("show", "-json"))
        root = state.get("values", {}).get("root_module", {})
        return {found["address"]: found["type"] for found in _resources(root) if found["mode"] == "managed"}

    def output(self, name: str) -> Any:
        return json.loads(self.run("output", "-json", name))

    def changes(self) -> list["Change"]:
        """What `plan` would change."""
        self.run("plan", "-out=plan.bin", "-input=false", PARALLELISM, *self.arguments, seconds=300)
        plan = json.loads(self.run("show", "-json", "plan.bin"))
        managed = [change for change in plan["resource_changes"] if change["mode"] == "managed"]
        return [Change.of(change) for change in managed if change["change"]["actions"] != ["no-op"]]


@dataclass(frozen=True, slots=True)
class Change:
    """What would be done to one resource, and to which of its attributes."""

    address: str
    kind: str
    actions: tuple[str, ...]
    attributes: frozenset[str]

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> "Change":
        change = resource["change"]
        before, after = change["before"] or {}, change["after"] or {}
        unknown = change.get("after_unknown") or {}
        names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        names |= {name for name, is_unknown in unknown.items() if is_unknown is True}
        return cls(resource["address"], resource["type"], tuple(change["actions"]), frozenset(names))


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A line of unsupported.tsv: what moto's server can't do.

    Attributes:
        resource: Type of the resource; with a name, just this one.
        attribute: What of it is not kept, so that each plan would set it again; "" if none can be made.
        error: moto's error, or what it does.
    """

    resource: str
    attribute: str
    error: str


def unsupported() -> list[Unsupported]:
    with (SOURCE / "unsupported.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [Unsupported(row["resource"], row["attribute"], row["error"]) for row in rows]


def copy_to(folder: Path, *, overrides: Mapping[str, str], source: Path = SOURCE) -> Path:
    """A copy without what Terraform wrote into the folder, with files of our own."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*WRITTEN))
    for name, text in overrides.items():
        (folder / name).write_text(text)
    return folder


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)

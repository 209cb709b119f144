"""A Dockerfile's steps, done without a container engine: in a root file system that debootstrap makes.

What an engine does by layers is done by folders, and what it isolates by namespaces. It needs root, the
programs in `PROGRAMS`, and a mirror of Debian and of Python packages, as building the image would.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.infra.dockerfile import Instruction, Stage, pairs, substitute

ENTER = Path(__file__).with_name("enter_root.sh")
PROGRAMS = ("debootstrap", "unshare", "nsenter", "setpriv", "chroot", "ip")
# The Debian and the Python of the image that the Dockerfile starts from, which has the same Python in a build
# of its own, with pip, and under the name `python` as well.
SUITE = "trixie"
PACKAGES = ("ca-certificates", "netbase", "tzdata", "python3", "python3-venv", "python3-pip")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What leads to package indexes, which a builder of images is given as well.
OF_THE_NETWORK = ("PIP_INDEX_URL", "PIP_CERT", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
STEP_S = 900
START_S, STOP_S = 20, 20


@dataclass(frozen=True, slots=True)
class Image:
    """What an image consists of: its files, and how it is started.

    Attributes:
        root: The files.
        owned: Whether they are this image's alone, and not those of the one that it was made from.
    """

    root: Path
    owned: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    workdir: str = "/"
    user: str = "0:0"
    command: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(slots=True)
class Builder:
    """Builds stages, each once.

    Attributes:
        base: The root file system that every stage from an image starts with.
        context: The folder that files are copied from, but for what its .dockerignore leaves out.
        work: Where roots are put.
        seconds: What each step took, by its text.
    """

    stages: Mapping[str, Stage]
    base: Path
    context: Path
    work: Path
    seconds: dict[str, float] = field(default_factory=dict)
    _built: dict[str, Image] = field(default_factory=dict)

    def build(self, name: str) -> Image:
        """Raises: AssertionError, with what was written, when a step fails; ValueError for an unknown one."""
        if name not in self._built:
            stage = self.stages[name]
            image = self.build(stage.base) if stage.base in self.stages else Image(self.base)
            image = replace(image, owned=False)
            for instruction in stage.instructions:
                if source := instruction.flags.get("from"):
                    self.build(source)
                began = time.monotonic()
                image = self._do(name, instruction, image)
                label = f"{name}: {instruction.name} {instruction.text}"
                self.seconds[label] = time.monotonic() - began
            self._built[name] = image
        return self._built[name]

    def _do(self, stage: str, instruction: Instruction, image: Image) -> Image:
        text = instruction.text
        match instruction.name:
            case "WORKDIR" | "COPY" | "RUN":
                return self._write(instruction, self._own(stage, image))
            case "ENV":
                changes: dict[str, Any] = {
                    "environment": {**image.environment, **pairs(text, image.environment)}
                }
            case "USER":
                changes = {"user": text}
            case "CMD":
                changes = {"command": tuple(instruction.words())}
            case "HEALTHCHECK":
                changes = {"healthcheck": tuple(Instruction("CMD", text.removeprefix("CMD ")).words())}
            case "VOLUME":
                changes = {"volumes": (*image.volumes, *instruction.words())}
            case "EXPOSE" | "LABEL":
                changes = {}
            case other:
                raise ValueError(f"an instruction that is not known here: {other}")
        return replace(image, **changes)

    def _own(self, stage: str, image: Image) -> Image:
        """The image with files of its own."""
        if image.owned:
            return image
        root = self.work / stage
        subprocess.run(["cp", "-a", image.root, root], check=True)
        return replace(image, root=root, owned=True)

    def _write(self, instruction: Instruction, image: Image) -> Image:
        if instruction.name == "WORKDIR":
            workdir = os.path.join(image.workdir, substitute(instruction.text, image.environment))  # noqa: PTH118 - of the image
            _below(image.root, workdir).mkdir(parents=True, exist_ok=True)
            return replace(image, workdir=workdir)
        if instruction.name == "COPY":
            self._copy(instruction, image)
        else:
            self._run(instruction.text, image)
        return image

    def _copy(self, instruction: Instruction, image: Image) -> None:
        source, target = instruction.words()
        destination = _below(image.root, os.path.join(image.workdir, target))  # noqa: PTH118 - of the image
        if "from" in instruction.flags:
            origin = _below(self.build(instruction.flags["from"]).root, source)
            shutil.copytree(origin, destination, symlinks=True, dirs_exist_ok=True)
            return
        patterns = (self.context / ".dockerignore").read_text().split()
        for path in _files(self.context / source):
            if not is_ignored(path.relative_to(self.context).as_posix(), patterns):
                place = destination / path.relative_to(self.context / source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)

    def _run(self, text: str, image: Image) -> None:
        given = {name: os.environ[name] for name in OF_THE_NETWORK if name in os.environ}
        binds = [f"{path}:{path}" for path in ("/etc/resolv.conf", CERTIFICATES) if Path(path).exists()]
        command = entering(image, ["/bin/sh", "-c", text], binds=binds, variables=given, is_read_only=False)
        ended = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=STEP_S,
            check=False,
        )
        assert ended.returncode == 0, f"{text}:\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"


def make_base(folder: Path) -> None:
    """A root file system that comes near the image that the Dockerfile starts from."""
    include = f"--include={','.join(PACKAGES)}"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, SUITE, folder],
        check=True,
        capture_output=True,
        timeout=STEP_S,
    )
    (folder / "usr/bin/python").symlink_to("python3")


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """By the last pattern that the path, or a folder that it is in, fits; `!` takes it in again."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    found = False
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        names = parts if plain.startswith("**/") else above
        if any(fnmatch(name, plain.removeprefix("**/")) for name in names):
            found = not pattern.startswith("!")
    return found


def entering(
    image: Image,
    command: Sequence[str],
    *,
    binds: Sequence[str],
    variables: Mapping[str, str],
    is_read_only: bool,
) -> list[str]:
    """A command line that runs `command` in the image: one that may write, or one without a network."""
    mode, apart = ("read-only", ["--net", "--ipc", "--uts"]) if is_read_only else ("writable", [])
    environment = [f"{name}={value}" for name, value in {**image.environment, **variables}.items()]
    return [
        *("nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", *apart, "sh", str(ENTER)),
        *(str(image.root), image.user, image.workdir, mode, *binds),
        *("--", "/usr/bin/env", "-i", *environment, *command),
    ]


@dataclass(frozen=True, slots=True)
class Container:
    """An image's CMD while it runs, without a network and with volumes as the only place to write to."""

    image: Image
    process: subprocess.Popen[str]
    variables: Mapping[str, str]

    def run(self, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as its user."""
        user, group = self.image.user.split(":")
        environment = [
            f"{name}={value}" for name, value in {**self.image.environment, **self.variables}.items()
        ]
        beside = [f"--target={self._first()}", "--mount", "--net", "--ipc", "--pid", "--root"]
        as_it_runs = [f"--wdns={self.image.workdir}", f"--setuid={user}", f"--setgid={group}"]
        return subprocess.run(
            ["nsenter", *beside, *as_it_runs, "/usr/bin/env", "-i", *environment, *command],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def wait_for_root(self) -> None:
        """Until it sees the image's files and no others. Raises: TimeoutError."""
        for _ in range(START_S * 20):
            with suppress(OSError, IndexError):
                if Path("/proc", str(self._first()), "root").samefile(self.image.root):
                    return
            time.sleep(0.05)
        raise TimeoutError

    def stop(self) -> int:
        """Ask it to end, as an engine does, and say with which code it did."""
        os.kill(self._first(), 15)
        return self.process.wait(STOP_S)

    def _first(self) -> int:
        """The process that is number one inside."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@contextmanager
def running(image: Image, folder: Path, **variables: str) -> Iterator[Container]:
    """The image's CMD, with new volumes in `folder`."""
    binds = []
    for volume in image.volumes:
        place = folder / volume.strip("/").replace("/", "-")
        subprocess.run(["cp", "-a", _below(image.root, volume), place], check=True)
        binds.append(f"{place}:{volume}")
    command = entering(image, image.command, binds=binds, variables=variables, is_read_only=True)
    with (
        (folder / "output.txt").open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True) as process,
    ):
        container = Container(image, process, variables)
        try:
            container.wait_for_root()
            yield container
        finally:
            process.kill()  # and with it all that is inside


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    else:
        yield path

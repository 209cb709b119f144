"""The image, built and started without a container engine: the Dockerfile's own steps in a clean root."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sample import QUESTION
from tests.infra.clean_root import PROGRAMS, Builder, Container, Image, is_ignored, make_base, running
from tests.infra.dockerfile import Instruction, parse, substitute

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
READY_S, BUILD_S = 120, 1200
COMPILERS = (
    "gcc",
    "g++",
    "cc",
    "c++",
    "cpp",
    "clang",
    "tcc",
    "rustc",
    "cargo",
    "go",
    "make",
    "cmake",
    "ld",
    "as",
)
CAN_BUILD = sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))
ASK = """
import json, sys, urllib.request
url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


def test_each_stage_starts_from_the_one_base_that_is_pinned() -> None:
    stages = parse(DOCKERFILE)
    assert list(stages) == ["build", "runtime", "worker", "api"]  # the last one is made without --target
    bases = {stage.base for stage in stages.values()} - set(stages)
    assert len(bases) == 1
    assert "@sha256:" in bases.pop()


def test_a_dockerfile_is_read_as_written() -> None:
    head = "ARG A=x\n# no\nFROM $A:${A} AS one\n"
    one = parse(head + 'ENV B="b c" \\\n    D=$B\nRUN a \\\n# no\n && b\nCOPY --from=z p q\n')["one"]
    assert one.base == "x:x"
    assert one.instructions == (
        Instruction("ENV", 'B="b c"  D=$B'),
        Instruction("RUN", "a  && b"),
        Instruction("COPY", "p q", {"from": "z"}),
    )
    assert Instruction("CMD", '["a", "b c"]').words() == ["a", "b c"]
    assert substitute("$A/${B}/$C", {"A": "1", "B": "2"}) == "1/2/"


@pytest.mark.parametrize(
    ("path", "ignored"),
    [("app/settings.py", False), ("app/x/__pycache__/a.pyc", True), (".env", True), ("tests/a.py", True)],
)
def test_only_what_the_image_needs_is_sent_to_a_builder(path: str, *, ignored: bool) -> None:
    assert is_ignored(path, (ROOT / ".dockerignore").read_text().split()) is ignored


def test_what_is_copied_is_all_that_the_service_imports() -> None:
    copied = {line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= copied


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """A builder whose base is debootstrap's, or the root file system that BASE_ROOT names."""
    work = tmp_path_factory.mktemp("image")
    base = Path(os.environ.get("BASE_ROOT", work / "base"))
    if not base.is_dir():
        began = time.monotonic()
        make_base(base)
        say(f"base: {time.monotonic() - began:.0f} s")
    yield Builder(parse(DOCKERFILE), base, ROOT, work)
    shutil.rmtree(work)


@pytest.mark.slow
@pytest.mark.skipif(not CAN_BUILD, reason=f"needs Linux, root and {', '.join(PROGRAMS)}")
@pytest.mark.timeout(2 * BUILD_S)
def test_the_image_is_built_and_answers(built: Builder, tmp_path: Path) -> None:
    image = built.build("api")
    _report(built, image)
    assert image.user.split(":")[0] not in {"0", "root"}
    assert _found(image, COMPILERS) == []
    (tmp_path / "api").mkdir()
    with running(image, tmp_path / "api", AUTH_MODE="none", ROLE="all") as container:
        say(f"ready after {_until_ready(container):.1f} s")
        _is_locked_up(container)
        began = time.monotonic()
        answer = _post(container, "/chat", {"query": QUESTION})
        say(
            f"answered after {time.monotonic() - began:.1f} s, of which a start of Python: {answer['answer']}"
        )
        assert answer["citations"]
        taken_in = _post(
            container, "/ingest?wait=60", {"title": "Parking", "text": "Bicycles are parked below."}
        )
        assert taken_in["status"] == "succeeded"
        assert container.run("tesseract", "--list-langs").stdout.splitlines()[1:] == ["eng", "osd"]
        assert container.stop() == 0


@pytest.mark.slow
@pytest.mark.skipif(not CAN_BUILD, reason=f"needs Linux, root and {', '.join(PROGRAMS)}")
@pytest.mark.timeout(2 * BUILD_S)
def test_the_worker_is_the_same_image_with_another_part(built: Builder, tmp_path: Path) -> None:
    worker, api = built.build("worker"), built.build("api")
    assert worker.root == api.root
    assert (worker.environment["ROLE"], api.environment["ROLE"]) == ("worker", "api")
    with running(worker, tmp_path, AUTH_MODE="none") as container:
        _until_ready(container)
        assert container.run("python", "-c", ASK, "http://127.0.0.1:8000/chat", "{}").returncode
        assert container.stop() == 0
    assert "worker is ready" in (tmp_path / "output.txt").read_text()


def say(line: str) -> None:
    """For those who run the test to see it."""
    sys.stdout.write(f"{line}\n")


def _until_ready(container: Container) -> float:
    """Seconds until the image's health check passed."""
    began = time.monotonic()
    while time.monotonic() - began < READY_S:
        assert container.process.poll() is None, "it ended"
        if container.run(*container.image.healthcheck).returncode == 0:
            return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError("it didn't become ready")


def _is_locked_up(container: Container) -> None:
    """It can write to its volumes only, has no capability, and reaches nobody."""
    for place in ("/", "/srv/groundwork", "/etc", "/var/lib/groundwork", "/dev"):
        assert container.run("touch", f"{place}/written").returncode
    for volume in container.image.volumes:
        assert container.run("touch", f"{volume}/written").returncode == 0
    status = container.run("grep", "-E", "^(CapEff|CapPrm|NoNewPrivs):", "/proc/1/status").stdout.split()
    assert status[1::2] == ["0" * 16, "0" * 16, "1"]
    assert container.run("cat", "/proc/net/route").stdout.count("\n") == 1  # a header


def _post(container: Container, path: str, body: object) -> dict[str, object]:
    ended = container.run("python", "-c", ASK, f"http://127.0.0.1:8000{path}", json.dumps(body))
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, object] = json.loads(ended.stdout)
    return answer


def _found(image: Image, programs: tuple[str, ...]) -> list[str]:
    """Of which of these programs there are files, wherever, also with the names of targets before theirs."""
    names = {name for _, _, names in os.walk(image.root) for name in names}
    return [
        name for name in programs if name in names or any(found.endswith(f"-gnu-{name}") for found in names)
    ]


def _report(builder: Builder, image: Image) -> None:
    for step, seconds in builder.seconds.items():
        if seconds >= 1:
            say(f"{seconds:5.0f} s  {step[:100]}")
    say(f"base {_mb(builder.base)} MB, image {_mb(image.root)} MB")


def _mb(root: Path) -> int:
    said = subprocess.run(["du", "-sxm", root], capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])

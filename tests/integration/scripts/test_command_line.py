import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.scripts.programs import run_script


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="groundwork-scripts-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "guides").mkdir()
    (folder / "guides" / "coffee.md").write_text("# Coffee\n\nThe coffee machine is cleaned every Friday.\n")
    (folder / "notes.txt").write_text("The spare key lies under the blue pot.\n")
    (folder / ".hidden.txt").write_text("Not to be taken in.")
    return folder


def run(script: str, *arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    own = {"DATA_DIR": str(data_dir / "data")}
    return run_script(script, *arguments, folder=data_dir, environment=own)


def test_a_folder_is_taken_in_and_then_left_alone(data_dir: Path, documents: Path) -> None:
    first = run("ingest_documents.py", str(documents), data_dir=data_dir)
    assert first.stdout.strip() == "2 ok (2 chunks), 0 unchanged, 0 failed", first.stderr
    assert first.returncode == 0
    again = run("ingest_documents.py", str(documents), data_dir=data_dir)
    assert again.stdout.strip() == "0 ok (0 chunks), 2 unchanged, 0 failed"


def test_a_question_is_answered_with_its_source(data_dir: Path, documents: Path) -> None:
    run("ingest_documents.py", str(documents), data_dir=data_dir)
    answered = run("ask.py", "When is the coffee machine cleaned?", data_dir=data_dir)
    assert answered.returncode == 0, answered.stderr
    assert "The coffee machine is cleaned every Friday. [" in answered.stdout
    assert "Coffee (guides/coffee.md)" in answered.stdout


def test_files_that_fail_are_named_and_the_rest_goes_in(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "fine.txt").write_text("All is well in here.")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    result = run("ingest_documents.py", str(tmp_path), str(tmp_path / "missing.txt"), data_dir=data_dir)
    assert result.returncode == 1
    assert "1 ok (1 chunks), 0 unchanged, 3 failed" in result.stdout
    for name in ("empty.txt", "picture.png", "missing.txt"):
        assert f"failed: {name}: " in result.stdout


def test_two_files_of_one_name_are_refused(data_dir: Path, documents: Path) -> None:
    result = run("ingest_documents.py", str(documents), str(documents), data_dir=data_dir)
    assert result.returncode == 2
    assert "is there twice" in result.stderr


def test_migrating_says_that_it_is_done(data_dir: Path) -> None:
    result = run("migrate.py", data_dir=data_dir)
    assert (result.returncode, result.stdout.strip()) == (0, "The database is at the newest version.")


def as_json(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.stdout, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_sync_takes_in_what_differs_and_prunes_what_has_gone(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    for name in ("apples", "pears", "plums"):
        (folder / f"{name}.txt").write_text(f"The {name} stand in the cellar.")

    def sync(*options: str) -> subprocess.CompletedProcess[str]:
        return run("ingest_documents.py", "sync", str(folder), "--json", *options, data_dir=data_dir)

    planned = as_json(sync("--dry-run"))
    assert planned["plan"]["added"] == ["apples.txt", "pears.txt", "plums.txt"]
    assert planned["documents"] == []
    assert as_json(sync())["counts"] == {"ingested": 3}
    (folder / "pears.txt").write_text("The pears have been eaten.")
    (folder / "plums.txt").unlink()
    (folder / "quinces.txt").write_text("The quinces are still hard.")
    changed = as_json(sync())
    assert [changed["plan"][part] for part in ("added", "changed", "unchanged", "removed")] == [
        ["quinces.txt"],
        ["pears.txt"],
        ["apples.txt"],
        ["plums.txt"],
    ]
    assert changed["counts"] == {"ingested": 2}
    assert as_json(sync("--prune"))["counts"] == {"removed": 1}
    for path in folder.iterdir():
        path.unlink()
    refused = sync("--prune")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert as_json(sync("--prune", "--yes"))["counts"] == {"removed": 3}


def test_what_failed_is_shown_and_tried_again(data_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "torn.pdf"
    broken.write_bytes(b"%PDF-1.7 and then nothing")
    assert run("ingest_documents.py", "add", str(broken), data_dir=data_dir).returncode == 1
    shown = as_json(run("ingest_documents.py", "status", "--json", data_dir=data_dir))
    (job,) = [job for job in shown["jobs"] if job["source_document_id"] == "torn.pdf"]
    assert job["state"] == "failed"
    again = run("ingest_documents.py", "retry", job["id"], data_dir=data_dir)
    assert again.returncode == 1
    assert "failed: torn.pdf: " in again.stdout
    missing = run("ingest_documents.py", "cancel", str(uuid4()), data_dir=data_dir)
    assert (missing.returncode, "there is no job" in missing.stderr) == (1, True)
    one = run("ingest_documents.py", "status", job["id"], data_dir=data_dir)
    assert "attempts: 1 of 5" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sync", "ftp://host/x"], "ftp://"),
        (["sync", "https://127.0.0.1/"], "127.0.0.1"),
        (["sync", "/nonexistent/folder"], "/nonexistent/folder"),
        (["retry"], "required"),
        (["cancel", "not-a-uuid"], "not-a-uuid"),
        (["add"], "PATH"),
    ],
)
def test_wrong_usage_is_named(data_dir: Path, arguments: list[str], said: str) -> None:
    result = run("ingest_documents.py", *arguments, data_dir=data_dir)
    assert result.returncode != 0
    assert said in result.stderr + result.stdout
    assert "Traceback" not in result.stderr

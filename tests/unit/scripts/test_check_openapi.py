import json
import subprocess
from pathlib import Path

import pytest

from scripts.check_openapi import CHANGELOG, DOCUMENT, check, current_document, declarations

GONE = "GET /old is gone"
OLDER = """# Changelog

## [Unreleased]

### Changed

- Breaking: the first.

## [0.1.0]

- Breaking: long ago.
"""


def git(root: Path, *arguments: str) -> None:
    names = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    subprocess.run(["git", "-C", str(root), *names, *arguments], check=True, capture_output=True)


def commit(root: Path, document: str, changelog: str) -> None:
    (root / DOCUMENT).parent.mkdir(exist_ok=True)
    (root / DOCUMENT).write_text(document, encoding="utf-8")
    (root / CHANGELOG).write_text(changelog, encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A step")


@pytest.fixture(scope="module")
def current() -> str:
    return current_document()


@pytest.fixture
def older(current: str, tmp_path: Path) -> Path:
    """A repository whose one commit has a path that is gone from the code, and a declared break."""
    document = json.loads(current)
    document["paths"]["/old"] = {"get": {"responses": {}}}
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, json.dumps(document), OLDER)
    return tmp_path


def test_a_break_needs_a_declaration_of_its_own(older: Path, current: str) -> None:
    commit(older, current, OLDER)
    assert check("HEAD^", older)[0] == GONE  # what was declared before does not license it
    (older / CHANGELOG).write_text(
        OLDER.replace("long ago", "long, long ago\n- Breaking: then"), encoding="utf-8"
    )
    assert check("HEAD^", older)[0] == GONE  # nor what a release has declared
    (older / CHANGELOG).write_text(
        OLDER.replace("first.", "first.\n- Breaking: the second."), encoding="utf-8"
    )
    assert check("HEAD^", older) == []


def test_an_uncommitted_break_is_held_against_the_last_commit(older: Path, current: str) -> None:
    (older / DOCUMENT).write_text(current, encoding="utf-8")
    assert check("HEAD", older)[0] == GONE


def test_a_base_without_revision_or_document_breaks_nobody(current: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, current, OLDER)
    assert check("HEAD^", tmp_path) == []
    git(tmp_path, "rm", "--quiet", "--cached", DOCUMENT)
    git(tmp_path, "commit", "--quiet", "--message", "Without")
    assert check("HEAD", tmp_path) == []


def test_a_document_that_is_not_the_codes_is_out_of_date(older: Path) -> None:
    assert "make openapi" in check("HEAD", older)[0]


@pytest.mark.parametrize(("changelog", "count"), [(OLDER, 1), ("", 0), ("## [0.1.0]\n- Breaking: x\n", 0)])
def test_declarations_are_counted_for_the_coming_release_alone(changelog: str, count: int) -> None:
    assert declarations(changelog) == count

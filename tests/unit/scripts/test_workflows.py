"""What workflows may not do, such as run anybody's code where a token may write."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture(params=NAMES)
def workflow(request: pytest.FixtureRequest) -> str:
    return (WORKFLOWS / f"{request.param}.yml").read_text(encoding="utf-8")


def test_actions_are_pinned_to_commits(workflow: str) -> None:
    used = re.findall(r"uses: (.*)", workflow)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d.*", line)] == []


def test_every_command_can_be_run_on_any_machine(workflow: str) -> None:
    """A target of make or a script that is there; nothing that GitHub would write into a shell's text."""
    commands = re.findall(r"\brun: (.*)", workflow)
    assert commands
    for command in commands:
        program, name = command.removeprefix("exec ").split()[:2]
        assert program in {"make", "python3", ".venv/bin/python"}
        assert name in TARGETS if program == "make" else (ROOT / name).is_file()
        assert "${{" not in command


def test_permissions_are_named_and_few(workflow: str) -> None:
    assert re.search(r"^permissions:(?: \{\}|\n  contents: read\n)", workflow, re.MULTILINE)
    assert "write-all" not in workflow
    assert "pull_request_target" not in workflow
    granted = set(re.findall(r"^ +([\w-]+): write", workflow, re.MULTILINE))
    assert granted <= {"pull-requests", "id-token"}


def test_pull_requests_get_no_secret_and_no_key() -> None:
    checked = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|: write|role-to-assume", checked)


def test_only_what_passed_on_main_is_deployed_and_production_waits() -> None:
    deploying = (WORKFLOWS / "deploy.yml").read_text(encoding="utf-8")
    assert "pull_request" not in deploying
    assert "github.event.workflow_run.event == 'push'" in deploying
    assert "github.event.workflow_run.conclusion == 'success'" in deploying
    production = deploying[deploying.index("\n  production:") :]
    assert "needs.staging.result == 'success'" in production
    assert "environment: production" in production  # whose reviewers GitHub asks


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_deployment_that_was_killed_is_put_back(environment: str) -> None:
    """The program itself must get GitHub's signal, and another one come after it whatever happened."""
    deploying = (WORKFLOWS / "deploy.yml").read_text(encoding="utf-8")
    job = deploying[deploying.index(f"\n  {environment}:") :]
    assert re.search(r"run: exec \.venv/bin/python scripts/deploy\.py run", job)
    assert re.search(r"- if: always\(\) .*\n +run: \.venv/bin/python scripts/deploy\.py restore", job)


def test_nothing_of_a_pull_request_is_run_where_a_token_may_write() -> None:
    commenting = (WORKFLOWS / "evaluation-comment.yml").read_text(encoding="utf-8")
    assert not re.search(r"^ +ref:|make ", commenting, re.MULTILINE)


def test_what_one_workflow_reads_another_leaves() -> None:
    checked, commenting = (
        (WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8") for name in ("ci", "evaluation-comment")
    )
    assert re.search(r"^name: CI$", checked, re.MULTILINE)
    assert "workflows: [CI]" in commenting
    for text in (checked, commenting):
        assert "name: evaluation-summary" in text
    assert "path: evaluation/summary.md" in checked
    assert "make eval EVAL_DIR=evaluation " in checked
    assert "evaluation/summary.md" in commenting

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.comment_on_pull_request import LONGEST, MARK, comment_text, main
from tests.standins.http import QuietHandler, http_server

Calls = list[tuple[str, str, Any]]
BOT, PERSON = "github-actions[bot]", "mallory"


class GitHubStandIn:
    """A repository with pull request 7, and what was asked of it.

    Attributes:
        sha: The pull request's newest commit.
        comments: Author and text of each, oldest first; the id is the place.
        refuses: Whether writing is forbidden.
    """

    def __init__(self) -> None:
        self.calls: Calls = []
        self.sha = "abc"
        self.comments: list[tuple[str, str]] = []
        self.refuses = False

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.calls.append((method, path, body))
        if path == "/repos/us/it/pulls?state=open&head=mallory%3Afix%2F%26one":
            return 200, [{"number": 6, "head": {"sha": "older"}}, {"number": 7, "head": {"sha": self.sha}}]
        if method == "GET" and path.startswith("/repos/us/it/issues/7/comments?per_page=100&page="):
            page = int(path.rpartition("=")[2])
            shown = list(enumerate(self.comments))[(page - 1) * 100 : page * 100]
            return 200, [{"id": at, "user": {"login": who}, "body": text} for at, (who, text) in shown]
        if method in {"POST", "PATCH"}:
            return (403, {}) if self.refuses else (201, {})
        return 404, {}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    stand_in = GitHubStandIn()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer token"
            body = json.loads(self.body()) if self.headers["Content-Length"] else None
            status, answer = stand_in.answer(self.command, self.path, body)
            self.reply(status, json.dumps(answer).encode(), "application/json")

        def do_POST(self) -> None:
            self.do_GET()

        def do_PATCH(self) -> None:
            self.do_GET()

    with http_server(Handler) as url:
        environment = {
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORY": "us/it",
            "GITHUB_TOKEN": "token",
            "HEAD_OWNER": "mallory",
            "HEAD_BRANCH": "fix/&one",
            "HEAD_SHA": "abc",
            "RUN_URL": "https://github.example/run/1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    file = tmp_path / "summary.md"
    file.write_text("## Evaluation: pass\n", encoding="utf-8")
    return file


def run(summary: Path) -> int:
    return main(["--summary", str(summary)])


def test_the_first_run_comments_on_the_pull_request_of_its_commit(
    github: GitHubStandIn, summary: Path
) -> None:
    assert run(summary) == 0
    written = {"body": comment_text("## Evaluation: pass\n", "https://github.example/run/1")}
    assert github.calls[-1] == ("POST", "/repos/us/it/issues/7/comments", written)


def test_a_later_run_replaces_the_comment_wherever_it_stands(github: GitHubStandIn, summary: Path) -> None:
    github.comments = [(PERSON, f"{MARK} mine")] * 120 + [(BOT, "another"), (BOT, f"{MARK}\nold")]
    assert run(summary) == 0
    assert github.calls[-1][:2] == ("PATCH", "/repos/us/it/issues/comments/121")


def test_a_commit_that_was_replaced_meanwhile_is_not_commented_on(
    github: GitHubStandIn, summary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.sha = "newer"
    assert run(summary) == 0
    assert [method for method, _, _ in github.calls] == ["GET"]
    assert "No open pull request" in capsys.readouterr().out


def test_a_refusal_is_an_error_of_one_line(
    github: GitHubStandIn, summary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.refuses = True
    assert run(summary) == 1
    assert capsys.readouterr().err == "GitHub: HTTP Error 403: Forbidden\n"


def test_a_file_that_leads_elsewhere_is_refused(github: GitHubStandIn, summary: Path) -> None:
    link = summary.with_name("link.md")
    link.symlink_to(summary)
    assert run(link) == run(summary.with_name("gone.md")) == 4
    assert not github.calls


def test_a_summary_mentions_nobody_and_is_cut_to_what_github_takes() -> None:
    text = comment_text("@everyone " * 100_000, "https://github.example/run/1")
    assert "@e" not in text
    assert len(text) < LONGEST + 200
    assert text.startswith(MARK)
    assert text.endswith("(https://github.example/run/1)\n")

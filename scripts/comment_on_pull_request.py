"""Put a summary on a pull request: `scripts/comment_on_pull_request.py --summary FILE`, for workflows.

One comment, which a later run replaces. What the file says may be of anybody's branch, so it is only data:
the pull request is found by the commit that GitHub says the run was of, never by what the file says. Needs
Python alone, so that nothing is installed where a token may write. Exit code 1 if GitHub refuses, 4 for a
wrong file.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "<!-- evaluation -->"
AUTHOR = "github-actions[bot]"
LONGEST = 60_000  # characters; GitHub takes 65,536
PAGE = 100  # comments, GitHub's most
PAGES = 30
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Head:
    """The branch that a run was of: its owner's name, its own, and the commit."""

    owner: str
    branch: str
    sha: str


class GitHub:
    """The REST interface of one repository.

    Args:
        url: Of the interface.
        repository: `owner/name`.
        token: May write to issues.
    """

    def __init__(self, url: str, repository: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/repos/{repository}"
        self._token = token

    def pull_request(self, head: Head) -> int | None:
        """The number of the open pull request of just this commit."""
        query = {"state": "open", "head": f"{head.owner}:{head.branch}"}
        found = self._call("GET", f"/pulls?{urllib.parse.urlencode(query)}")
        return next((int(pull["number"]) for pull in found if pull["head"]["sha"] == head.sha), None)

    def comment(self, number: int, text: str) -> None:
        """Write the comment, or replace the one that is there."""
        old = self._find_comment(number)
        if old is None:
            self._call("POST", f"/issues/{number}/comments", {"body": text})
        else:
            self._call("PATCH", f"/issues/comments/{old}", {"body": text})

    def _find_comment(self, number: int) -> int | None:
        for page in range(1, PAGES + 1):
            comments = self._call("GET", f"/issues/{number}/comments?per_page={PAGE}&page={page}")
            for each in comments:
                if each["user"]["login"] == AUTHOR and each["body"].startswith(MARK):
                    return int(each["id"])
            if len(comments) < PAGE:
                break
        return None

    def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - GitHub's own address
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/vnd.github+json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - the same
            return json.load(response)


def comment_text(summary: str, run_url: str) -> str:
    """The comment: a summary that mentions nobody, and where the report is."""
    quiet = summary.replace("@", "@\u200b")
    if len(quiet) > LONGEST:
        quiet = f"{quiet[:LONGEST]}\n\n…"
    return f"{MARK}\n{quiet}\n\n[The report and the results]({run_url})\n"


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put a summary on the pull request of a workflow's run.")
    parser.add_argument("--summary", type=Path, required=True, metavar="FILE", help="Markdown")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments, environment = parse_arguments(given), os.environ
    if arguments.summary.is_symlink() or not arguments.summary.is_file():  # a link may lead to the token
        print(f"{arguments.summary} is no plain file", file=sys.stderr)
        return 4
    summary = arguments.summary.read_text(encoding="utf-8", errors="replace")
    github = GitHub(
        environment["GITHUB_API_URL"], environment["GITHUB_REPOSITORY"], environment["GITHUB_TOKEN"]
    )
    head = Head(environment["HEAD_OWNER"], environment["HEAD_BRANCH"], environment["HEAD_SHA"])
    try:
        number = github.pull_request(head)
        if number is None:
            print("No open pull request is at this commit any more.")
            return 0
        github.comment(number, comment_text(summary, environment["RUN_URL"]))
    except urllib.error.URLError as exc:
        print(f"GitHub: {exc}", file=sys.stderr)
        return 1
    print(f"Commented on pull request {number}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

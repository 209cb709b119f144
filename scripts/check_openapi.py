"""Hold `docs/openapi.json` against the code, and the code against what clients rely on.

`scripts/check_openapi.py` fails when the committed document isn't what the code says (`--write` renews
it), and when it breaks clients of `--base REV` without a line under "Unreleased" of CHANGELOG.md that starts
with "Breaking:".
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from app.factory import create_app
from app.openapi_diff import breaking_changes
from app.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "openapi.json"
UNRELEASED = re.compile(r"^## \[?Unreleased\]?.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def current_document() -> str:
    """The code's own document, whatever the environment sets."""
    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=2, ensure_ascii=False) + "\n"


def document_at(revision: str) -> dict[str, Any] | None:
    """The document that was committed at a revision; None when there was none."""
    command = ["git", "-C", str(ROOT), "show", f"{revision}:docs/openapi.json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git alone
    if shown.returncode:
        return None
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def is_declared(changelog: str) -> bool:
    """Whether the changelog announces a breaking change for the coming release."""
    unreleased = UNRELEASED.search(changelog)
    return bool(unreleased and re.search(r"^\s*- Breaking:", unreleased.group(0), re.MULTILINE))


def check(base: str) -> list[str]:
    """What is wrong, a line each."""
    current = current_document()
    if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != current:
        return ["docs/openapi.json is not what the code says: run `make openapi` and commit it"]
    old = document_at(base)
    changes = breaking_changes(old, json.loads(current)) if old else []
    if changes and not is_declared((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        return [*changes, f"these break clients of {base}: declare them in CHANGELOG.md by `- Breaking: …`"]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description="Check docs/openapi.json.")
    parser.add_argument("--write", action="store_true", help="write the document instead of checking it")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="the revision that clients rely on")
    arguments = parser.parse_args()
    if arguments.write:
        DOCUMENT.write_text(current_document(), encoding="utf-8")
        return 0
    problems = check(arguments.base)
    print("\n".join(problems) or "docs/openapi.json is up to date and breaks nothing.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""Hold `docs/openapi.json` against the code, and the code against what clients rely on.

`scripts/check_openapi.py` fails when the committed document isn't what the code says (`--write` renews
it), and when it breaks clients of `--base REV` unless "Unreleased" of CHANGELOG.md has more lines that start
with "- Breaking:" than it had there. A base without the document, or none at all, breaks nobody.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from app.factory import create_app
from app.openapi_diff import breaking_changes
from app.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENT = "docs/openapi.json"
CHANGELOG = "CHANGELOG.md"
UNRELEASED = re.compile(r"^## \[?Unreleased\]?.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def current_document() -> str:
    """The code's own document, whatever the environment sets."""
    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=2, ensure_ascii=False) + "\n"


def file_at(revision: str, path: str, root: Path) -> str:
    """The file as it was committed at a revision; empty when it, or the revision, isn't there."""
    command = ["git", "-C", str(root), "show", f"{revision}:{path}"]
    shown = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - git alone
    return "" if shown.returncode else shown.stdout


def declarations(changelog: str) -> int:
    """How many breaking changes the changelog announces for the coming release."""
    unreleased = UNRELEASED.search(changelog)
    return len(re.findall(r"^\s*- Breaking:", unreleased.group(0), re.MULTILINE)) if unreleased else 0


def check(base: str, root: Path = ROOT) -> list[str]:
    """What is wrong, a line each."""
    current = current_document()
    document = root / DOCUMENT
    if not document.exists() or document.read_text(encoding="utf-8") != current:
        return [f"{DOCUMENT} is not what the code says: run `make openapi` and commit it"]
    old = file_at(base, DOCUMENT, root)
    if not old:
        print(f"{DOCUMENT} is compared with nothing: there is none at {base}.")
    changes = breaking_changes(json.loads(old), json.loads(current)) if old else []
    declared = declarations((root / CHANGELOG).read_text(encoding="utf-8"))
    if changes and declared <= declarations(file_at(base, CHANGELOG, root)):
        return [*changes, f"these break clients of {base}: declare them in {CHANGELOG} by a `- Breaking: …`"]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description="Check docs/openapi.json.")
    parser.add_argument("--write", action="store_true", help="write the document instead of checking it")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="the revision that clients rely on")
    arguments = parser.parse_args()
    if arguments.write:
        (ROOT / DOCUMENT).write_text(current_document(), encoding="utf-8")
        return 0
    problems = check(arguments.base)
    print("\n".join(problems) or "docs/openapi.json is up to date and breaks nothing.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

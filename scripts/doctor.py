"""Try out what the settings name, and say what to do about what fails: `scripts/doctor.py`."""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.doctor import Finding, State, examine
from app.settings import Settings
from observability.logs import configure_logs
from rag.errors import GroundworkError

MARKS = {State.OK: "[green]ok     [/]", State.WARNING: "[yellow]warning[/]", State.FAILED: "[red]failed [/]"}


async def run(settings: Settings, *, as_json: bool) -> bool:
    """Whether all works, warnings aside."""
    console = Console(highlight=False, soft_wrap=True)
    found: list[Finding] = []
    async for finding in examine(settings):
        found.append(finding)
        if not as_json:
            console.print(f"{MARKS[finding.state]} {escape(finding.check)}: {escape(finding.detail)}")
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    return all(finding.state is not State.FAILED for finding in found)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Try out what the settings name; exit code 1 if a part fails."
    )
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    arguments = parser.parse_args()
    configure_logs(level="CRITICAL")
    try:
        works = asyncio.run(run(Settings(), as_json=arguments.json))
    except (ValidationError, GroundworkError) as exc:
        print(f"failed: settings: {exc}", file=sys.stderr)
        return 2
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())

"""Try out what the settings name, and say what to do about what fails: `scripts/doctor.py`."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from app.doctor import Finding, State, examine
from app.service_settings import ServiceSettings
from app.setting_problems import SettingsError
from app.settings import Settings
from observability.logs import configure_logs
from rag.errors import GroundworkError

MARKS = {State.OK: "[green]ok     [/]", State.WARNING: "[yellow]warning[/]", State.FAILED: "[red]failed [/]"}


def read() -> tuple[Settings | None, list[Finding]]:
    """The settings, and what is wrong with them; None where that leaves nothing to try out."""
    try:
        return ServiceSettings(), []
    except SettingsError as exc:
        found = [
            Finding(f"setting {problem.setting}", State.FAILED, f"it {problem.advice}")
            for problem in exc.problems
        ]
    try:
        return Settings(), found
    except SettingsError:
        return None, found


async def run(settings: Settings | None, told: Sequence[Finding], *, as_json: bool) -> bool:
    """Try everything, and tell it after what is known. Whether all works, warnings aside."""
    console = Console(highlight=False, soft_wrap=True)
    found: list[Finding] = []
    async for finding in _all(settings, told):
        found.append(finding)
        if not as_json:
            console.print(f"{MARKS[finding.state]} {escape(finding.check)}: {escape(finding.detail)}")
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    return all(finding.state is not State.FAILED for finding in found)


async def _all(settings: Settings | None, told: Sequence[Finding]) -> AsyncIterator[Finding]:
    for finding in told:
        yield finding
    if settings is not None:
        async for finding in examine(settings):
            yield finding


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Try out what the settings name; exit code 1 if a part fails, 2 if nothing can be tried."
    )
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    arguments = parser.parse_args()
    configure_logs(level="CRITICAL")
    try:
        settings, told = read()
        works = asyncio.run(run(settings, told, as_json=arguments.json))
    except GroundworkError as exc:
        print(f"failed: settings: {exc}", file=sys.stderr)
        return 2
    if settings is None:
        return 2
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())

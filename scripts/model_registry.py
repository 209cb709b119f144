"""Look at learned models, and say what comes of them: `scripts/model_registry.py list|show|approve|reject`.

`list NAME` gives a model's versions with their states, `show NAME@VERSION` the model card; `approve` and
`reject` change the state of a version, and nothing else of it. A service that is to start with a rejected
model refuses it. Exit code 1 if something failed, 4 for a wrong name or usage.
"""

import argparse
import sys
from collections.abc import Sequence
from uuid import UUID

from app.access.identity import Identity
from app.audit import script_identity
from app.model_options import registry_place
from app.settings import Settings
from eval.gate import USAGE_ERROR
from feedback.flywheel.card import CARD_MARKDOWN
from rag.model_registry.opening import open_registry
from rag.model_registry.types import ModelRegistry, ModelState, parse_version
from scripts.check_eval_thresholds import Parser
from scripts.commands import exit_code

NOBODY = Identity(UUID(int=0))  # a registry is no tenant's
STATES = {"approve": ModelState.APPROVED, "reject": ModelState.REJECTED}


def run(arguments: argparse.Namespace, registry: ModelRegistry) -> str:
    """What to print."""
    if arguments.command == "list":
        found = registry.versions(arguments.model)
        lines = [f"{model.id}  {model.state}  {model.changed_by}  {model.changed_at}" for model in found]
        return "\n".join(lines) or f"{arguments.model} has no versions"
    model = parse_version(arguments.model)
    if arguments.command == "show":
        return registry.read(model, CARD_MARKDOWN).decode()
    state = STATES[arguments.command]
    registry.set_state(model, state, by=arguments.by)
    return f"{model} is {state}"


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Look at learned models, approve or reject them.")
    parser.add_argument("command", choices=["list", "show", *STATES])
    parser.add_argument("model", metavar="NAME or NAME@VERSION")
    parser.add_argument("--registry", metavar="PLACE", help="in place of MODEL_REGISTRY")
    parser.add_argument(
        "--by", default=script_identity(NOBODY).subject, help="who decides; your login unless given"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        registry = open_registry(arguments.registry or registry_place(Settings()))
        print(run(arguments, registry))
        return 0

    return exit_code(work, failing_to="do that", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())

"""Where a run's questions come from: sets that ship with the service, and a tenant's own artifacts."""

import asyncio
from pathlib import Path
from uuid import UUID

from eval.cases import EvaluationSet, parse_cases, read_cases
from rag.artifacts import Artifacts
from rag.errors import InvalidInputError, NotFoundError

SHIPPED = Path(__file__).parents[2] / "eval" / "datasets"
FOLDER = "eval-datasets"  # of the artifacts; each tenant's are in a folder of its own there
SUFFIX = ".jsonl"


def artifact_name(tenant_id: UUID, path: str) -> str:
    """Where a tenant's set lies among the artifacts."""
    return f"{FOLDER}/{tenant_id}/{path.removeprefix(f'{FOLDER}/')}"


async def read_dataset(artifacts: Artifacts, tenant_id: UUID, path: str) -> EvaluationSet:
    """The set of that path: a shipped one's name, such as "handbook.jsonl", or one of the tenant's own.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: The path can't be one, or something in the set is wrong.
        UnavailableError: It can't be read now.
    """
    if not path.endswith(SUFFIX):
        raise InvalidInputError(f"{path!r} is not the path of a set: it does not end in {SUFFIX}")
    shipped = {f"{folder}{file.name}": file for file in SHIPPED.glob(f"*{SUFFIX}") for folder in _FOLDERS}
    if path in shipped:
        return await asyncio.to_thread(read_cases, shipped[path])
    try:
        data = await artifacts.read(artifact_name(tenant_id, path))
    except NotFoundError as exc:
        raise NotFoundError(f"there is no evaluation set {path!r}") from exc
    return parse_cases(data, Path(path).stem, place=path)


_FOLDERS = ("", "eval/datasets/")

"""Run by `make.py` on the previous release's code: store something of each kind, and note its answers."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx

from app.access.roles import Role
from app.settings import Settings
from db.bootstrap import embedded_database
from db.pool import open_database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service

DOCUMENTS = {
    "leave.md": (
        "# Leave\n\nEvery employee has 30 vacation days a year.\n\n## Carrying over\n\n"
        "You can carry over up to 5 vacation days to the next calendar year.\n"
    ),
    "parking.md": "# Parking\n\nA parking space in the garage costs 40 euros a month.\n",
    "salaries.md": "# Salaries\n\nSalaries are paid on the 25th of each month.\n",
}
CLOSED_TO = {"salaries.md": ["hr"]}
QUESTIONS = ("How many vacation days can I carry over?", "What does a parking space cost?")


async def use(data_dir: Path) -> dict[str, Any]:
    async with embedded_database(data_dir) as logins:
        settings = Settings(
            _env_file=None,
            data_dir=data_dir,
            sample_documents=False,
            auth_mode="api_key",
            api_key_pepper=PEPPER,
            rate_limits="off",
        )
        async with running_service(settings, LocalModels()) as client, open_database(logins) as database:
            maker = KeyMaker(database)
            keys = {
                str(role): (await maker.issue(role, groups=groups)).secret
                for role, groups in ((Role.ADMIN, ("hr",)), (Role.READER, ()))
            }
            return {"keys": keys} | await fill(client, keys)


async def fill(client: httpx.AsyncClient, keys: dict[str, str]) -> dict[str, Any]:
    admin, reader = bearer(keys["admin"]), bearer(keys["reader"])
    for name, text in DOCUMENTS.items():
        body = {"text": text, "title": name, "source_document_id": name, "metadata": {"year": 2025}}
        await send(client, "/ingest?wait=60", body | {"acl": CLOSED_TO.get(name, [])}, admin)
    await send(client, "/ingest?wait=60", body_of_second_version(), admin)
    answers = [await send(client, "/chat", {"query": question}, reader) for question in QUESTIONS]
    rating = {"request_id": answers[0]["request_id"], "rating": -1, "comment": "Is that for part-time too?"}
    feedback = await send(client, "/feedback", rating | {"labels": ["incomplete"]}, reader)
    return {
        "answers": answers,
        "feedback_id": feedback["feedback_id"],
        "searches": {
            question: {
                who: (await send(client, "/search", {"query": question}, bearer(keys[who])))["results"]
                for who in ("reader", "admin")
            }
            for question in (*QUESTIONS, "When are salaries paid?")
        },
        "documents": (await client.get("/documents", headers=admin)).json()["documents"],
        "issued": (await client.get("/admin/keys", headers=admin)).json()["keys"],
    }


def body_of_second_version() -> dict[str, Any]:
    text = DOCUMENTS["parking.md"].replace("40 euros", "45 euros")
    return {
        "text": text,
        "title": "parking.md",
        "source_document_id": "parking.md",
        "metadata": {"year": 2026},
    }


async def send(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str]
) -> dict[str, Any]:
    response = await client.post(path, json=body, headers=headers)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


if __name__ == "__main__":
    found = asyncio.run(use(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(found, indent=1) + "\n")

import httpx
import pytest

POLICY = """# Leave policy

## Carrying days over

You can carry over up to 5 vacation days to the next calendar year.
Carried-over days must be taken by 31 March.

## Parental leave

Parents receive 16 weeks of paid parental leave after the birth of a child.
"""
SECURITY = """# Security

Passwords must have at least 14 characters. Every account needs a second factor.
Report a lost laptop within 1 hour to the security team.
"""


async def ingest_text(client: httpx.AsyncClient, text: str, **fields: object) -> dict[str, object]:
    body = {"text": text, "title": "Untitled", **fields}
    response = await client.post("/ingest", params={"wait": 60}, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


@pytest.fixture(scope="module")
async def corpus(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a service that knows two documents."""
    await ingest_text(client, POLICY, title="Leave policy", source_document_id="policies/leave.md")
    await ingest_text(client, SECURITY, title="Security", source_document_id="policies/security.md")
    return client

import httpx
import pytest

PROBLEM = "application/problem+json"
BAD_BODIES = {
    "empty query": '{"query": ""}',
    "blank query": '{"query": "  \\n "}',
    "long query": '{"query": "' + "a" * 4001 + '"}',
    "no query": "{}",
    "wrong type": '{"query": 7}',
    "unknown field": '{"query": "x", "temperature": 1}',
    "bad uuid": '{"query": "x", "conversation_id": "12"}',
    "bad strategy": '{"query": "x", "strategy": "magic"}',
    "top_k too large": '{"query": "x", "top_k": 51}',
    "unknown filter": '{"query": "x", "filters": {"owner": "me"}}',
    "nested metadata": '{"query": "x", "metadata": {"a": {"b": 1}}}',
    "infinite metadata": '{"query": "x", "metadata": {"a": Infinity}}',
    "huge integer": '{"query": "x", "metadata": {"a": ' + "9" * 5000 + "}}",
    "lone surrogate": '{"query": "a \\ud800 b"}',
    "lone surrogate as a key": '{"query": "x", "metadata": {"\\udfff": 1}}',
    "lone surrogate as a field": '{"query": "x", "\\udfff": 1}',
    "nul": '{"query": "a \\u0000 b"}',
    "not json": '{"query": ',
    "a list": "[1]",
    "deep nesting": '{"query": ' + "[" * 100_000 + "}",
}


@pytest.mark.parametrize("name", BAD_BODIES)
@pytest.mark.parametrize("path", ["/chat", "/search"])
async def test_a_bad_body_is_refused_with_what_is_wrong(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    response = await client.post(
        path, content=BAD_BODIES[name].encode(), headers={"Content-Type": "application/json"}
    )
    assert response.status_code in {400, 422}, response.text
    assert response.headers["content-type"] == PROBLEM
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["detail"]
    assert problem["code"]
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_the_problem_names_the_field(client: httpx.AsyncClient) -> None:
    problem = (await client.post("/chat", json={"query": "x", "top_k": 0})).json()
    (error,) = problem["errors"]
    assert error["location"] == ["body", "top_k"]
    assert "greater than or equal to 1" in error["message"]


@pytest.mark.parametrize(
    ("body", "location", "message"),
    [
        ({"query": " "}, ["body", "query"], "must not be blank"),
        ({"query": "x", "metadata": {"a": [1]}}, ["body", "metadata", "a"], "must be a text of at most"),
        (
            {"query": "x", "filters": {"source_document_id": []}},
            ["body", "filters", "source_document_id"],
            "at least 1 item",
        ),
    ],
)
async def test_a_mistake_is_one_plain_message(
    client: httpx.AsyncClient, body: dict[str, object], location: list[str], message: str
) -> None:
    problem = (await client.post("/chat", json=body)).json()
    (error,) = problem["errors"]
    assert error["location"] == location
    assert message in error["message"]
    assert "Value error" not in problem["detail"]
    assert "function" not in problem["detail"]


@pytest.mark.parametrize("path", ["/chat", "/search", "/feedback"])
async def test_a_body_of_ten_megabytes_is_refused(client: httpx.AsyncClient, path: str) -> None:
    content = b'{"query": "' + b"a" * 10 * 1024 * 1024 + b'"}'
    response = await client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.headers["content-type"] == PROBLEM


async def test_an_upload_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/ingest", files={"file": ("big.txt", b"a" * (51 * 1024 * 1024))})
    assert response.status_code == 413
    assert response.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("rating", [0, 2, "good", None, 1.5])
async def test_a_rating_is_one_or_minus_one(client: httpx.AsyncClient, rating: object) -> None:
    response = await client.post("/feedback", json={"request_id": "x", "rating": rating})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/chat", 405),
        ("GET", "/documents/not-a-uuid", 422),
        ("DELETE", "/documents/not-a-uuid", 422),
        ("GET", "/ingest/not-a-uuid", 422),
        ("GET", "/documents?limit=0", 422),
        ("GET", "/documents?cursor=%F0%9F%98%80", 422),
        ("GET", "/documents?cursor=abcd", 422),
        ("GET", "/documents?source_document_id=%00", 422),
        ("GET", "/documents/00000000-0000-0000-0000-000000000000/text?version=99999999999", 422),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["status"] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebind.evil.example"}, 400),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
    ],
)
async def test_web_pages_of_other_origins_are_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await client.get("/documents", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert response.headers["content-type"] == PROBLEM
        assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_an_empty_list_of_sources_is_not_all_of_them(client: httpx.AsyncClient) -> None:
    response = await client.post("/search", json={"query": "x", "filters": {"source_document_id": []}})
    assert response.status_code == 422


async def test_health_says_what_is_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json()["status"] == "ok"
    for path in ("/health/ready", "/health"):
        response = await client.get(path)
        assert response.json() == {"status": "ok", "checks": {"database": "ok"}}

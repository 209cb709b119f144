from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import iter_route_contexts

from app.access.identity import Identity
from app.audit import Audited, audited, event_of, script_identity
from app.audit_middleware import Repeats
from app.cursors import read_cursor, write_cursor
from app.factory import create_app
from app.settings import Settings
from rag.errors import InvalidInputError

READING = {"GET", "HEAD", "OPTIONS"}
# They change nothing but logs of their own: who asked what, and what they did with the answer.
LOGGED = {"/chat", "/search", "/events"}


def undeclared(app: FastAPI) -> set[str]:
    """Routes that change something and don't say what the audit log shall call it."""
    found = set()
    for route in iter_route_contexts(app.routes):
        declared = [d for d in getattr(route, "dependencies", []) if isinstance(d.dependency, Audited)]
        if (route.methods or set()) - READING and route.path not in LOGGED and not declared:
            found.add(f"{route.methods} {route.path}")
    return found


def test_every_route_that_changes_something_is_audited() -> None:
    app = create_app(Settings(_env_file=None))
    assert sum(1 for route in iter_route_contexts(app.routes) if (route.methods or set()) - READING) > 10
    assert undeclared(app) == set()


def test_a_route_without_a_declaration_is_found() -> None:
    app = FastAPI()

    @app.delete("/things", dependencies=[Depends(uuid4)])
    async def delete() -> None:
        """Forgot to declare it."""

    @app.post("/things", dependencies=[audited("thing.make")])
    async def make() -> None:
        """Did not."""

    assert undeclared(app) == {"{'DELETE'} /things"}


def test_a_text_is_replaced_by_its_length() -> None:
    job_id = uuid4()
    details = {
        "size": 12,
        "share": 0.5,
        "force": True,
        "job": job_id,
        "fields": ["acl", "metadata"],
        "comment": "Call Erika at home",
        "nested": {"name": "x"},
        "groups": ["hr", "the board, all of it"],
        "nothing": None,
    }
    event = event_of(Identity(uuid4()), "thing.make", "thing", details=details)
    assert event.details == {
        "size": 12,
        "share": 0.5,
        "force": True,
        "job": str(job_id),
        "fields": ["acl", "metadata"],
        "comment": {"chars": 18},
        "nested": {"chars": 13},
        "groups": ["hr", {"chars": 20}],
        "nothing": None,
    }
    assert event.subject == "anonymous"


def test_one_of_equal_things_passes_and_the_next_one_counts_the_others() -> None:
    repeats = Repeats(every_s=1000)
    assert [repeats.pass_on(key) for key in ("a", "a", "b", "a")] == [0, None, 0, None]
    repeats._every_s = -1
    repeats._seen["a"] = (0.0, 2)
    assert repeats.pass_on("a") == 2


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats(every_s=1000, remembered=3)
    assert [repeats.pass_on(key) for key in "abcd"] == [0, 0, 0, 0]
    assert len(repeats._seen) == 3
    assert repeats.pass_on("d") is None
    assert repeats.pass_on("a") == 0, "forgotten, so it passes again"


def test_a_cursor_says_where_a_page_ended() -> None:
    place = datetime(2026, 2, 3, 4, 5, 6, 789, UTC), UUID(int=7)
    assert read_cursor(write_cursor(*place)) == place


@pytest.mark.parametrize("cursor", ["x", "é", "MjAyNg==", "", "|" * 50])
def test_a_cursor_that_nobody_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        read_cursor(cursor)


def test_a_script_is_known_by_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "erika")
    assert script_identity(Identity(uuid4())).subject == "script:erika"

"""Which stored texts are sealed; `feedback.collect` seals feedback. Repositories store what they get."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from db.repositories.conversations import StoredCitation
from db.repositories.shadow_results import ShadowResult
from db.repositories.traces import Trace
from rag.encryption.sealing import Keyring, Place, versions_of

# By table: the columns, and those that tell a row from the others.
SEALED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "traces": ("query", "answer"),
    "messages": ("content",),
    "message_citations": ("statement", "quote"),
    "feedback": ("comment", "correction"),
    "shadow_results": ("answer",),
    "feedback_history": ("comment", "correction"),
}
ROW_IDS: Mapping[str, tuple[str, ...]] = {
    "traces": ("id",),
    "messages": ("id",),
    "message_citations": ("message_id", "ordinal"),
    "feedback": ("id",),
    "shadow_results": ("id",),
    "feedback_history": ("feedback_id",),
}
# Where a text was sealed that has been moved as it is.
SEALED_IN: Mapping[str, str] = {"feedback_history": "feedback"}


def sealed_trace(ring: Keyring, trace: Trace) -> Trace:
    place = {column: Place("traces", column, str(trace.id)) for column in SEALED_COLUMNS["traces"]}
    return replace(
        trace, query=ring.seal(place["query"], trace.query), answer=ring.seal(place["answer"], trace.answer)
    )


def sealed_shadow_result(ring: Keyring, result: ShadowResult) -> ShadowResult:
    place = Place("shadow_results", "answer", str(result.id))
    return replace(result, answer=ring.seal(place, result.answer))


def sealed_message(ring: Keyring, message_id: UUID, content: str | None) -> str | None:
    return ring.seal(Place("messages", "content", str(message_id)), content)


def sealed_citations(
    ring: Keyring, message_id: UUID, citations: Sequence[StoredCitation]
) -> list[StoredCitation]:
    """Citations in the order in which they will be stored."""

    def seal(column: str, ordinal: int, text: str | None) -> str | None:
        return ring.seal(Place("message_citations", column, f"{message_id}:{ordinal}"), text)

    return [
        replace(
            citation,
            statement=seal("statement", ordinal, citation.statement),
            quote=seal("quote", ordinal, citation.quote),
        )
        for ordinal, citation in enumerate(citations)
    ]


def key_versions(table: str, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Which keys it takes to read these rows."""
    columns = SEALED_COLUMNS.get(table, ())
    return versions_of(row[column] for row in rows for column in columns)


def unsealed_row(ring: Keyring, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its texts opened.

    Raises:
        UnavailableError: One can't be.
    """
    row_id = ":".join(str(row[column]) for column in ROW_IDS.get(table, ()))
    columns, place = SEALED_COLUMNS.get(table, ()), SEALED_IN.get(table, table)
    return {**row, **{name: ring.unseal(Place(place, name, row_id), row[name]) for name in columns}}

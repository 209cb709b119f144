"""The one place that knows which stored texts are sealed. Repositories store what they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from db.repositories.conversations import StoredCitation
from db.repositories.traces import Trace
from rag.encryption.sealing import Keyring, Place, versions_of

# By table: the columns, and those that tell a row from the others.
SEALED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "traces": ("query", "answer"),
    "messages": ("content",),
    "message_citations": ("statement", "quote"),
}
ROW_IDS: Mapping[str, tuple[str, ...]] = {
    "traces": ("id",),
    "messages": ("id",),
    "message_citations": ("message_id", "ordinal"),
}


def sealed_trace(ring: Keyring, trace: Trace) -> Trace:
    place = {column: Place("traces", column, str(trace.id)) for column in SEALED_COLUMNS["traces"]}
    return replace(
        trace, query=ring.seal(place["query"], trace.query), answer=ring.seal(place["answer"], trace.answer)
    )


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
    columns = SEALED_COLUMNS.get(table, ())
    return {**row, **{name: ring.unseal(Place(table, name, row_id), row[name]) for name in columns}}

"""What a request asked for besides its question, kept with its trace so that it can be asked again."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.filter_schema import Filters
from app.schemas.chat import ChatRequest
from rag.ports import SearchScope


def asked_record(request: ChatRequest, groups: Sequence[str], *, with_text: bool) -> dict[str, Any]:
    """A part of a trace's diagnostics.

    Args:
        request: As it came.
        groups: The caller's.
        with_text: Whether text may be stored: a filter may name somebody.
    """
    filters = request.filters.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {
        "top_k": request.top_k,
        "groups": list(groups),
        "filters": filters if with_text else {},
    }


def narrowed(scope: SearchScope, filters: Mapping[str, Any]) -> SearchScope:
    """The scope with the filters of a stored request."""
    return Filters.model_validate(dict(filters)).narrow(scope)

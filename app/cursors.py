"""Where a page ended, as an opaque text for the next request."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from rag.errors import InvalidInputError


def write_cursor(at: datetime, row_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{row_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Raises: InvalidInputError when no page ended there."""
    try:
        at, _, row_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(row_id)
    except (ValueError, OverflowError, binascii.Error) as exc:
        raise InvalidInputError("cursor is not one that this service gave out") from exc

"""What a place that holds documents is to a sync: a list of entries, and a way to fetch one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MAX_NAME_BYTES = 1024  # the most that ingestion takes for a document's name; S3's limit for a key


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that a source holds.

    Attributes:
        name: Its `source_document_id`: the path below the source, with `/`; of a web page, host and path.
        fingerprint: Changes when the content does, and costs no download. None when only `fetch` can tell.
        size: Bytes, if the listing says.
        uri: Where a reader finds it.
        mime_type: What the source calls it.
    """

    name: str
    fingerprint: str | None
    size: int | None = None
    uri: str | None = None
    mime_type: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is there but isn't taken, with the reason in words for the user.

    `below` says that nothing is known of what lies below `name` either: a folder that can't be read.
    """

    name: str
    reason: str
    below: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What `fetch` wrote to the file.

    Attributes:
        content_sha256: Of the bytes in the file.
        byte_size: Of the file.
        mime_type: What the source calls it, parameters such as `charset` included.
        fingerprint: Of the content fetched: what to keep for the next sync, not the entry's.
        uri: Where it was found in the end, after redirects.
    """

    content_sha256: bytes
    byte_size: int
    fingerprint: str
    mime_type: str | None = None
    uri: str | None = None


class Source(Protocol):
    """A place that holds documents."""

    @property
    def name(self) -> str:
        """Stable from sync to sync, such as `s3://bucket/prefix`."""
        ...

    def entries(self) -> AsyncIterator[Entry | Skipped]:
        """All that is there. An error part-way says that the list is incomplete, never that it ends.

        Raises:
            NotFoundError: There is no such folder, bucket, repository or page.
            InvalidInputError: The address is wrong, or may not be read.
            UnavailableError: It can't be reached or read now.
        """
        ...

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        """Write the entry's content to the file `into`, which doesn't stay behind if that fails.

        Returns:
            None, and no file, if the source says that the content is still that of the fingerprint `known`.

        Raises:
            NotFoundError: It isn't there any more.
            InvalidInputError: It is too large, of a kind that isn't taken, or may not be read.
            ConflictError: It changes while it is read.
            UnavailableError: It can't be reached or read now, or there is no room for the file.
        """
        ...


def why_unnamable(name: str) -> str | None:
    """Why ingestion would not take this name, in words for the user; None if it would."""
    if not name.strip():
        return "its name is blank"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8, as Python shows them
        return "its name is not text in UTF-8"
    if "\0" in name:
        return "its name is not text"
    return f"its path is longer than {MAX_NAME_BYTES} bytes" if size > MAX_NAME_BYTES else None


def is_hidden(path: str) -> bool:
    """Whether a part of the path begins with a dot."""
    if not path.startswith(".") and "/." not in path:
        return False
    return any(part.startswith(".") and part not in {".", ".."} for part in path.split("/"))

"""What a sync would do: what is new, changed and gone, by comparing what is there with what is known.

Nothing here removes anything: `removed` is a proposal. What could not be seen is never taken for gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rag.errors import GroundworkError
from rag.sources.types import Entry, Fetched, Skipped, Source


@dataclass(frozen=True, slots=True)
class Known:
    """A document as it was when it was last taken from the source.

    Attributes:
        fingerprint: `Fetched.fingerprint` of that time; None if it isn't known.
        content_sha256: Of the file.
    """

    fingerprint: str | None
    content_sha256: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source listed. With an `error` it broke off there, and is not complete."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()
    error: GroundworkError | None = None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to do, in the order of the listing; names in alphabetical order.

    Attributes:
        added: Not known yet.
        changed: Known with another fingerprint. Their content may turn out to be the same: see `outcome`.
        unchecked: Known; only `fetch` tells whether they changed.
        unchanged: Known with the same fingerprint.
        removed: Known, and surely not there any more.
        kept: Known and not listed, but perhaps there: skipped, below a folder that can't be read, or the
            listing broke off.
        suspicious: More than half of what is known would be removed: ask before doing so.
        error: Why the listing is not complete.
    """

    added: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    unchecked: tuple[Entry, ...]
    unchanged: tuple[Entry, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    suspicious: bool
    error: GroundworkError | None = None


class Outcome(StrEnum):
    """What became of a fetched entry."""

    ADDED = "added"
    CHANGED = "changed"
    TOUCHED = "touched"  # another fingerprint, the same content
    UNCHANGED = "unchanged"  # the source itself said so


async def list_source(source: Source) -> Listing:
    """All entries; of those of one name the first. An error of the source ends the listing and is in it."""
    entries: dict[str, Entry] = {}
    skipped: list[Skipped] = []
    error: GroundworkError | None = None
    try:
        async for found in source.entries():
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found.name in entries:
                skipped.append(Skipped(found.name, "another document has the same name"))
            else:
                entries[found.name] = found
    except GroundworkError as exc:
        error = exc
    return Listing(tuple(entries.values()), tuple(skipped), error)


def compare(listing: Listing, known: Mapping[str, Known]) -> SyncPlan:
    """What a sync would do.

    Args:
        listing: What the source listed; names are unique.
        known: What was taken from this very source before, by name.
    """
    added, changed, unchecked, unchanged = [], [], [], []
    for entry in listing.entries:
        before = known.get(entry.name)
        if before is None:
            added.append(entry)
        elif entry.fingerprint is None:
            unchecked.append(entry)
        elif entry.fingerprint == before.fingerprint:
            unchanged.append(entry)
        else:
            changed.append(entry)
    missing = sorted(known.keys() - {entry.name for entry in listing.entries})
    unseen = _Unseen(listing)
    removed = tuple(name for name in missing if name not in unseen)
    return SyncPlan(
        added=tuple(added),
        changed=tuple(changed),
        unchecked=tuple(unchecked),
        unchanged=tuple(unchanged),
        removed=removed,
        kept=tuple(name for name in missing if name in unseen),
        skipped=listing.skipped,
        suspicious=2 * len(removed) > len(known),
        error=listing.error,
    )


def outcome(known: Known | None, fetched: Fetched | None) -> Outcome:
    """What became of an entry that was fetched; `fetched` is what the source's `fetch` returned."""
    if fetched is None:
        return Outcome.UNCHANGED
    if known is None:
        return Outcome.ADDED
    return Outcome.TOUCHED if known.content_sha256 == fetched.content_sha256 else Outcome.CHANGED


class _Unseen:
    """The names of which a listing doesn't say whether they are there."""

    def __init__(self, listing: Listing) -> None:
        self._all = listing.error is not None
        self._names = {skipped.name for skipped in listing.skipped}
        self._folders = {skipped.name for skipped in listing.skipped if skipped.below}

    def __contains__(self, name: str) -> bool:
        return self._all or name in self._names or any(above in self._folders for above in _above(name))


def _above(name: str) -> Iterator[str]:
    """The folders that a path lies in, outermost first."""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)

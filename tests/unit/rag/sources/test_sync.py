from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnavailableError
from rag.sources import (
    Entry,
    Fetched,
    Known,
    Listing,
    Outcome,
    Skipped,
    SyncPlan,
    compare,
    list_source,
    outcome,
)

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
FINGERPRINTS = st.sampled_from(["1", "2", None])
BROKEN = UnavailableError("the disk fails")


def known(fingerprint: str | None = "1") -> Known:
    return Known(fingerprint, b"content")


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    entries = draw(st.lists(st.builds(Entry, NAMES, FINGERPRINTS), unique_by=lambda entry: entry.name))
    skipped = draw(st.lists(st.builds(Skipped, NAMES, st.just("why"), st.booleans()), max_size=3))
    return Listing(tuple(entries), tuple(skipped), draw(st.sampled_from([None, None, BROKEN])))


KNOWN = st.dictionaries(NAMES, st.builds(Known, FINGERPRINTS, st.just(b"content")))


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in entries]


def test_each_document_goes_where_its_fingerprint_says() -> None:
    listing = Listing((Entry("new", "1"), Entry("same", "1"), Entry("other", "2"), Entry("page", None)))
    before = {"same": known(), "other": known(), "page": known("etag:1"), "gone": known()}
    assert compare(listing, before) == SyncPlan(
        added=(Entry("new", "1"),),
        changed=(Entry("other", "2"),),
        unchecked=(Entry("page", None),),
        unchanged=(Entry("same", "1"),),
        removed=("gone",),
        kept=(),
        skipped=(),
        suspicious=False,
    )


def test_a_document_whose_fingerprint_was_not_kept_counts_as_changed() -> None:
    plan = compare(Listing((Entry("a", "1"),)), {"a": known(None)})
    assert names(plan.changed) == ["a"]


def test_a_listing_that_broke_off_removes_nothing() -> None:
    plan = compare(Listing((Entry("a", "1"),), error=BROKEN), {"a": known(), "b": known()})
    assert plan.removed == ()
    assert plan.kept == ("b",)
    assert plan.error is BROKEN


def test_what_was_skipped_is_not_removed() -> None:
    skipped = (Skipped("big.pdf", "too large"), Skipped("closed", "may not be read", below=True))
    before = dict.fromkeys(
        ["big.pdf", "big.pdf/x", "closed", "closed/a", "closed/b/c", "closed.txt"], known()
    )
    plan = compare(Listing((), skipped), before)
    assert plan.kept == ("big.pdf", "closed", "closed/a", "closed/b/c")
    assert plan.removed == ("big.pdf/x", "closed.txt")


@pytest.mark.parametrize(("gone", "suspicious"), [(0, False), (1, False), (2, False), (3, True), (4, True)])
def test_more_than_half_gone_is_suspicious(gone: int, suspicious: bool) -> None:
    before = {str(number): known() for number in range(4)}
    listing = Listing(tuple(Entry(str(number), "1") for number in range(gone, 4)))
    assert compare(listing, before).suspicious is suspicious


@given(listings(), KNOWN)
def test_every_document_is_in_exactly_one_place(listing: Listing, before: dict[str, Known]) -> None:
    plan = compare(listing, before)
    still_there = names(plan.changed + plan.unchecked + plan.unchanged)
    assert sorted(names(plan.added) + still_there) == sorted(names(listing.entries))
    assert sorted(still_there + list(plan.removed + plan.kept)) == sorted(before)


@given(listings(), KNOWN)
def test_nothing_is_left_to_do_after_the_plan_was_carried_out(
    listing: Listing, before: dict[str, Known]
) -> None:
    listing = replace(
        listing, entries=tuple(replace(e, fingerprint=e.fingerprint or "9") for e in listing.entries)
    )
    plan = compare(listing, before)
    after = {name: item for name, item in before.items() if name not in plan.removed}
    after |= {entry.name: known(entry.fingerprint) for entry in plan.added + plan.changed}
    again = compare(listing, after)
    assert (again.added, again.changed, again.removed, again.suspicious) == ((), (), (), False)


@given(listings(), KNOWN)
def test_only_a_whole_listing_removes_and_only_what_it_would_have_shown(
    listing: Listing, before: dict[str, Known]
) -> None:
    closed = {item.name for item in listing.skipped if item.below}
    for name in compare(listing, before).removed:
        assert listing.error is None
        assert name not in {item.name for item in listing.skipped}
        assert not any(str(parent) in closed for parent in Path(name).parents)


@pytest.mark.parametrize(
    ("before", "content", "expected"),
    [
        (None, b"content", Outcome.ADDED),
        (known(), b"content", Outcome.TOUCHED),
        (known(), b"other", Outcome.CHANGED),
        (known(), None, Outcome.UNCHANGED),
    ],
)
def test_what_became_of_a_fetched_document(
    before: Known | None, content: bytes | None, expected: Outcome
) -> None:
    fetched = None if content is None else Fetched(content, len(content), "2")
    assert outcome(before, fetched) is expected


class Shelf:
    """A source in memory that may break off at its end."""

    name = "shelf"

    def __init__(self, *found: Entry | Skipped, breaks: bool = False) -> None:
        self._found = found
        self._breaks = breaks

    async def entries(self) -> AsyncIterator[Entry | Skipped]:
        for found in self._found:
            yield found
        if self._breaks:
            raise BROKEN

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        return None


async def test_a_source_that_breaks_off_gives_what_it_listed_and_why() -> None:
    listing = await list_source(Shelf(Entry("a", "1"), Skipped("b", "why"), breaks=True))
    assert listing == Listing((Entry("a", "1"),), (Skipped("b", "why"),), BROKEN)


async def test_of_two_documents_of_one_name_the_second_is_skipped() -> None:
    listing = await list_source(Shelf(Entry("a", "1"), Entry("a", "2")))
    assert listing == Listing((Entry("a", "1"),), (Skipped("a", "another document has the same name"),))

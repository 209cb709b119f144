"""Places to take documents from: folders, S3 buckets, web sites and Git repositories."""

from rag.sources.registry import SourceOptions, open_source
from rag.sources.sync import Known, Listing, Outcome, SyncPlan, compare, list_source, outcome
from rag.sources.types import Entry, Fetched, Skipped, Source

__all__ = [
    "Entry",
    "Fetched",
    "Known",
    "Listing",
    "Outcome",
    "Skipped",
    "Source",
    "SourceOptions",
    "SyncPlan",
    "compare",
    "list_source",
    "open_source",
    "outcome",
]

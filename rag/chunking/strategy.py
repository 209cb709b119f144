"""The ways in which documents are cut up."""

from enum import StrEnum


class ChunkStrategy(StrEnum):
    """How a document is cut up."""

    AUTO = "auto"  # by the kind of document
    HEADING = "heading"  # whole sentences, packed section by section
    FIXED = "fixed"  # windows of tokens
    SEMANTIC = "semantic"  # where the subject changes
    RECORD = "record"  # a record a chunk
    PAGE = "page"  # a page a chunk
    SLIDE = "slide"  # a slide a chunk; its heading path holds no other slide's title

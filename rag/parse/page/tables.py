"""All tables of a page."""

from rag.parse.page.aligned_tables import aligned_tables
from rag.parse.page.layout import Layout, PageTable
from rag.parse.page.ruled_tables import ruled_tables


def find_tables(layout: Layout) -> tuple[PageTable, ...]:
    """Tables with rules between their cells, and tables of figures in columns; no line is in two."""
    ruled = ruled_tables(layout)
    taken = frozenset(line for table in ruled for line in table.lines)
    return (*ruled, *aligned_tables(layout, taken))

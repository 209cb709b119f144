"""Titles as they are shown and embedded."""

MAX_TITLE = 300  # characters; a Markdown paragraph above a `---` line is a heading of any length


def tidy_title(raw: str) -> str:
    """`raw` on one line, without a permalink sign at its end, cut at `MAX_TITLE` characters."""
    title = " ".join(raw.split()).rstrip("¶").rstrip()
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…"

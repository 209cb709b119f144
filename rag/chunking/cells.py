"""The cells of a Markdown table's lines."""

import re

_BAR = re.compile(r"(?<!\\)\|")
_PADDING = re.compile(r"[ \t]{2,}(?=\|)|(?<=\|)(?<!\\\|)[ \t]{2,}")
_DASHES = re.compile(r"-+")


def split_cells(line: str) -> list[str]:
    """The texts of a row's cells, without the bars at its ends."""
    parts = _BAR.split(line.strip())
    first, last = int(not parts[0]), len(parts) - int(not parts[-1])
    return [part.strip().replace("\\|", "|") for part in parts[first:last]]


def tidy_row(line: str) -> str:
    """The row without the spaces that line its columns up."""
    return _PADDING.sub(" ", line.strip())


def tidy_rule(line: str) -> str:
    """The line below the header with one dash a column, for a WordPiece model reads each dash as a token.

    Without a bar in front it is left alone: a single dash there would begin a list.
    """
    line = tidy_row(line)
    return _DASHES.sub("-", line) if line.startswith("|") else line

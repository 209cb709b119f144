"""A text's parts that are looked at: all of a short text, evenly spaced blocks of a long one."""

BLOCK = 1000  # characters; some 160 words, enough to tell what they are
BLOCKS = 10  # 1,600 words in all: a share of 3 % is told from 1 % with certainty
_SNAP = 60  # characters within which a block's edge is moved to white space, not to cut a word


def blocks(text: str) -> list[str]:
    """Up to `BLOCKS` blocks of about `BLOCK` characters, in order, without a random choice."""
    if len(text) <= BLOCK:
        return [text]
    count = min(BLOCKS, -(-len(text) // BLOCK))
    if len(text) <= BLOCK * BLOCKS:
        edges = [_edge(text, at * len(text) // count) for at in range(1, count)]
        return [text[start:end] for start, end in zip([0, *edges], [*edges, len(text)], strict=True)]
    starts = [at * (len(text) - BLOCK) // (count - 1) for at in range(count)]
    return [text[_edge(text, start) : _edge(text, start + BLOCK)] for start in starts]


def _edge(text: str, at: int) -> int:
    """The place of the first white space at or after `at`, if it is near."""
    if at <= 0 or at >= len(text):
        return at
    for place in range(at, min(at + _SNAP, len(text))):
        if text[place].isspace():
            return place
    return at

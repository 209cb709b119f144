"""Text that is data for machines: Base64, hexadecimal, escape sequences, compressed code."""

import re
from collections.abc import Iterator, Sequence

from rag.quality.rules import QualityRules

_DIGITS = "0123456789"
_MIN_DIGITS = 0.05  # of the characters; a sixth of those of Base64 are, and more of any other kind
_LONG_RUN = 40  # characters; a line of Base64 has 64 or 76
_RUN = re.compile(rf"[A-Za-z0-9+/=_-]{{{_LONG_RUN},}}")
_CHANGES = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_MIN_CHANGES = 0.06  # of the characters; Base64 has 0.15 to 0.3, long names and paths 0.02
_ESCAPES = tuple(
    re.compile(f"{one}(?:{one}){{{more},}}")
    for one, more in (
        (r"\\u[0-9A-Fa-f]{4}", 1),
        (r"\\x[0-9A-Fa-f]{2}", 2),
        (r"%[0-9A-Fa-f]{2}", 2),
        (r"=[0-9A-F]{2}", 2),  # quoted-printable
        (r"&#x?[0-9A-Fa-f]{2,6};", 1),
    )
)
_HEX_WORD = re.compile(r"(?:0x)?(?:(?:[0-9a-f]{2}){1,16}|(?:[0-9A-F]{2}){1,16})[:,;]?$")
_HEX_ENDS = "0x:,;"
_MIN_WITH_LETTER = 0.4  # of the words; 0.6 of a dump's bytes have one, and no number has
_UUENCODED = re.compile(r"M[ -`]{60}")
_UUENCODED_LINE = 61  # characters, of 45 bytes
_DENSE_LINE = 400  # characters; people break lines of code earlier
_CODE_SIGNS = re.compile(r"[;(){}=]")
_MIN_CODE_SIGNS = 0.07  # of the characters; JSON has hardly any but its braces
_MAX_SPACES = 0.1  # of the characters; prose has 0.15


def find_encoded(blocks: Sequence[str], rules: QualityRules) -> str | None:
    """Says so when more of the text than allowed is for machines."""
    share = encoded_share(blocks)
    if share <= rules.max_encoded:
        return None
    return f"{share:.0%} of the text is encoded data or compressed code, not text for people"


def encoded_share(blocks: Sequence[str]) -> float:
    """Of the visible characters, those of encoded data; of each block the kind that it has most of."""
    visible = sum(sum(map(len, block.split())) for block in blocks)
    return min(1.0, sum(max(_encoded(block)) for block in blocks) / max(1, visible))


def _encoded(block: str) -> Iterator[int]:
    """How many characters of a block are encoded, by kind."""
    lines = block.split("\n")
    yield sum(len(line) for line in lines if len(line) > _DENSE_LINE and _is_dense(line))
    if sum(map(block.count, _DIGITS)) < _MIN_DIGITS * len(block):
        return
    words = block.split()
    long = [run for word in words if len(word) >= _LONG_RUN for run in _RUN.findall(word)]
    yield sum(len(run) for run in long if _is_mixed(run))
    yield sum(len(found[0]) for escape in _ESCAPES for found in escape.finditer(block))
    yield _dumped(words)
    yield sum(len(line) for line in lines if len(line) == _UUENCODED_LINE and _UUENCODED.fullmatch(line))


def _is_mixed(run: str) -> bool:
    """Whether letters and digits alternate as in Base64 or hexadecimal, not as in a path or a long name."""
    return len(_CHANGES.findall(run)) > _MIN_CHANGES * len(run)


def _dumped(words: Sequence[str]) -> int:
    """The characters of hexadecimal words, as dumps show bytes, unless they are numbers."""
    found = [word for word in words if _HEX_WORD.match(word)]
    with_letter = sum(not word.strip(_HEX_ENDS).isdigit() for word in found)
    return sum(map(len, found)) if with_letter > _MIN_WITH_LETTER * len(found) else 0


def _is_dense(line: str) -> bool:
    """Whether a line is code without the white space that people read it by."""
    signs = len(_CODE_SIGNS.findall(line))
    return signs > _MIN_CODE_SIGNS * len(line) and line.count(" ") < _MAX_SPACES * len(line)

"""Addresses in an answer: each must stand in a source that its sentence cites, from its first letter on.

The whole address is compared, not the host alone: what a conversation must not lose could be written behind
any host. A name with a dot in it is taken for an address too, as many programs make a link of it.
"""

import re
from collections.abc import Iterator, Sequence

from rag.safety.characters import UNSPACED, readings

_LETTER = rf"(?:(?![{UNSPACED}])[\w-])"
_SIGN = r"[.+%&'*=?^~!\#$]"  # with letters, what the name before an @ is made of
_ADDRESS = re.compile(  # possessive where it can be: a text made to be slow is read as fast as any other
    rf"""
    (?P<scheme>
        (?<![a-z0-9])[a-z][a-z0-9+.-]{{0,30}}:[/\\]{{2,}}+
        |(?:https?|ftps?|wss?):[/\\]*+
        |(?<![/\\])[/\\]{{2,}}+
    )
    (?P<rest>[\w\[%]\S*)
    |(?<!{_LETTER})(?P<bare>
        (?:(?<!{_SIGN})(?:{_LETTER}|{_SIGN})++@)?
        (?:{_LETTER}++\.){{1,12}}(?:xn--[a-z0-9-]+|(?:(?![{UNSPACED}])[^\W\d_]){{2,64}})
        (?::\d+)?(?:[/?\#]\S*)?
      |(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?::\d|/)\S*
    )
    |(?P<unspaced>[{UNSPACED}]\.(?:(?![{UNSPACED}])[^\W\d_]){{2,64}}(?:[:/?\#]\S*)?)
    """,
    re.VERBOSE,
)
_WEB = re.compile(r"(?:https?:)?[/\\]*")
_PUNCTUATION = "].,;:!?)}>*_~'\"`|»”’…。，、）】」\\"  # behind an address, also that of Markdown around it
_MARKER = re.compile(r"\[[\d,]{0,20}$")
_SCRIPT = re.compile(
    r"(?<!\w)(?:(?:javascript|vbscript|livescript):(?=\S)|data:(?:[a-z]+/[\w.+-]+[;,]|[;,]))"
)
_LONGEST = 4000  # characters of an address: browsers and servers take no more


def runs_scripts(text: str) -> bool:
    """Whether an address in the text is a program or a document of its own: `javascript:`, `data:`."""
    return any(_SCRIPT.search(reading) for reading in readings(text))


def has_foreign_address(text: str, cited: Sequence[str]) -> bool:
    """Whether an address in the text stands in none of the cited texts."""
    distinct = {reading: number for number, reading in reversed([*enumerate(readings(text))])}
    wanted = [(address, number) for reading, number in distinct.items() for address in _addresses(reading)]
    sources = [readings(source) for source in cited] if wanted else []
    return any(
        not any(_stands(address, source[number]) for source in sources) for address, number in set(wanted)
    )


def address_crosses(before: str, text: str) -> bool:
    """Whether an address begins at the end of one text and goes on at the start of the next."""
    tail = re.split(r"\s", before[-_LONGEST:])[-1]
    head = re.split(r"\s", text[:_LONGEST], maxsplit=1)[0]
    if not tail or not head:
        return False
    found = _ADDRESS.finditer((tail + head).lower())
    return any(address.start() < len(tail) < address.end() for address in found)


def _addresses(reading: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(reading):
        scheme, rest = found["scheme"], found["rest"] or found["bare"] or found["unspaced"]
        yield _trimmed(rest if scheme is None or _WEB.fullmatch(scheme) else scheme + rest)


def _trimmed(address: str) -> str:
    """The address without what stands around it: punctuation, emphasis, the marker of a citation."""
    before = ""
    while address != before:
        before = address
        address = _MARKER.sub("", address.strip("_").rstrip(_PUNCTUATION))
    return address


def _stands(address: str, reading: str) -> bool:
    """Whether the text holds the address: a host as a whole, and then as much of its path as is asked for."""
    if not address:
        return True
    begin = rf"(?:(?<![\w.-])|(?<=[{UNSPACED}]))"
    end = rf"(?![@%-]|\.\w|(?![{UNSPACED}])\w)"
    return re.search(begin + re.escape(address) + end, reading) is not None

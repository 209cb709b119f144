"""Markup that would do something: it stays readable, but is no markup any more."""

import re

# Each gets a space after its first character, which ends its meaning in CommonMark and HTML alike: an image,
# a tag, the definition of a link that stands elsewhere, and a link to anything but a web address.
_ACTIVE = re.compile(r"!(?=\[)|<(?=[A-Za-z/!?$])|\](?=:)|\](?=\((?!https?://[^\W_]))", re.IGNORECASE)


def inert(text: str) -> str:
    """The text without images, tags, definitions and links within the page: a space breaks each of them."""
    return _ACTIVE.sub(lambda found: f"{found[0]} ", text)


def joins(before: str, text: str) -> bool:
    """Whether the end of one text and the start of the next make up markup that neither of them is."""
    return any(found.end() == 1 for found in _ACTIVE.finditer(before[-1:] + text[:20]))

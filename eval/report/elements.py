"""HTML that is escaped by construction: text becomes markup only through `element`."""

import re
from html import escape

# What neither HTML nor XML 1.0 may hold, and marks that turn the direction of the text after them.
_UNSHOWABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_VOID = frozenset({"meta", "link", "br"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def showable(text: str) -> str:
    """The text, with a replacement character for what can't be shown or would turn the text after it."""
    return _TURNING.sub("\ufffd", _UNSHOWABLE.sub("\ufffd", text))


def one_line(text: str) -> str:
    """The same on one line: Markdown and CI services read more into how a line begins."""
    return " ".join(showable(text).split())


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit} more characters)"


def element(name: str, /, *children: str, **attributes: str | float) -> Html:
    """An element of these children, which are escaped unless they are `Html`.

    Attributes are written with `_` for `-`, and with one at the end if they are Python's words: `class_`.
    """
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(showable(_attribute(value)))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{named}>")
    return Html(f"<{name}{named}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    return Html("".join(c if isinstance(c, Html) else escape(showable(c)) for c in children))


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"

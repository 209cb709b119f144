"""What is done to HTML before the parser sees it: limits on nesting and tags, and XHTML's empty elements.

The parser looks through all open elements for many a tag, so its time grows with the square of the depth
(100,000 open <div> took 21 s). Browsers flatten such pages; so does this, by leaving out the tags beyond the
limit and keeping their text.

The same goes for the attributes of one tag (100,000 took 48 s): very long tags lose theirs.
"""

import re

MAX_DEPTH = 1000  # open elements; Chromium flattens at 512
MAX_TAG = 4096  # characters; longer tags carry embedded pictures, or attacks
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+>")
_SELF_CLOSING = frozenset(
    # void elements, and those whose end tag may be left out without nesting deeper
    "area base br col embed hr img input link meta source track wbr "  # noqa: SIM905
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup rt rp html head body".split()
)
_XHTML_WITHIN = 2048  # characters; the declaration or the root element comes first
_EMPTY_ELEMENT = re.compile(
    # Elements whose content HTML does not read as markup: one that is left open swallows the page.
    r"<(title|script|style|iframe|textarea|noscript|noembed|noframes|xmp)\b"
    r"((?:[^<>\"'/]|/(?!>)|\"[^\"<]*\"|'[^'<]*')*+)/>",
    re.IGNORECASE,
)


def close_empty_elements(text: str) -> str:
    """XHTML's `<title/>` and `<script …/>` with an end tag: HTML takes them for the beginning of one."""
    head = text[:_XHTML_WITHIN]
    if "<?xml" not in head and "http://www.w3.org/1999/xhtml" not in head:
        return text
    return _EMPTY_ELEMENT.sub(r"<\1\2></\1>", text)


def limit_nesting(text: str) -> str:
    """`text`, without the tags that nest deeper than `MAX_DEPTH` and the attributes of overlong tags."""
    depth, longest = _measure(text)
    if longest > MAX_TAG:
        text = _TAG.sub(
            lambda found: found[0] if len(found[0]) <= MAX_TAG else f"<{found[1]}{found[2]}>", text
        )
    return _flattened(text) if depth > MAX_DEPTH else text


def _measure(text: str) -> tuple[int, int]:
    """The depth, estimated from above (elements count as open until any end tag), and the longest tag."""
    depth = deepest = longest = 0
    for found in _TAG.finditer(text):
        longest = max(longest, found.end() - found.start())
        if found[2].lower() in _SELF_CLOSING:
            continue
        if found[1]:
            depth = max(0, depth - 1)
        else:
            depth += 1
            deepest = max(deepest, depth)
    return deepest, longest


def _flattened(text: str) -> str:
    depth = 0

    def keep(found: re.Match[str]) -> str:
        nonlocal depth
        if found[2].lower() in _SELF_CLOSING:
            return found[0]
        if found[1]:
            depth = max(0, depth - 1)
            return found[0] if depth < MAX_DEPTH else ""
        depth += 1
        return found[0] if depth <= MAX_DEPTH else ""

    return _TAG.sub(keep, text)

"""DrawingML, the language of shapes in all Office files: their text, charts and SmartArt.

A chart is read from the values that are stored with it: a table with a row for each category and a column for
each series. SmartArt is a list whose depth is the diagram's hierarchy.
"""

from collections.abc import Iterator
from math import isfinite

from lxml import etree

from rag.parse.builder import DocumentBuilder
from rag.parse.grid import write_table
from rag.parse.number_format import display
from rag.parse.office_math import linear
from rag.parse.office_values import integer, unescape
from rag.parse.ooxml import DGM, MC, A, C, M, Package

_MOVING = ("slidenum", "datetime")  # fields that say where or when, not what
_MAX_POINTS = 100_000  # of one series; charts that a person can read have far fewer
_CONTENT = frozenset({"node", "asst"})  # points of SmartArt that hold text; the others are layout


def paragraph_text(paragraph: etree._Element) -> str:
    """The text of `<a:p>`, without slide numbers and dates that move."""
    return "".join(_pieces(paragraph)).strip()


def shape_text(shape: etree._Element) -> str:
    """All text below an element, a line for each paragraph."""
    lines = (paragraph_text(paragraph) for paragraph in shape.iter(f"{A}p"))
    return "\n".join(line for line in lines if line)


def chosen(alternatives: etree._Element) -> etree._Element | None:
    """The branch of `<mc:AlternateContent>` to read: the first that has text, so that none is read twice."""
    branches = [branch for branch in alternatives if branch.tag in {f"{MC}Choice", f"{MC}Fallback"}]
    return next((branch for branch in branches if _has_content(branch)), None)


def write_chart(builder: DocumentBuilder, package: Package, part: str) -> None:
    """Append the title and the values of a chart; nothing if the part is missing or damaged."""
    root = package.optional_xml(part)
    if root is None:
        return
    title = root.find(f"{C}chart/{C}title")
    builder.paragraph(_label(title) if title is not None else "")
    tables: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for series in root.iter(f"{C}ser"):
        names, values = _points(series, "cat", "xVal"), _points(series, "val", "yVal")
        count = max(len(names), len(values))
        names += [str(number + 1) for number in range(len(names), count)]
        name = series.find(f"{C}tx")
        tables.setdefault(tuple(names), []).append((_label(name) if name is not None else "", values))
    for categories, columns in tables.items():
        rows = [["", *(name for name, _ in columns)]]
        for at, category in enumerate(categories):
            rows.append([category, *(values[at] if at < len(values) else "" for _, values in columns)])
        write_table(builder, rows, header_rows=1)


def write_smart_art(builder: DocumentBuilder, package: Package, part: str) -> None:
    """Append the text of a SmartArt diagram's data part as a list."""
    root = package.optional_xml(part)
    if root is None:
        return
    points = {point.get("modelId", ""): point for point in root.iter(f"{DGM}pt")}
    children: dict[str, list[tuple[int, str]]] = {}
    for link in root.iter(f"{DGM}cxn"):
        if link.get("type", "parOf") == "parOf":
            entry = (integer(link.get("srcOrd")), link.get("destId", ""))
            children.setdefault(link.get("srcId", ""), []).append(entry)
    waiting = [(-1, name) for name, point in points.items() if point.get("type") == "doc"]
    while waiting:
        depth, name = waiting.pop()
        point = points.pop(name, None)  # each is written once, whatever circles the links make
        if point is None:
            continue
        if point.get("type", "node") in _CONTENT:
            builder.item(shape_text(point), depth=depth)
        waiting += [(depth + 1, child) for _, child in sorted(children.get(name, []), reverse=True)]


def _pieces(element: etree._Element) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag == f"{A}t":
            yield unescape(child.text or "")
        elif tag == f"{A}br":
            yield "\n"
        elif tag == f"{A}fld":
            if not (child.get("type") or "").startswith(_MOVING):
                yield from _pieces(child)
        elif tag == f"{M}oMath":
            yield linear(child)
        elif tag == f"{MC}AlternateContent":
            branch = chosen(child)
            if branch is not None:
                yield from _pieces(branch)
        elif tag not in {f"{A}pPr", f"{A}rPr", f"{A}endParaRPr"}:
            yield from _pieces(child)


def _has_content(branch: etree._Element) -> bool:
    return any(
        (found.text or "").strip() if str(found.tag).endswith("}t") else True
        for found in branch.iter("{*}t", f"{C}chart", f"{DGM}relIds")
    )


def _label(element: etree._Element) -> str:
    """A chart's or a series' name: written by hand, or taken from a cell."""
    written = shape_text(element)
    return written or " ".join(found.text or "" for found in element.iter(f"{C}v"))


def _points(series: etree._Element, *names: str) -> list[str]:
    """The values of a series under the first of those names, by their index; categories may have levels."""
    data = next((found for name in names if (found := series.find(C + name)) is not None), None)
    if data is None:
        return []
    levels = [_level(level) for level in data.iter(f"{C}lvl")]
    if not levels:
        return _level(data)
    inner, *outer = levels  # the innermost comes first; an outer one stands until the next
    for level in outer:
        current = ""
        for at in range(len(inner)):
            current = (level[at] if at < len(level) else "") or current
            inner[at] = f"{current} {inner[at]}".strip()
    return inner


def _level(data: etree._Element) -> list[str]:
    shared = data.findtext(f".//{C}formatCode") or "General"
    found: dict[int, str] = {}
    for point in data.iter(f"{C}pt"):
        text = point.findtext(f"{C}v") or ""
        if any(True for _ in point.iterancestors(f"{C}numCache", f"{C}numLit")):
            text = _number(text, point.get("formatCode") or shared)
        found[integer(point.get("idx"), most=_MAX_POINTS)] = text
    return [found.get(at, "") for at in range(max(found, default=-1) + 1)]


def _number(text: str, code: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    return display(value, code) if isfinite(value) else text

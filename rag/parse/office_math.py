"""Equations of Office (OMML, ISO/IEC 29500 part 1, clause 22) on one line: `(a + b)/2`, `x^2`, `√(n)`.

The signs are those of Unicode's nearly plain-text mathematics, which people type and search for.
"""

from collections.abc import Callable

from lxml import etree

from rag.parse.ooxml import M


def linear(element: etree._Element) -> str:
    """The text of an equation or of a part of one."""
    form = _FORMS.get(str(element.tag))
    if form is not None:
        return form(element)
    if element.tag == f"{M}t":
        return element.text or ""
    return "".join(linear(child) for child in element if not str(child.tag).endswith("Pr"))


def _part(element: etree._Element, name: str) -> str:
    """The text of a child element, such as a fraction's numerator."""
    child = element.find(M + name)
    return linear(child).strip() if child is not None else ""


def _grouped(text: str) -> str:
    """In brackets unless it is one number or name."""
    return text if text.isalnum() or len(text) <= 1 else f"({text})"


def _property(element: etree._Element, name: str, default: str) -> str:
    found = element.find(f"{M}{str(element.tag).removeprefix(M)}Pr/{M}{name}")
    return found.get(f"{M}val", "") if found is not None else default


def _fraction(element: etree._Element) -> str:
    return f"{_grouped(_part(element, 'num'))}/{_grouped(_part(element, 'den'))}"


def _scripts(element: etree._Element) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    return (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")


def _scripted(element: etree._Element) -> str:
    base = _part(element, "e")
    return f"{_scripts(element)} {base}" if element.tag == f"{M}sPre" else base + _scripts(element)


def _large_operator(element: etree._Element) -> str:
    return f"{_property(element, 'chr', '∫')}{_scripts(element)} {_part(element, 'e')}"


def _radical(element: etree._Element) -> str:
    return f"{_part(element, 'deg')}√({_part(element, 'e')})"


def _brackets(element: etree._Element) -> str:
    inside = _property(element, "sepChr", "|").join(linear(part) for part in element.findall(f"{M}e"))
    return f"{_property(element, 'begChr', '(')}{inside}{_property(element, 'endChr', ')')}"


def _limit(element: etree._Element) -> str:
    sign = "_" if element.tag == f"{M}limLow" else "^"
    return f"{_part(element, 'e')}{sign}{_grouped(_part(element, 'lim'))}"


def _function(element: etree._Element) -> str:
    return f"{_part(element, 'fName')} {_part(element, 'e')}"


def _matrix(element: etree._Element) -> str:
    rows = [", ".join(linear(cell) for cell in row.findall(f"{M}e")) for row in element.findall(f"{M}mr")]
    return f"[{'; '.join(rows)}]"


def _lines(element: etree._Element) -> str:
    return "; ".join(linear(line) for line in element.findall(f"{M}e"))


_FORMS: dict[str, Callable[[etree._Element], str]] = {
    f"{M}f": _fraction,
    f"{M}sSup": _scripted,
    f"{M}sSub": _scripted,
    f"{M}sSubSup": _scripted,
    f"{M}sPre": _scripted,
    f"{M}nary": _large_operator,
    f"{M}rad": _radical,
    f"{M}d": _brackets,
    f"{M}limLow": _limit,
    f"{M}limUpp": _limit,
    f"{M}func": _function,
    f"{M}m": _matrix,
    f"{M}eqArr": _lines,
}

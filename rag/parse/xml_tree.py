"""XML from strangers as a tree: no entities of its own, nothing fetched, names without namespaces."""

import html
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from rag.errors import UnreadableFileError

_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]{1,31});")
_UNDEFINED_ENTITY = 11  # expat.h: XML_ERROR_UNDEFINED_ENTITY


def parse_tree(text: str) -> Element:
    """The root element. HTML's names for characters, such as `&nbsp;`, are known even without a DTD.

    Raises:
        UnreadableFileError: It is not well-formed, or declares entities.
    """
    try:
        return _parsed(text)
    except ParseError as error:
        named = _with_characters(text) if error.code == _UNDEFINED_ENTITY else text
        if named == text:
            raise _malformed(error) from error
    try:
        return _parsed(named)
    except ParseError as error:
        raise _malformed(error) from error


def local_name(element: Element) -> str:
    """The name in lower case, without its namespace."""
    return element.tag.rpartition("}")[2].lower()


def texts(element: Element) -> Iterator[str]:
    """All text in an element, in order; without recursion, for trees of any depth."""
    pending: list[Element | str] = [element]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            yield part
            continue
        for child in reversed(part):
            if child.tail:
                pending.append(child.tail)
            pending.append(child)
        if part.text:
            yield part.text


def _parsed(text: str) -> Element:
    try:
        root: Element = fromstring(text)
    except DefusedXmlException as error:
        raise UnreadableFileError(
            "the XML declares entities, which can hide a bomb and are not read"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that is none
        raise UnreadableFileError("the file is not valid XML") from error
    return root


def _with_characters(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)


def _malformed(error: ParseError) -> UnreadableFileError:
    line, column = error.position
    return UnreadableFileError(f"the file is not valid XML (line {line}, column {column + 1})")

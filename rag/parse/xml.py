"""XML as text: articles and books by their structure, data as records.

XML in which words stand next to elements, or that has paragraphs, is a document: an element with a title is a
section (JATS, DocBook, TEI and their like), tables and lists are recognised by their usual names, and every
other element is a block of text. All other XML is data: it reads like JSON, `name: value`, and what repeats
is a record (RSS, exports).
"""

from typing import Any
from xml.etree.ElementTree import Element

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.records import RecordWriter
from rag.parse.titles import tidy_title
from rag.parse.types import FileType
from rag.parse.xml_document import PARAGRAPHS, DocumentWriter
from rag.parse.xml_tree import local_name, parse_tree, texts

_MAX_DEPTH = 40  # levels of data; what lies deeper is taken as one text
_UNSAID = ("{http://www.w3.org/2001/XMLSchema-instance}", "{http://www.w3.org/XML/1998/namespace}")


def parse_xml(text: str) -> ParsedDocument:
    """The document of decoded XML.

    Raises:
        UnreadableFileError: It is not well-formed, declares entities, or holds no text.
    """
    root = parse_tree(text)
    builder = DocumentBuilder()
    warnings: tuple[str, ...] = ()
    if _is_document(root):
        writer = DocumentWriter(builder)
        writer.write(root)
        title = writer.title
    else:
        value = _unwrapped(_value(root, 0))
        records = RecordWriter(builder)
        records.write(value)
        title = _name_of(value)
        warnings = records.warnings
    if not builder.length:
        raise UnreadableFileError("the XML holds no text")
    return builder.build(FileType.XML, title=title, warnings=warnings)


def _is_document(root: Element) -> bool:
    """Whether some element holds paragraphs, or words of its own beside other elements."""
    for element in root.iter():
        if local_name(element) in PARAGRAPHS and (element.text or "").strip():
            return True
        if len(element) and (
            (element.text or "").strip() or any((child.tail or "").strip() for child in element)
        ):
            return True
    return False


def _value(element: Element, depth: int) -> Any:
    """An element as JSON would have it: attributes and children by name, repeated ones as an array."""
    attributes = {
        name.rpartition("}")[2]: value for name, value in element.items() if not name.startswith(_UNSAID)
    }
    if depth == _MAX_DEPTH or (not len(element) and not attributes):
        return " ".join("".join(texts(element)).split())
    found: dict[str, Any] = dict(attributes)
    if (element.text or "").strip():
        found[""] = (element.text or "").strip()
    grouped: dict[str, list[Any]] = {}
    for child in element:
        grouped.setdefault(child.tag.rpartition("}")[2], []).append(_value(child, depth + 1))
    for name, values in grouped.items():
        found[f"{name} " if name in found else name] = values[0] if len(values) == 1 else values
    return found


def _unwrapped(value: Any) -> Any:
    """What is inside elements that hold a single other one, such as the `<channel>` of RSS."""
    while isinstance(value, dict):
        inner = [part for part in value.values() if isinstance(part, (dict, list))]
        if len(inner) != 1 or (isinstance(inner[0], list) and len(value) > 1):
            break
        value = inner[0]
    return value


def _name_of(value: Any) -> str | None:
    name = value.get("title", "") if isinstance(value, dict) else ""
    return (tidy_title(name) or None) if isinstance(name, str) else None

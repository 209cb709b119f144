"""Small Office files, written part by part: what no library writes."""

import io
import zipfile
from collections.abc import Mapping

W_NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    ' xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'
    ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:v="urn:schemas-microsoft-com:vml"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_P_NAMES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_S_NAMES = (
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
_ODT_NAMES = " ".join(
    f'xmlns:{prefix}="{_ODF}{name}:1.0"'
    for prefix, name in {
        "office": "office", "text": "text", "table": "table", "style": "style", "draw": "drawing",
        "chart": "chart", "meta": "meta",
    }.items()
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'  # fmt: skip


def package_of(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive with those members."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return archive.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return {name: package.read(name) for name in package.namelist()}


def relationships(**links: str) -> str:
    """Relationships by id; each is `kind:target`."""
    entries = (
        f'<Relationship Id="{name}" Type="http://example.org/{link.partition(":")[0]}" '
        f'Target="{link.partition(":")[2]}"/>'
        for name, link in links.items()
    )
    namespace = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{namespace}">{"".join(entries)}</Relationships>'


def w_part(root: str, content: str) -> str:
    """A part of a Word document, such as `footnotes`."""
    return f"<w:{root} {W_NAMES}>{content}</w:{root}>"


def docx_file(body: str, *, links: str = "", parts: Mapping[str, str] | None = None) -> bytes:
    """A Word document with that body; `links` are its relationships, `parts` its other members."""
    members: dict[str, str | bytes] = {"word/document.xml": w_part("document", f"<w:body>{body}</w:body>")}
    if links:
        members["word/_rels/document.xml.rels"] = links
    return package_of({**members, **(parts or {})})


def w_paragraph(text: str, *, style: str = "", properties: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f'<w:p><w:pPr>{named}{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def w_cell(text: str, *, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{w_paragraph(text)}</w:tc>"


def w_table(*rows: str) -> str:
    """A table; a row is its cells, or its properties and its cells."""
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def pptx_file(
    *slides: str, links: Mapping[int, str] | None = None, parts: Mapping[str, str] | None = None
) -> bytes:
    """A deck of slides, each given as its shapes; `links` are relationships of slides, by number."""
    numbers = range(1, len(slides) + 1)
    listed = "".join(f'<p:sldId id="{255 + number}" r:id="r{number}"/>' for number in numbers)
    members: dict[str, str | bytes] = {
        "ppt/presentation.xml": p_part("presentation", f"<p:sldIdLst>{listed}</p:sldIdLst>"),
        "ppt/_rels/presentation.xml.rels": relationships(
            **{f"r{number}": f"slide:slides/slide{number}.xml" for number in numbers}
        ),
    }
    for number, shapes in zip(numbers, slides, strict=True):
        members[f"ppt/slides/slide{number}.xml"] = p_part(
            "sld", f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
        )
        if links and number in links:
            members[f"ppt/slides/_rels/slide{number}.xml.rels"] = links[number]
    return package_of({**members, **(parts or {})})


def p_part(root: str, content: str, attributes: str = "") -> str:
    """A part of a deck, such as `sld`."""
    return f"<p:{root} {_P_NAMES} {attributes}>{content}</p:{root}>"


def p_shape(*paragraphs: str, kind: str = "") -> str:
    """A shape with paragraphs (text, or the inside of `<a:p>`); `kind` is that of a placeholder."""
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    inside = "".join(
        f"<a:p>{text if text.startswith('<') else f'<a:r><a:t>{text}</a:t></a:r>'}</a:p>"
        for text in paragraphs
    )
    return f"<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:txBody>{inside}</p:txBody></p:sp>"


def xlsx_file(sheet: str, *, parts: Mapping[str, str] | None = None) -> bytes:
    """A workbook with one sheet, given as the content of `<worksheet>`."""
    return package_of(
        {
            "xl/workbook.xml": f"<workbook {_S_NAMES}><sheets>"
            '<sheet name="Data" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relationships(r1="worksheet:worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": s_part("worksheet", sheet),
            **(parts or {}),
        }
    )


def s_part(root: str, content: str, attributes: str = "") -> str:
    """A part of a workbook, such as `styleSheet`."""
    return f"<{root} {_S_NAMES} {attributes}>{content}</{root}>"


def odt_file(body: str, *, styles: str = "", parts: Mapping[str, str] | None = None) -> bytes:
    """An OpenDocument text with that body and those automatic styles."""
    return package_of(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": odt_part(
                "document-content",
                f"<office:automatic-styles>{styles}</office:automatic-styles>"
                f"<office:body><office:text>{body}</office:text></office:body>",
            ),
            **(parts or {}),
        }
    )


def odt_part(root: str, content: str) -> str:
    """A part of an OpenDocument file, such as `document-styles`."""
    return f"<office:{root} {_ODT_NAMES}>{content}</office:{root}>"

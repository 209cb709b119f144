import pytest

from rag.parse.docx import parse_docx
from tests.unit.rag.parse.office_files import (
    docx_file,
    relationships,
    w_paragraph,
    w_part,
)

STYLES = w_part(
    "styles", '<w:style w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>'
)


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def text_of(body: str) -> str:
    return parse_docx(docx_file(body, parts={"word/styles.xml": STYLES})).text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (run("a") + "<w:r><w:tab/><w:br/><w:noBreakHyphen/><w:softHyphen/></w:r>" + run("b"), "a\t\n-b"),
        ("<w:del>" + run("old") + "</w:del><w:ins>" + run("new") + "</w:ins>", "new"),
        ("<w:moveFrom>" + run("gone") + "</w:moveFrom><w:moveTo>" + run("here") + "</w:moveTo>", "here"),
        (run("seen") + run("unseen", "<w:vanish/>") + run(" shown", '<w:vanish w:val="0"/>'), "seen shown"),
        (run("seen") + run("unseen", '<w:rStyle w:val="Secret"/>'), "seen"),
        (
            "<w:hyperlink>" + run("link") + "</w:hyperlink><w:smartTag>" + run(" tag") + "</w:smartTag>",
            "link tag",
        ),
        ("<w:sdt><w:sdtContent>" + run("control") + "</w:sdtContent></w:sdt>", "control"),
        (
            '<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="1"/></w14:checkbox></w:sdtPr>'
            "<w:sdtContent>" + run("☒") + "</w:sdtContent></w:sdt>" + run(" yes"),
            "[x] yes",
        ),
        ("<w:sdt><w:sdtPr><w14:checkbox/></w:sdtPr><w:sdtContent/></w:sdt>" + run(" no"), "[ ] no"),
        (
            (
                '<w:r><w:fldChar w:fldCharType="begin">'
                "<w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData>"
                '</w:fldChar><w:instrText>FORMCHECKBOX</w:instrText><w:fldChar w:fldCharType="end"/></w:r>'
            ),
            "[x]",
        ),
        (
            (
                '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/>'
                '<w:listEntry w:val="red"/><w:listEntry w:val="blue"/></w:ddList></w:ffData>'
                "</w:fldChar></w:r>"
            ),
            "blue",
        ),
        (
            '<w:r><w:fldChar w:fldCharType="begin"/><w:instrText> REF a </w:instrText>'
            '<w:fldChar w:fldCharType="separate"/></w:r>'
            + run("chapter 3")
            + '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
            "chapter 3",
        ),
        ('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>' + run(" done"), "[x] done"),
        ('<w:r><w:sym w:font="Wingdings" w:char="F04A"/><w:sym w:font="Arial" w:char="20AC"/></w:r>', "€"),
        (
            "<w:r><w:ruby><w:rt>"
            + run("kana")
            + "</w:rt><w:rubyBase>"
            + run("字")
            + "</w:rubyBase></w:ruby></w:r>",
            "字",
        ),
        (
            (
                "<m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
                "</m:oMath>"
            ),
            "x^2",
        ),
    ],
)
def test_what_a_reader_sees_of_a_paragraph(content: str, text: str) -> None:
    assert text_of(f"<w:p>{content}</w:p>{w_paragraph('end')}") == f"{text}\n\nend"


def test_a_hidden_style_hides_its_paragraphs() -> None:
    assert text_of(w_paragraph("unseen", style="Secret") + w_paragraph("seen")) == "seen"


def test_text_boxes_are_read_once() -> None:
    box = f"<w:txbxContent>{w_paragraph('in the box')}</w:txbxContent>"
    drawing = (
        "<w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx>"
        + box
        + "</wps:txbx></w:drawing></mc:Choice>"
        "<mc:Fallback><w:pict><v:textbox>"
        + box
        + "</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert text_of(f"<w:p>{run('anchor')}{drawing}</w:p>") == "anchor\n\nin the box"
    assert text_of(f"<w:p><w:r><w:pict><v:textbox>{box}</v:textbox></w:pict></w:r></w:p>") == "in the box"


def test_notes_and_comments_stand_behind_their_paragraph() -> None:
    body = (
        f'<w:p>{run("claim")}<w:r><w:footnoteReference w:id="2"/></w:r>'
        '<w:r><w:commentReference w:id="7"/></w:r></w:p>'
        f'<w:p>{run("more")}<w:r><w:endnoteReference w:id="1"/></w:r></w:p>'
    )
    separator = '<w:footnote w:id="0" w:type="separator"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>'
    parts = {
        "word/footnotes.xml": w_part(
            "footnotes", separator + f'<w:footnote w:id="2">{w_paragraph("source")}</w:footnote>'
        ),
        "word/endnotes.xml": w_part("endnotes", f'<w:endnote w:id="1">{w_paragraph("late")}</w:endnote>'),
        "word/comments.xml": w_part(
            "comments", f'<w:comment w:id="7" w:author="Jo">{w_paragraph("why?")}</w:comment>'
        ),
    }
    assert parse_docx(docx_file(body, parts=parts)).text == (
        "claim\n\nFootnote 1: source\n\nComment (Jo): why?\n\nmore\n\nEndnote 1: late"
    )


def test_charts_are_tables_of_their_values() -> None:
    chart = w_part("x", "").replace("<w:x", "<c:chartSpace").replace("</w:x>", "") + (
        "<c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea>"
        "<c:ser><c:tx><c:v>EU</c:v></c:tx>"
        '<c:cat><c:strLit><c:pt idx="0"><c:v>Q1</c:v></c:pt></c:strLit></c:cat><c:val><c:numLit>'
        '<c:formatCode>0%</c:formatCode><c:pt idx="0"><c:v>0.25</c:v></c:pt></c:numLit></c:val>'
        "</c:ser></c:plotArea></c:chart></c:chartSpace>"
    )
    body = f'<w:p>{run("see")}<w:r><w:drawing><c:chart r:id="c1"/></w:drawing></w:r></w:p>'
    data = docx_file(body, links=relationships(c1="chart:charts/c.xml"), parts={"word/charts/c.xml": chart})
    assert parse_docx(data).text == "see\n\nSales\n\n|  | EU |\n| --- | --- |\n| Q1 | 25% |"

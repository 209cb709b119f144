import pytest

from rag.parse.office_math import linear
from rag.parse.ooxml import parse_xml
from tests.unit.rag.parse.office_files import w_part


def text(name: str) -> str:
    return f"<m:r><m:rPr/><m:t>{name}</m:t></m:r>"


@pytest.mark.parametrize(
    ("equation", "shown"),
    [
        (f"<m:f><m:num>{text('a+b')}</m:num><m:den>{text('2')}</m:den></m:f>", "(a+b)/2"),
        (f"<m:sSup><m:e>{text('x')}</m:e><m:sup>{text('n-1')}</m:sup></m:sSup>", "x^(n-1)"),
        (
            f"<m:sSubSup><m:e>{text('x')}</m:e><m:sub>{text('i')}</m:sub><m:sup>{text('2')}</m:sup></m:sSubSup>",
            "x_i^2",
        ),
        (
            f"<m:sPre><m:sub>{text('6')}</m:sub><m:sup>{text('14')}</m:sup><m:e>{text('C')}</m:e></m:sPre>",
            "_6^14 C",
        ),
        (f"<m:rad><m:deg>{text('3')}</m:deg><m:e>{text('x')}</m:e></m:rad>", "3√(x)"),
        (
            (
                '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr>'
                f"<m:sub>{text('i=1')}</m:sub><m:sup>{text('n')}</m:sup><m:e>{text('i')}</m:e></m:nary>"
            ),
            "∑_(i=1)^n i",
        ),
        (f"<m:nary><m:sub/><m:sup/><m:e>{text('x')}</m:e></m:nary>", "∫ x"),
        (
            (
                f'<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e>{text("a")}</m:e>'
                f"<m:e>{text('b')}</m:e></m:d>"
            ),
            "[a|b]",
        ),
        (f"<m:func><m:fName>{text('sin')}</m:fName><m:e>{text('x')}</m:e></m:func>", "sin x"),
        (f"<m:limLow><m:e>{text('lim')}</m:e><m:lim>{text('n→∞')}</m:lim></m:limLow>", "lim_(n→∞)"),
        (f"<m:limUpp><m:e>{text('x')}</m:e><m:lim>{text('y')}</m:lim></m:limUpp>", "x^y"),
        (
            f"<m:m><m:mr><m:e>{text('1')}</m:e><m:e>{text('2')}</m:e></m:mr><m:mr><m:e>{text('3')}</m:e></m:mr></m:m>",
            "[1, 2; 3]",
        ),
        (f"<m:eqArr><m:e>{text('a')}</m:e><m:e>{text('b')}</m:e></m:eqArr>", "a; b"),
        (f"<m:box><m:e>{text('a')}{text('b')}</m:e></m:box>", "ab"),
    ],
)
def test_equations_are_told_on_one_line(equation: str, shown: str) -> None:
    assert linear(parse_xml(w_part("x", equation).encode())) == shown

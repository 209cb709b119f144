from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.pdf import parse_pdf
from rag.parse.pdf_repair import Repaired, Sides, repair
from tests.unit.rag.parse.drawn_pdf import drawn_pdf
from tests.unit.rag.parse.pdf_files import assembled

ALEF, LAM, MEEM, SEEN, DAD, YEH, FATHATAN = "\u0627\u0644\u0645\u0633\u0636\u064a\u064b"


@dataclass
class Drawn:
    """Characters one point high, from where they begin to where they end, and how high they stand."""

    columns: list[tuple[float, float]] = field(default_factory=list)
    generated: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    bases: dict[int, float] = field(default_factory=dict)  # of those that don't stand at 0

    def sides(self, offset: int) -> Sides:
        left, right = self.columns[offset]
        base = self.bases.get(offset, 0.0)
        return left, base, right, base + 1.0

    def is_generated(self, offset: int) -> bool:
        return offset in self.generated

    def is_unknown(self, offset: int) -> bool:
        return offset in self.unknown


def _spaced(gap: float) -> Drawn:
    """ "let r", its letters one point apart, `r` behind a guessed blank."""
    return Drawn([(0, 1), (2, 3), (4, 5), (5, 5), (5 + gap, 6 + gap)], generated=frozenset({3}))


def test_a_guessed_blank_between_letters_set_apart_goes() -> None:
    assert repair("let r", _spaced(gap=1)) == Repaired("letr", (0, 1, 2, 4))


def test_a_blank_that_is_wider_than_between_letters_stays() -> None:
    assert repair("let r", _spaced(gap=2)) == Repaired("let r")


def test_a_blank_that_the_file_has_stays() -> None:
    drawn = _spaced(gap=1)
    drawn.generated = frozenset()
    assert repair("let r", drawn) == Repaired("let r")


@pytest.mark.parametrize(
    ("gap", "base", "expected"),
    [
        (0.0, 0.0, "column"),
        (0.3, 0.0, "col umn"),
        (0.0, 0.4, "col umn"),
        (1.0, 0.0, "col\r\numn"),
        (0.0, 0.8, "col\r\numn"),
        (-3.0, -1.2, "col\r\numn"),
    ],
    ids=["touching", "a space away", "raised", "far away", "much higher", "on the next line"],
)
def test_what_goes_on_beside_the_end_of_a_line_belongs_to_it(gap: float, base: float, expected: str) -> None:
    begins = 3 + gap
    columns = [(0, 1), (1, 2), (2, 3), (3, 3), (3, 3), *((begins + n, begins + n + 1) for n in range(3))]
    drawn = Drawn(columns, frozenset({3, 4}), bases=dict.fromkeys(range(5, 8), base))
    assert repair("col\r\numn", drawn).text == expected


def test_a_stop_behind_a_raised_figure_touches_it() -> None:
    columns = [(0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (2.0, 2.0), (2.0, 3.0)]
    drawn = Drawn(columns, frozenset({1, 2, 4, 5}), bases={3: 0.4})
    assert repair("a\r\n1\r\n,", drawn).text == "a 1,"


@pytest.mark.parametrize(
    ("letter_gap", "word_gap", "expected"),
    [(0.5, 3.0, "Th Oak"), (0.5, 0.9, "T h Oak"), (0.0, 3.0, "T h Oak")],
    ids=["set apart", "with narrow true blanks", "set close"],
)
def test_guessed_blanks_of_a_line_set_letter_by_letter_go(
    letter_gap: float, word_gap: float, expected: str
) -> None:
    """ "T", a guessed blank, "h", a true one, "Oak"."""
    guessed = max(letter_gap, 0.3) + 0.1
    begins = 2 + guessed + word_gap
    word = [(begins + n * (1 + letter_gap), begins + n * (1 + letter_gap) + 1) for n in range(3)]
    columns = [(0.0, 1.0), (1.0, 1.0), (1 + guessed, 2 + guessed), (2 + guessed, 2.2 + guessed), *word]
    assert repair("T h Oak", Drawn(columns, frozenset({1}))).text == expected


def test_lam_stands_before_alef_in_their_ligature() -> None:
    drawn = Drawn([(6, 8), (4, 6), (4, 6), (2, 4)])
    assert repair(SEEN + ALEF + LAM + MEEM, drawn) == Repaired(SEEN + LAM + ALEF + MEEM, (0, 2, 1, 3))


def test_an_article_stays_alef_and_lam() -> None:
    drawn = Drawn([(6, 8), (4, 6), (2, 4)])
    assert repair(ALEF + LAM + MEEM, drawn) == Repaired(ALEF + LAM + MEEM)


@pytest.mark.parametrize(
    ("begins_at", "expected"),
    [(6.0, YEH + DAD + FATHATAN), (8.0, f"{YEH} {DAD}{FATHATAN}")],
    ids=["inside a word", "at its beginning"],
)
def test_a_vowel_sign_stands_behind_its_letter(begins_at: float, expected: str) -> None:
    drawn = Drawn([(begins_at, begins_at + 2), (5, 5), (4, 5), (3, 6)])
    assert repair(f"{YEH} {FATHATAN}{DAD}", drawn).text == expected


def test_glyphs_without_a_character_are_told_unless_most_are() -> None:
    few, many = frozenset({4}), frozenset({1, 3})
    assert repair("한글 문묾", Drawn(unknown=few)).text == "한글 문\ufffd"
    assert repair("한글 문묾", Drawn(unknown=many)).text == "한글 문묾"


@given(
    st.lists(st.sampled_from([ALEF, LAM, FATHATAN, " ", "a", "b", "c", "문", "\r\n"]), max_size=20),
    st.randoms(use_true_random=False),
)
def test_only_white_space_is_lost(parts: list[str], chance: Random) -> None:
    text = "".join(parts)
    columns = [(0.0, float(chance.randint(1, 2))) for _ in text]
    guessed = frozenset(offset for offset in range(len(text)) if chance.random() < 0.5)
    repaired = repair(text, Drawn(columns, generated=guessed))
    assert sorted("".join(repaired.text.split())) == sorted("".join(text.split()))
    if repaired.origins is not None:
        assert len(repaired.origins) == len(repaired.text)
        assert all(
            text[origin] == sign or (text[origin], sign) == ("\r", " ")
            for origin, sign in zip(repaired.origins, repaired.text, strict=True)
        )


def test_a_sign_before_the_ligature_loses_neither_letter() -> None:
    drawn = Drawn([(4, 8), (4, 4), (1, 2), (0, 4), (0, 4)])
    assert sorted(repair(f"{MEEM} {FATHATAN}{ALEF}{LAM}", drawn).text) == sorted(MEEM + FATHATAN + ALEF + LAM)


def test_a_file_with_a_word_of_letters_set_apart() -> None:
    page = "BT /F1 10 Tf 72 700 Td 2.5 Tc (A) Tj ( lette) Tj 0 Tc (r) Tj 2.5 Tc ( fro) Tj 0 Tc (m) Tj ET"
    assert parse_pdf(drawn_pdf(page)).text == "A letter from"


def test_a_file_with_lam_and_alef_as_one_glyph() -> None:
    """The word for peace, as Arabic files have it: drawn from left to right, its second glyph two letters."""
    characters = {"C": "0645", "A": "06440627", "B": "0633"}
    mapping = "\n".join(f"<{ord(code):02X}> <{text}>" for code, text in characters.items())
    codes = "1 begincodespacerange <00> <FF> endcodespacerange"
    to_unicode = f"begincmap {codes} 3 beginbfchar {mapping} endbfchar"
    content = "BT /F1 12 Tf 72 700 Td (CAB) Tj ET"
    resources = "/Resources << /Font << /F1 3 0 R >> >> /Contents 6 0 R"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 7 0 R >>",
        "<< >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Length {len(to_unicode)} >>\nstream\n{to_unicode}\nendstream",
    ]
    file = assembled([part.encode() for part in objects], "")
    assert parse_pdf(file).text == SEEN + LAM + ALEF + MEEM

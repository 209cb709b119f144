import random

import pytest

from rag.quality import QualityRule
from tests.unit.rag.quality.texts import (
    ENGLISH,
    GERMAN,
    LANGUAGES,
    RUSSIAN,
    SPANISH,
    UKRAINIAN,
    broken_rules,
    exchanged,
    shifted,
)

UNREADABLE = [QualityRule.UNREADABLE]
SAID_BEFORE = frozenset({QualityRule.REPETITIVE})
LETTERS = random.Random(1)  # noqa: S311  # no secret


def _noise(words: float) -> str:
    """Specks that were taken for letters, some words among them."""
    rng = random.Random(7)  # noqa: S311  # no secret
    shapes = [*"|liI1.,';:-_~=\\/()[]{eocas4¢°«»—‘’é€*®§7", "rn", "vv", "tl", "oF"]
    good = ENGLISH.split()
    tokens = [
        rng.choice(good) if rng.random() < words else "".join(rng.choices(shapes, k=rng.randint(1, 4)))
        for _ in range(300)
    ]
    return "\n".join(" ".join(tokens[at : at + 9]) for at in range(0, 300, 9))


@pytest.mark.parametrize(
    "text",
    [
        *(shifted(text, -29) for text in (ENGLISH, GERMAN, SPANISH)),
        shifted(ENGLISH, 31),
        *(exchanged(ENGLISH + GERMAN, seed=seed) for seed in range(5)),
        _noise(0),
        _noise(0.1),
        " ".join(ENGLISH),
        "\n".join(ENGLISH.replace(" ", "")),
    ],
)
def test_text_without_words(text: str) -> None:
    assert broken_rules(text, off=SAID_BEFORE) == UNREADABLE


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_readable(language: str) -> None:
    assert broken_rules(LANGUAGES[language]) == []
    assert broken_rules(LANGUAGES[language].upper()) == []


def _upper(count: int) -> str:
    return "".join(LETTERS.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=count))


CODE = """
def read(path: Path, *, limit: int = 10) -> list[str]:
    with path.open("rb") as f:
        return [x.decode("utf-8") for x in f][:limit] if limit > 0 else []

for (i, j), v in sorted(d.items(), key=lambda kv: (-kv[1], kv[0])):
    print(f"{i:>3} {j!r}: {v:.2f}", file=sys.stderr)
"""
JSON = '{"id": 17, "tags": ["a", "b"], "size": {"w": 3.5, "h": null}, "ok": true, "sha": "3f9ac2d1"},\n'
FORMULAS = (
    r"where $\alpha_i = \sum_{j=1}^{n} w_{ij} x_j + b_i$ and $\nabla f(x) = \left( "
    r"\frac{\partial f}{\partial x_1} \right)^T$, so \[ \det(\mathbf{A}) \neq 0, \quad "
    r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} \]"
)
MOLECULES = (
    "Aspirin CC(=O)OC1=CC=CC=C1C(=O)O\nCaffeine CN1C=NC2=C1C(=O)N(C(=O)N2C)C\n"
    "Ibuprofen CC(C)CC1=CC=C(C=C1)C(C)C(=O)O\nDopamine C1=CC(=C(C=C1CCN)O)O\n"
)
CHEMISTRY = (
    "2 H2SO4 + Ca3(PO4)2 → 2 CaSO4 + Ca(H2PO4)2 gives superphosphate, and NaHCO3 + HCl → NaCl + H2O + CO2. "
    "N,N-dimethyltryptamine; (2S,3R)-3-hydroxy-2-aminobutanoic acid; 2-(acetyloxy)benzoic acid."
)


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        JSON * 4,
        FORMULAS,
        MOLECULES * 4,
        CHEMISTRY,
        "\n".join("\t".join(f"{a * b / 7:.3f}" for a in range(8)) for b in range(40)),
        "\n".join(f"| {a} | {a % 3} | {a % 7} |" for a in range(99)),
        "| Task | Mon | Tue | Wed | Thu |\n| --- | --- | --- | --- | --- |\n"
        + "| Audit | - | - | 3 | - |\n" * 30,
        "\n".join("| x |  | x | x |" for _ in range(99)),
        "\n".join(f"{_upper(3)}-{number}-{_upper(2)}" for number in range(1000, 1100)),
        "\n".join("".join(LETTERS.choices("ACGT", k=60)) for _ in range(30)),
        "\n".join(" ".join("".join(LETTERS.choices("acgt", k=10)) for _ in range(6)) for _ in range(30)),
        " ".join(_upper(3) for _ in range(99)),
        "\n".join(f"{_upper(6)}-{number}" for number in range(10_000, 10_060)),
        "HTTP XML HTML CSS SQL JSON YAML SSH TLS DNS TCP UDP VPN VPC SQS SNS RDS IAM KMS ELB CDN",
        "\n".join(f"Chapter {number} {'.' * 60} {number * 7}" for number in range(1, 20)),
        "r 1 = a ⋅ m 2 m 1 + m 2 = a 1 + m 1 m 2 ( \\frac ( a ) ( 1 + ( \\frac ( m_ ( 2 ) ) ) ) )",
        "Party 🎉🎈🎁🎂🎶🎤 at 8 😀👍😎🤩😋 bring 🍕🌮🍔🍟🌭🥗🍦🍩🍪 and 🥤🍺🍷🍹🧃🍸 " * 5,
    ],
    ids=lambda text: text.strip()[:20],
)
def test_what_is_not_prose_is_good_too(text: str) -> None:
    assert broken_rules(text, off=SAID_BEFORE) == []


def test_a_part_may_be_unreadable_but_not_half() -> None:
    good = "\n".join(f"{number}. {ENGLISH}" for number in range(200))
    bad = shifted(good, -29)
    assert broken_rules(good + bad[: len(good) // 4]) == []
    assert broken_rules(good + bad) == UNREADABLE


@pytest.mark.parametrize("text", [shifted("Read me.", -29), "Szczebrzeszyn", "; ~ | ' . ab: ,", "x y z " * 5])
def test_too_little_text_is_not_judged(text: str) -> None:
    assert QualityRule.UNREADABLE not in broken_rules(text)


def test_text_in_another_script_is_not_judged_by_its_latin_words() -> None:
    commands = " ".join(_upper(7).lower() for _ in range(30))
    assert broken_rules(f"{RUSSIAN} {UKRAINIAN} {commands}") == []
    assert broken_rules(commands) == UNREADABLE

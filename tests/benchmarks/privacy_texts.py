"""Texts with personal data made up by rule, and texts whose numbers only look like it.

Two hundred of each kind, always the same ones. The values are drawn, not taken from a list: card numbers,
IBANs and social security numbers that could exist, and telephone numbers as eighteen countries write them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from random import Random

from rag.privacy import EntityKind
from tests.benchmarks.privacy_sentences import LOOK_ALIKES, SENTENCES

SEED = 20
TEXTS = 200


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and the places of all personal data in it: kind, start, end."""

    text: str
    spans: tuple[tuple[EntityKind, int, int], ...]


def labelled_texts() -> dict[EntityKind, list[LabelledText]]:
    """Texts that hold one or two values of a kind."""
    return {kind: _texts(kind, Random(f"{SEED} {kind}")) for kind in _MAKERS}  # noqa: S311


def look_alikes() -> dict[EntityKind, list[str]]:
    """Texts without personal data, with what could be taken for each kind."""
    return {kind: _negatives(kind, Random(f"{SEED} not {kind}")) for kind in LOOK_ALIKES}  # noqa: S311


def _texts(kind: EntityKind, random: Random) -> list[LabelledText]:
    return [_fill(kind, SENTENCES[kind][n % len(SENTENCES[kind])], random) for n in range(TEXTS)]


def _fill(kind: EntityKind, sentence: str, random: Random) -> LabelledText:
    text, spans = "", []
    for n, part in enumerate(sentence.split("@@")):
        if n:
            value = _MAKERS[kind](random)
            spans.append((kind, len(text), len(text) + len(value)))
            text += value
        text += part
    return LabelledText(text, tuple(spans))


def _negatives(kind: EntityKind, random: Random) -> list[str]:
    sentences = LOOK_ALIKES[kind]
    return [_digits(sentences[n % len(sentences)], random) for n in range(TEXTS)]


def _digits(pattern: str, random: Random) -> str:
    """`#` becomes a digit, `%` one from 2 to 9, `^` one from 1 to 9, `?` a capital letter."""
    draw = {"#": "0123456789", "%": "23456789", "^": "123456789", "?": "ABCDEFGHJKLMNPRSTUVWXYZ"}
    return "".join(random.choice(draw[c]) if c in draw else c for c in pattern)


def _email(random: Random) -> str:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    shape = random.choice(["{f}.{l}", "{f}_{l}{n}", "{f}+news", "{l}", "{f}-{l}", "{f}{l}", "{n}{f}"])
    local = shape.format(f=first, l=last, n=random.randint(1, 99))
    return f"{local}@{random.choice(_HOSTS)}"


def _phone(random: Random) -> str:
    return _digits(random.choice(_PHONES), random)


def _with_luhn(digits: str) -> str:
    total = sum(n // 10 + n % 10 for n in (int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))))
    return digits + str(-total % 10)


def _card(random: Random) -> str:
    prefix, length = random.choice(_ISSUERS)
    drawn = "".join(random.choice("0123456789") for _ in range(length - 1 - len(prefix)))
    number = _with_luhn(prefix + drawn)
    groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    separator = random.choice(["", " ", "-", " "])
    return separator.join(number[a:b] for a, b in pairwise(accumulate(groups, initial=0)))


def _iban(random: Random) -> str:
    country, pattern = random.choice(_IBANS)
    account = _digits(pattern, random)
    as_number = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    iban = f"{country}{98 - int(as_number) % 97:02}{account}"
    if random.random() < 0.5:  # half of them as printed: in groups of four
        return " ".join(iban[n : n + 4] for n in range(0, len(iban), 4))
    return iban


def _ip(random: Random) -> str:
    if random.random() < 0.25:  # a quarter are IPv6
        groups = [f"{random.randint(0x1000, 0xFFFF):x}" for _ in range(6)]
        return random.choice(
            [f"2001:db8:{':'.join(groups)}", f"2a02:{groups[0]}::{groups[1]}", f"fe80::{groups[2]}"]
        )
    first = random.choice([10, 18, 52, 81, 93, 141, 172, 185, 192, 203, 212])
    return f"{first}." + ".".join(str(random.randint(1, 254)) for _ in range(3))


def _ssn(random: Random) -> str:
    area = random.choice([n for n in range(1, 900) if n != 666])
    separator = random.choice(["-", "-", "-", " "])
    return f"{area:03}{separator}{random.randint(1, 99):02}{separator}{random.randint(1, 9999):04}"


def _domain(random: Random) -> str:
    name = f"{random.choice(_LAST)}{random.choice(['', '-shop', 'consulting', '24', '-gmbh', 'labs'])}"
    top = random.choice(["com", "de", "co.uk", "org", "net", "io", "fr", "com.br", "eu", "edu", "pl", "ca"])
    path = random.choice(["", "/", "/about", "/blog/2023/05/post?id=7", "/~me/index.html#top"])
    lead = random.choice(["https://", "http://", "https://www.", "www.", ""])
    return f"{lead}{name}.{top}{path}"


_FIRST = (
    "anna",
    "peter",
    "maria",
    "jose",
    "li",
    "fatima",
    "john",
    "olga",
    "kenji",
    "amara",
    "lucas",
    "sofia",
)
_LAST = ("smith", "garcia", "mueller", "rossi", "tanaka", "novak", "okafor", "jensen", "dubois", "oneill")
_HOSTS = (
    "gmail.com", "example.org", "mail.example.co.uk", "uni-koeln.de", "web.de", "company.io", "orange.fr",
    "sub.dept.univ.edu", "empresa.com.br", "acme-corp.net", "firma.museum", "post.cz",
)  # fmt: skip
_ISSUERS = (  # first digits and length
    ("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15),
    ("36", 14), ("305", 14), ("6011", 16), ("65", 16), ("3530", 16), ("62", 16), ("6759", 16),
)  # fmt: skip
_PHONES = (
    "(%##) %##-####", "%##-%##-####", "%##.%##.####", "+1 %##-%##-####", "1-800-%##-####",
    "+1 (%##) %##-####", "020 7### ####", "07### ######", "+44 7### ######", "+44 (0)20 7### ####",
    "0161 496 0###", "06 ## ## ## ##", "01.4#.##.##.##", "+33 6 ## ## ## ##", "030 ########",
    "0171/#######", "+49 30 ########", "+49 (0)89 123 4###", "91 3## ## ##", "+34 6## ### ###",
    "02 ########", "+39 3## #######", "06-########", "+31 20 ### ####", "0475 ## ## ##",
    "044 ### ## ##", "+41 79 ### ## ##", "070-### ## ##", "+46 70 ### ## ##", "## ## ## ##",
    "+45 ## ## ## ##", "5## ### ###", "+48 5## ### ###", "+91 98### #####", "098### #####",
    "04## ### ###", "(02) 9### ####", "+61 4## ### ###", "(11) 9####-####", "+55 11 9####-####",
    "03-3###-####", "090-####-####", "55 #### ####", "%######", "%##-####", "0049 30 ########",
    "%##%######", "+14155%#####", "+4479########", "07#########",
)  # fmt: skip
_IBANS = (
    ("DE", "#" * 18), ("GB", "????" + "#" * 14), ("FR", "#" * 10 + "?" + "#" * 12), ("ES", "#" * 20),
    ("IT", "?" + "#" * 22), ("NL", "????" + "#" * 10), ("BE", "#" * 12), ("CH", "#" * 17), ("PL", "#" * 24),
    ("NO", "#" * 11), ("SE", "#" * 20), ("MT", "????" + "#" * 5 + "?" * 18), ("BR", "#" * 23 + "?#"),
)  # fmt: skip

_MAKERS: dict[EntityKind, Callable[[Random], str]] = {
    EntityKind.EMAIL: _email,
    EntityKind.PHONE: _phone,
    EntityKind.CREDIT_CARD: _card,
    EntityKind.IBAN: _iban,
    EntityKind.IP_ADDRESS: _ip,
    EntityKind.US_SSN: _ssn,
    EntityKind.DOMAIN: _domain,
}

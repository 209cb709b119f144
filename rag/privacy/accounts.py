"""Bank accounts (IBAN) and US social security numbers."""

import re
from collections.abc import Iterator

from rag.privacy.checksums import mod_97
from rag.privacy.context import Context, cues
from rag.privacy.entities import EntityKind, Finding

# Characters of an IBAN by country: SWIFT's IBAN registry.
_IBAN_LENGTHS = {
    **dict.fromkeys(["NO"], 15),
    **dict.fromkeys(["BE"], 16),
    **dict.fromkeys(["DK", "FK", "FO", "FI", "GL", "NL", "SD"], 18),
    **dict.fromkeys(["MK", "SI"], 19),
    **dict.fromkeys(["AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"], 20),
    **dict.fromkeys(["CH", "HR", "LI", "LV"], 21),
    **dict.fromkeys(["BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"], 22),
    **dict.fromkeys(["AE", "GI", "IL", "IQ", "OM", "SO", "TL"], 23),
    **dict.fromkeys(["AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"], 24),
    **dict.fromkeys(["LY", "PT", "ST"], 25),
    **dict.fromkeys(["IS", "TR"], 26),
    **dict.fromkeys(["BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"], 27),
    **dict.fromkeys(["AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV", "YE"], 28),
    **dict.fromkeys(["BR", "EG", "PS", "QA", "UA"], 29),
    **dict.fromkeys(["JO", "KW", "MU"], 30),
    **dict.fromkeys(["MT", "SC"], 31),
    **dict.fromkeys(["LC"], 32),
    **dict.fromkeys(["RU"], 33),
}
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[0-9]{2}(?=[ -]?[A-Za-z0-9]{2})")
_CHARACTER = re.compile("[ -]?([A-Za-z0-9])")

_SSN = re.compile(r"(?<![\w.-])([0-9]{3})(-?| )([0-9]{2})\2([0-9]{4})(?![\w-]|\.\d)", re.ASCII)
_NEVER_ISSUED = frozenset({"078051120", "219099999"})  # printed on specimens, then used by thousands
_SSN_SCORES = {"-": 0.7, " ": 0.35, "": 0.2}
_SSN_CUES = cues(
    strong="ssn ssns social_security *socialsecurity* ss# itin",
    weak="social security taxpayer ss",
    lowering="order orders invoice part sku serial model phone tel fax zip case ticket reference ref "
    "tracking account id isbn version lot batch patent catalog catalogue item product",
)


def find_ibans(text: str) -> Iterator[Finding]:
    """IBANs of the countries that have them, of the right length and with the right check digits."""
    for found in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(found[1].upper(), 0)
        number, end = _characters(text, found.start(), length)
        if len(number) == length > 0 and not text[end : end + 1].isalnum() and mod_97(number):
            yield Finding(EntityKind.IBAN, found.start(), end, 1.0)


def _characters(text: str, start: int, count: int) -> tuple[str, int]:
    """Up to `count` letters and digits from `start`, in capitals without separators, and where they end."""
    number, end = "", start
    while len(number) < count:
        found = _CHARACTER.match(text, end)
        if found is None:
            break
        number, end = number + found[1].upper(), found.end()
    return number, end


def find_social_security_numbers(text: str, context: Context) -> Iterator[Finding]:
    """US numbers that can have been issued, and as national identity numbers those of taxpayers without one.

    Nine digits in a row, or with spaces, count only beside the number's name.
    """
    for found in _SSN.finditer(text):
        area, sign, group, serial = found.groups()
        if sign == " " and _is_among_numbers(text, *found.span()):
            continue
        if (
            group == "00"
            or serial == "0000"
            or area in {"000", "666"}
            or area + group + serial in _NEVER_ISSUED
        ):
            continue
        if area < "900" or _is_taxpayer(int(group)):
            kind = EntityKind.US_SSN if area < "900" else EntityKind.NATIONAL_ID
            score = _SSN_SCORES[sign] + _SSN_CUES.weight(context, *found.span())
            yield Finding(kind, *found.span(), min(score, 0.97))


def _is_among_numbers(text: str, start: int, end: int) -> bool:
    """Whether a digit comes before or after it, a space between: part of a row of numbers."""
    neighbours = text[max(0, start - 2) : start - 1], text[end + 1 : end + 2]
    return any(map(str.isdigit, neighbours))


def _is_taxpayer(group: int) -> bool:
    """The middle digits of an ITIN (IRS): 50 to 65, 70 to 88, 90 to 92, 94 to 99."""
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 99 and group != 93  # noqa: PLR2004, RUF021

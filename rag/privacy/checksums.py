"""Check digits of identity numbers, bank accounts and cards; each takes characters without separators.

A check that fails says that a number is not what it looks like; one that passes is right by chance one time
in ten or so, which is why `rag.privacy.national_ids` also asks for a shape or for the number's name nearby.
"""

from collections.abc import Sequence
from datetime import date

_DIHEDRAL = (  # multiplication in the dihedral group D5 (Verhoeff, 1969)
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# Agenzia delle Entrate's table for characters at odd places; those at even places count as what they are.
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21] * 2 + [2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23],
        strict=True,
    )
)
_CURP_CHARACTERS = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: cards, Canadian and Swedish numbers."""
    doubled = (int(d) * 2 for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0  # noqa: PLR2004


def mod_97(characters: str) -> bool:
    """ISO 7064 mod 97-10 as IBANs use it (ISO 13616): the first four characters go last, A is 10."""
    moved = characters[4:] + characters[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Indian Aadhaar."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def mod_11_10(digits: str) -> bool:
    """ISO 7064 mod 11,10: German tax numbers."""
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of each digit times its weight."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=True))


def german_tax_id(digits: str) -> bool:
    """Steuer-ID: of its first ten digits one comes twice or three times, and the others at most once."""
    counts = [digits[:10].count(d) for d in set(digits[:10])]
    return max(counts) in {2, 3} and len([n for n in counts if n > 1]) == 1 and mod_11_10(digits)


def dni(number: str) -> bool:
    """Spanish DNI and NIE: the letter is the number modulo 23; a NIE's X, Y, Z stand for 0, 1, 2."""
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(digits) % 23] == number[-1]


def nir(number: str) -> bool:
    """French NIR: the last two digits are 97 less the rest modulo 97; Corsica's 2A and 2B are 19 and 18."""
    digits = number.replace("2A", "19").replace("2B", "18")
    return digits.isdigit() and 97 - int(digits[:-2]) % 97 == int(digits[-2:])


def codice_fiscale(characters: str) -> bool:
    """Italian codice fiscale: its last letter."""
    even = sum(int(c) if c.isdigit() else ord(c) - ord("A") for c in characters[1:15:2])
    odd = sum(_FISCAL_ODD[c] for c in characters[0:15:2])
    return chr(ord("A") + (even + odd) % 26) == characters[15]


def eleven_test(digits: str) -> bool:
    """Dutch BSN: weights 9 to 2, and -1 for the last digit."""
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def cpf(digits: str) -> bool:
    """Brazilian CPF: two check digits; ten or eleven of the same digit pass and are never given out."""
    first = weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(digits)) > 1 and digits[9:] == f"{first}{second}"


def pesel(digits: str) -> bool:
    """Polish PESEL: the century is added to the month, in steps of twenty."""
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[int(digits[2:4]) // 20]
    year, month = century + int(digits[:2]), int(digits[2:4]) % 20
    return is_date(year, month, int(digits[4:6])) and (
        weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def personnummer(digits: str) -> bool:
    """Swedish personnummer: Luhn over the ten digits; the day of a samordningsnummer is 60 more."""
    return _is_short_date(digits[:4], int(digits[4:6]) % 60) and luhn(digits)


def hetu(characters: str) -> bool:
    """Finnish henkilötunnus: ddmmyy, perhaps a letter, three digits, and their remainder modulo 31."""
    digits = characters[:6] + characters[-4:-1]
    born = _is_short_date(characters[4:6] + characters[2:4], int(characters[:2]))
    return born and _HETU_CHARACTERS[int(digits) % 31] == characters[-1]


def belgian(digits: str) -> bool:
    """Belgian rijksregisternummer: 97 less the first nine modulo 97, a 2 in front for births from 2000."""
    return any(97 - int(lead + digits[:9]) % 97 == int(digits[9:]) for lead in ("", "2"))


def ean_13(digits: str) -> bool:
    """EAN-13, which Swiss AHV numbers use."""
    return weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


def nhs(digits: str) -> bool:
    """British NHS number: weights 10 to 2; a remainder that asks for 10 is never given out."""
    return (11 - weighted(digits[:9], range(10, 1, -1)) % 11) % 11 == int(digits[9])


def chinese(characters: str) -> bool:
    """GB 11643: born on a real day, and a check character modulo 11."""
    year, month, day = int(characters[6:10]), int(characters[10:12]), int(characters[12:14])
    check = "10X98765432"[weighted(characters[:17], _CHINESE_WEIGHTS) % 11]
    return is_date(year, month, day) and check == characters[17]


def curp(characters: str) -> bool:
    """Mexican CURP: weights 18 to 2 over the values of the characters."""
    total = sum(_CURP_CHARACTERS.index(c) * (18 - place) for place, c in enumerate(characters[:17]))
    return _is_short_date(characters[4:8], int(characters[8:10])) and -total % 10 == int(characters[17])


def pps(characters: str) -> bool:
    """Irish PPS number: weights 8 to 2, and 9 for a second letter; modulo 23 they give the first letter."""
    second = characters[8:9]
    extra = 9 * (ord(second) - ord("@")) if second and second != "W" else 0
    return (
        "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(characters[:7], range(8, 1, -1)) + extra) % 23] == characters[7]
    )


def norwegian(digits: str) -> bool:
    """Norwegian fødselsnummer: two check digits modulo 11; the day of a D-number is 40 more."""
    born = _is_short_date(digits[4:6] + digits[2:4], int(digits[:2]) % 40)
    first = weighted(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return born and first == 0 and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def is_date(year: int, month: int, day: int) -> bool:
    """Whether there is such a day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_short_date(year_month: str, day: int) -> bool:
    """Whether there is such a day in the 20th or 21st century; `year_month` is yymm."""
    year, month = int(year_month[:2]), int(year_month[2:])
    return is_date(1900 + year, month, day) or is_date(2000 + year, month, day)

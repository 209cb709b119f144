"""List numbers as Word and PowerPoint show them."""

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MAX_ROMAN = 3999
_MAX_LETTERS = 780  # 30 times the alphabet, the most that Word repeats a letter


def numeral(number: int, style: str) -> str:
    """`number` in a number format of ISO/IEC 29500 (ST_NumberFormat); Arabic digits for unknown ones.

    >>> [numeral(28, style) for style in ("decimal", "lowerLetter", "upperRoman", "decimalZero")]
    ['28', 'bb', 'XXVIII', '28']
    """
    if style in {"lowerRoman", "upperRoman"} and 0 < number <= _MAX_ROMAN:
        roman = _roman(number)
        return roman if style == "lowerRoman" else roman.upper()
    if style in {"lowerLetter", "upperLetter"} and 0 < number <= _MAX_LETTERS:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if style == "lowerLetter" else letters.upper()
    if style == "decimalZero":
        return f"{number:02}"
    return str(number)


def _roman(number: int) -> str:
    parts = []
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        parts.append(letters * count)
    return "".join(parts)

"""Which words of a table are figures: amounts, shares, years and the dashes that stand for none."""

import re

_CURRENCY = r"(?:(?:US|C|CA|A|AU|HK|NZ|S)?\$|[€£¥₩₹]|USD|EUR|GBP|CHF|Rs\.?)"
_NUMBER = r"(?:(?:\d{1,3}(?:[,.'’\u00a0\u202f ]\d{2,3})+|\d+)(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+−]?\d+)?"
_FIGURE = re.compile(
    r"[(\[]?[-+−–<>≈~±]?\s*" + _CURRENCY + r"?\s*[-+−–(]*\s*" + _NUMBER + r"\s*[)\]]?\s*"
    r"(?:%|‰|x|bps?|pts?)?\s*[)\]]?\s*(?:[*†‡]+|\(\w\))?"
)
_NONE = re.compile(_CURRENCY + r"?\s*[-–—−]+\s*%?|n/?[am]|nm|\*+", re.IGNORECASE)
_YEAR = re.compile(r"(?:fy|fiscal|q[1-4])?\s*[’']?(?:19|20)\d\d[ae]?\s*(?:[*†‡]+|\(\w\))?", re.IGNORECASE)
_AMOUNT = re.compile(_CURRENCY + r"|%|\d[.,]\d")
_OPENING = re.compile(r"[(\[]?" + _CURRENCY + r"\s*[(\[]?")
_CLOSING = re.compile(r"[)\]]*\s*(?:%|‰|bps?|pts?)?\s*[)\]]*")


def is_figure(text: str) -> bool:
    """An amount, with its sign, currency, brackets or per cent; or a dash or the like in place of one."""
    text = text.strip()
    if _NONE.fullmatch(text):
        return True
    return _FIGURE.fullmatch(text) is not None


def is_year(text: str) -> bool:
    return _YEAR.fullmatch(text.strip()) is not None


def opens_figure(text: str) -> bool:
    """A currency sign without its amount."""
    return _OPENING.fullmatch(text.strip()) is not None


def closes_figure(text: str) -> bool:
    """What may stand apart behind an amount: a bracket, a per cent sign."""
    return bool(text.strip()) and _CLOSING.fullmatch(text.strip()) is not None


def is_amount(text: str) -> bool:
    """A figure with a currency, a per cent sign, thousands or decimals: no page number or year."""
    return is_figure(text) and _AMOUNT.search(text) is not None

r"""Bytes to text.

In order: byte order mark, UTF-16 or UTF-32 without one (told by where the NUL bytes stand), strict UTF-8,
the declared encoding, UTF-8 with damaged places (they become U+FFFD; there may be more of them where UTF-8 is
declared), detection. UTF-8 goes before the declaration because text that is valid UTF-8 and not plain ASCII
is hardly ever anything else, while declarations are often wrong.

Line ends are stored as `\n`: `\r\n` and `\r` become `\n`, so offsets count one character for each.
"""

import codecs
import re

from charset_normalizer import from_bytes

from rag.errors import InvalidInputError, UnreadableFileError

_MARKS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 4096  # bytes that decide whether a file is UTF-16 or UTF-32
_NUL_LEAD = 8  # times more NULs in one half of the byte pairs than in the other means UTF-16
_NUL_SHARE = 5  # and at least 1/5 of the pairs have one; a stray NUL is just that
_SOUND_FOR_DAMAGED = 10  # sound UTF-8 sequences for each damaged one; other encodings yield hardly any
_SOUND_AS_DECLARED = 1  # of a file that says it is UTF-8: pages are pasted together from pieces that are not
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")  # WHATWG MIME Sniffing, "binary data byte"
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_WEB_NAMES = {  # WHATWG Encoding: these labels mean the larger Windows sets
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "x-sjis": "cp932",
}


def decode(data: bytes, *, declared: str | None = None) -> str:
    r"""The text of `data`, without byte order mark and with `\n` line ends.

    Args:
        data: The file.
        declared: An encoding's name that a header or the file itself gives; tried when `data` is not UTF-8.

    Raises:
        UnreadableFileError: The file is empty or blank, is not text, or holds NUL characters.
    """
    if not data:
        raise UnreadableFileError("the file is empty")
    text = _marked(data) or _wide(data)
    if text is None:
        text = _utf8(data, declared) or _in_encoding(data, declared) or _damaged_utf8(data, declared)
        text = text or _detected(data)
    if "\x00" in text:
        raise UnreadableFileError(
            f"the file holds NUL characters (the first at character {text.index(chr(0))}); it is not text"
        )
    text = normalise_lines(text)
    if not text or text.isspace():
        raise UnreadableFileError("the file holds no text")
    return text


def normalise_lines(text: str) -> str:
    r"""`text` with `\n` for `\r\n` and `\r`."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def storable(text: str) -> str:
    r"""`text` with `\n` line ends, and U+FFFD for the NULs and lone surrogates that escapes smuggle in."""
    return _FORBIDDEN.sub("\ufffd", normalise_lines(text))


def check_text(text: str) -> str:
    r"""`text` given as a string, with `\n` line ends.

    Raises:
        InvalidInputError: It is blank, or holds a NUL or a lone surrogate, which no database text can.
    """
    found = _FORBIDDEN.search(text)
    if found is not None:
        kind = "a NUL character" if found[0] == "\x00" else f"a lone surrogate (U+{ord(found[0]):04X})"
        raise InvalidInputError(f"the text holds {kind} at character {found.start()}")
    if not text or text.isspace():
        raise InvalidInputError("the text is empty")
    return normalise_lines(text)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError):
        return None
    return None if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # UTF-7 is one encoding that lets them through
        return True
    return False


def _marked(data: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _strict(data, encoding)
            if text is not None:
                return text.lstrip("\ufeff") or " "
    return None


def _wide(data: bytes) -> str | None:
    """UTF-32 or UTF-16 without a byte order mark: valid UTF-8 too, but with a NUL for every other letter."""
    head = data[:_HEAD]
    if b"\x00" not in head or len(data) % 2:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    candidates = ["utf-32-le", "utf-32-be"] if len(data) % 4 == 0 else []
    few = len(head) // 2 // _NUL_SHARE
    if odd > max(few, _NUL_LEAD * even):
        candidates.append("utf-16-le")
    elif even > max(few, _NUL_LEAD * odd):
        candidates.append("utf-16-be")
    for encoding in candidates:
        text = _strict(data, encoding)
        if text is not None and not _CONTROL.search(text):
            return text
    return None


def _utf8(data: bytes, declared: str | None) -> str | None:
    if declared and data.isascii() and _WEB_NAMES.get(declared.lower(), "") != "cp1252":
        return _in_encoding(data, declared)  # ISO-2022-JP and its like are written in ASCII bytes
    return _strict(data, "utf-8")


def _in_encoding(data: bytes, declared: str | None) -> str | None:
    if not declared:
        return None
    name = declared.strip().lower()
    if name.replace("-", "").replace("_", "") in {"utf16", "utf16le", "utf16be", "utf7"}:
        return _strict(data, "utf-8")  # a declaration that was readable byte by byte cannot be UTF-16
    try:
        codec = codecs.lookup(_WEB_NAMES.get(name, name))
    except (LookupError, ValueError):
        return None
    return _strict(data, codec.name) if codec._is_text_encoding else None  # noqa: SLF001  # no public flag


def _damaged_utf8(data: bytes, declared: str | None) -> str | None:
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    sound = sum(not sign.isascii() for sign in text) - damaged
    is_declared = declared is not None and declared.strip().lower() in {"utf-8", "utf8"}
    needed = damaged * (_SOUND_AS_DECLARED if is_declared else _SOUND_FOR_DAMAGED)
    return text if 0 < needed < sound and not _CONTROL.search(text) else None


def _detected(data: bytes) -> str:
    """The likeliest legacy encoding; Windows-1252 wins a tie, being by far the commonest.

    Raises:
        UnreadableFileError: No encoding makes it text.
    """
    if _CONTROL.search(data.decode("latin-1")):
        raise UnreadableFileError("the file is not text in any known encoding")
    western = _strict(data, "cp1252")
    if western is not None and not any(sign.isalpha() and not sign.isascii() for sign in western):
        return western  # only quotation marks, dashes and signs are not ASCII: too little to detect by
    best = from_bytes(data).best()
    if best is None:
        raise UnreadableFileError("the file is not text in any known encoding")
    rival = from_bytes(data, cp_isolation=["cp1252"]).best()
    if rival is not None and western is not None and rival.chaos <= best.chaos and not best.multi_byte_usage:
        return western
    text = _strict(data, best.encoding)
    if text is None:
        raise UnreadableFileError("the file is not text in any known encoding")
    return text

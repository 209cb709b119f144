"""Characters that a reader doesn't see, and the forms that a text is compared in."""

import html
import re
import unicodedata
from urllib.parse import unquote

# Thai, Lao, Chinese and Japanese: no space stands between words, or between a word and an address.
UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
DECODINGS = 3  # %2541 is %41 is A: nobody decodes more often by chance

_TERMINAL = re.compile(  # ECMA-48: what a terminal takes for a command, such as a colour or a link
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[@-_]?"
)
_INVISIBLE = re.compile(  # controls, fillers, marks that turn the direction round, tags, halves of characters
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u115f\u1160\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_JOINERS = re.compile("[\u200c-\u200f]")  # Persian, Hindi and Hebrew need them, but no address does
_WIDE_DOT = re.compile("(?<=[a-z0-9-])。(?=[a-z0-9])")  # a full stop to us, a dot to a browser
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
# Letters of other scripts that look like Latin ones (Unicode Technical Standard 39, "intentional").
_LOOKALIKES = str.maketrans("аеорсухіјѕһԁԛԝѵɡıοαν", "aeopcyxijshdqwvgioav")


def visible(text: str) -> str:
    """The text without control characters (lines and tabs stay), terminal commands and hidden characters."""
    return _INVISIBLE.sub("", _TERMINAL.sub("", text))


def readings(text: str) -> tuple[str, str, str, str]:
    """What a program may take the text for: as it is, decoded, without Markdown's escapes, with slashes."""
    plain = unicodedata.normalize("NFKC", _JOINERS.sub("", visible(text))).lower()
    plain = _WIDE_DOT.sub(".", plain)
    decoded = _decoded(plain)
    return plain, decoded, _ESCAPE.sub(r"\1", decoded), decoded.replace("\\", "/")


def _decoded(text: str) -> str:
    for _ in range(DECODINGS):
        before = text
        text = unicodedata.normalize("NFKC", visible(unquote(html.unescape(text)))).lower()
        if text == before:
            break
    return _WIDE_DOT.sub(".", text)


def letters(text: str) -> str:
    """Nothing but the letters, in small, without accents; those that look alike are the same."""
    plain = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).lower().translate(_LOOKALIKES)
    return "".join(character for character in plain if character.isalpha())


def words(text: str) -> str:
    """The text in small letters with single spaces: what phrases are looked for in."""
    plain = unicodedata.normalize("NFKC", _JOINERS.sub("", visible(text))).casefold()
    return " ".join(plain.split())

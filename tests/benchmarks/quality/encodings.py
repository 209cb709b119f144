"""Texts that are data for machines."""

import base64
import binascii
import json
import quopri
import random
import string
from collections.abc import Iterator
from urllib.parse import quote

_UU_LINE = 45  # bytes


def encoded_texts(sentence: str, foreign: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Ten kinds with their names; `foreign` is a text that is hardly ASCII."""
    data = rng.randbytes(3000)
    lines = base64.encodebytes(data).decode()
    yield "Base64 in lines", lines
    yield "a sentence, and Base64 in one line", f"{sentence}\n{''.join(lines.split())}"
    yield "a key", f"-----BEGIN CERTIFICATE-----\n{lines[:1600]}\n-----END CERTIFICATE-----"
    yield "hexadecimal", data.hex()
    yield "a dump", "\n".join(f"{at:08x}  {data[at : at + 16].hex(' ')}" for at in range(0, 1600, 16))
    parts = (data[at : at + _UU_LINE] for at in range(0, 60 * _UU_LINE, _UU_LINE))
    yield "uuencode", "".join(binascii.b2a_uu(part).decode() for part in parts)
    yield "escaped JSON", json.dumps({"text": foreign})
    yield "percent-encoded", quote(foreign)
    yield "quoted-printable", quopri.encodestring(foreign.encode()).decode()
    yield "compressed code", ";".join(_compressed_function(rng) for _ in range(60))


def _compressed_function(rng: random.Random) -> str:
    a, b, c, d, e = ("".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 2))) for _ in range(5))
    return f"var {a}=function({b},{c}){{return {b}.{d}?{e}({c}):!{c}&&{a}[{rng.randint(0, 9)}]}}"

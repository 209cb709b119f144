"""Small PDF files, written byte by byte (PDF 1.7, ISO 32000-1)."""

import hashlib

_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")  # 7.6.3.3
_FILE_ID = b"0123456789abcdef"
_PERMISSIONS = -4


def pdf_file(*pages: str, title: str = "") -> bytes:
    """A PDF with one line of text on each page; a page without text draws nothing."""
    return _assembled(_objects(pages, title), "")


def encrypted_pdf_file(page: str, *, opens_without_password: bool) -> bytes:
    """A PDF encrypted with 40-bit RC4 (revision 2), with an empty or an unknown user password."""
    owner = bytes(32)
    seed = _PADDING + owner + (_PERMISSIONS & 0xFFFFFFFF).to_bytes(4, "little") + _FILE_ID
    key = hashlib.md5(seed, usedforsecurity=False).digest()[:5]
    user = _rc4(key, _PADDING) if opens_without_password else bytes(range(32))
    objects = _objects((page,), "", key=key)
    objects.append(
        f"<< /Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{user.hex()}> /P {_PERMISSIONS} >>".encode()
    )
    identity = f"/Encrypt {len(objects)} 0 R /ID [<{_FILE_ID.hex()}> <{_FILE_ID.hex()}>]"
    return _assembled(objects, identity)


def _objects(pages: tuple[str, ...], title: str, key: bytes = b"") -> list[bytes]:
    numbers = [5 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Title ({title}) >>".encode(),
    ]
    for number, text in zip(numbers, pages, strict=True):
        content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode() if text else b""
        if key:
            content = _rc4(_object_key(key, number + 1), content)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (number + 1)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    return objects


def _assembled(objects: list[bytes], trailer: str) -> bytes:
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        body += b"%010d 00000 n \n" % offset
    size = len(objects) + 1
    body += f"trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R {trailer} >>\n".encode()
    body += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(body)


def _object_key(key: bytes, number: int) -> bytes:
    salted = key + number.to_bytes(3, "little") + bytes(2)
    return hashlib.md5(salted, usedforsecurity=False).digest()[: len(key) + 5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    result = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        result.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(result)

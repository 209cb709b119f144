"""Small PDF files, written byte by byte (PDF 1.7, ISO 32000-1)."""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")  # 7.6.3.3
_FILE_ID = b"0123456789abcdef"
_PERMISSIONS = -4


def pdf_file(*pages: str, title: str = "") -> bytes:
    """A PDF with one line of text on each page; a page without text draws nothing."""
    return assembled(_objects(pages, title), "")


def encrypted_pdf_file(page: str, *, opens_without_password: bool) -> bytes:
    """A PDF encrypted with 40-bit RC4 (revision 2), with an empty or an unknown user password."""
    owner = bytes(32)
    seed = _PADDING + owner + (_PERMISSIONS & 0xFFFFFFFF).to_bytes(4, "little") + _FILE_ID
    key = _md5(seed)[:5]
    user = _rc4(key, _PADDING) if opens_without_password else bytes(range(32))
    objects = _objects((page,), "", key=key)
    objects.append(
        f"<< /Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{user.hex()}> /P {_PERMISSIONS} >>".encode()
    )
    identity = f"/Encrypt {len(objects)} 0 R /ID [<{_FILE_ID.hex()}> <{_FILE_ID.hex()}>]"
    return assembled(objects, identity)


def aes_pdf_file(page: str) -> bytes:
    """A PDF encrypted with 128-bit AES (revision 4), with an empty user password."""
    owner, identity = bytes(32), f"<{_FILE_ID.hex()}>"
    permissions = (_PERMISSIONS & 0xFFFFFFFF).to_bytes(4, "little")
    key = _md5(_PADDING + owner + permissions + _FILE_ID)
    for _ in range(50):  # algorithm 2, step h
        key = _md5(key)
    check = _rc4(key, _md5(_PADDING + _FILE_ID))  # algorithm 5
    for step in range(1, 20):
        check = _rc4(bytes(byte ^ step for byte in key), check)
    objects = _objects((page,), "", aes_key=key)
    objects.append(
        f"<< /Filter /Standard /V 4 /R 4 /Length 128 /O <{owner.hex()}> /U <{(check + bytes(16)).hex()}> "
        f"/P {_PERMISSIONS} /CF << /StdCF << /CFM /AESV2 /Length 16 >> >> "
        "/StmF /StdCF /StrF /StdCF >>".encode()
    )
    return assembled(objects, f"/Encrypt {len(objects)} 0 R /ID [{identity} {identity}]")


def _objects(pages: tuple[str, ...], title: str, key: bytes = b"", aes_key: bytes = b"") -> list[bytes]:
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
        if aes_key:
            content = _aes(_md5(aes_key + (number + 1).to_bytes(3, "little") + bytes(2) + b"sAlT"), content)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (number + 1)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    return objects


def assembled(objects: list[bytes], trailer: str) -> bytes:
    """A PDF of these objects, numbered from 1: the catalog first, the information dictionary fourth."""
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
    return _md5(salted)[: len(key) + 5]


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _aes(key: bytes, data: bytes) -> bytes:
    """Cipher block chaining with the vector in front and PKCS 7 padding (7.6.2)."""
    vector, rest = bytes(range(16)), 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return vector + encryptor.update(data + bytes([rest]) * rest) + encryptor.finalize()


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

"""E-mail messages (RFC 5322 and MIME): who wrote to whom, what they wrote, and what they attached.

Of a body in two forms the plain one is taken, unless the HTML says much more ("to read this, use another
program"). Attachments follow under headings with their names; messages in a message too. Pictures that
belong to the HTML, such as logos, and signatures are left out.
"""

import email
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import decode, storable
from rag.parse.html import parse_html
from rag.parse.mail_headers import AS_WRITTEN, decoded, header
from rag.parse.members import MemberWriter, ReadFile
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_KNOWN = (*_SHOWN, "Received", "Message-ID", "MIME-Version", "Content-Type", "Return-Path")
_MAX_PARTS = 1000  # of one message
_MAX_DEPTH = 50  # multiparts in multiparts
_MAX_FORWARDED = 5  # messages in messages
_RICHER = 2  # times more words than the plain text
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_ENCRYPTED = frozenset({"application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
# What `email` raises for parameters in parts (RFC 2231) that contradict each other or have absurd numbers.
_BAD_PARAMETERS = (TypeError, ValueError)
_BODIES = frozenset({"text/plain", "text/html"})


@dataclass(frozen=True, slots=True)
class _Part:
    """A leaf of a message: `is_body` for what is read as the message itself."""

    message: Message
    kind: str
    is_body: bool


def parse_eml(data: bytes, read: ReadFile) -> ParsedDocument:
    """The document of a message, its title the subject; `warnings` name attachments that can't be read.

    Args:
        data: The message.
        read: Reads an attachment by its content, name and MIME type.

    Raises:
        UnreadableFileError: It is no message: not one header is known.
    """
    try:
        message = email.message_from_bytes(data.removeprefix(BOM_UTF8).lstrip(), policy=AS_WRITTEN)
    except RecursionError as error:
        raise UnreadableFileError("the message nests too deeply") from error
    except _BAD_PARAMETERS as error:
        raise UnreadableFileError("the message is damaged: its parts cannot be told apart") from error
    if not any(name in message for name in _KNOWN):
        raise UnreadableFileError("the file is not an e-mail message: it has no headers")
    return _Reader(read).document(message, 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    read: ReadFile

    def document(self, message: Message, forwarded: int) -> ParsedDocument:
        builder = DocumentBuilder()
        for name in _SHOWN:
            value = header(message, name)
            builder.line(f"{name}: {value}" if value else "")
        members = MemberWriter(builder, self.read)
        parts = list(_parts(message, members))
        for part in parts:
            if part.is_body:
                _write_body(builder, members, part)
        for number, part in enumerate((part for part in parts if not part.is_body), start=1):
            self._attachment(members, part, number, forwarded)
        title = tidy_title(header(message, "Subject")) or None
        if not builder.length:
            raise UnreadableFileError("the message holds no text")
        return builder.build(FileType.EML, title=title, warnings=members.warnings)

    def _attachment(self, members: MemberWriter, part: _Part, number: int, forwarded: int) -> None:
        name = _file_name(part.message)
        if part.kind in _SIGNATURES:
            return
        if part.kind in _ENCRYPTED:
            members.warn(name or "message", "encrypted")
        elif part.kind == "message/rfc822" and part.message.is_multipart():
            self._forwarded(members, part.message, name, forwarded)
        else:
            name = name or f"attachment {number}"
            members.add(_content(part.message), name, str(part.message.get("Content-Type", part.kind)))

    def _forwarded(self, members: MemberWriter, wrapper: Message, name: str, forwarded: int) -> None:
        inner = wrapper.get_payload(0)
        assert isinstance(inner, Message)  # noqa: S101 - what the parser puts there
        name = name or header(inner, "Subject") or "forwarded message"
        if forwarded == _MAX_FORWARDED:
            members.warn(name, f"not read: messages inside messages are read {_MAX_FORWARDED} deep")
            return
        try:
            members.add_document(self.document(inner, forwarded + 1), name)
        except UnreadableFileError as error:
            members.warn(name, str(error))


def _parts(message: Message, members: MemberWriter) -> Iterator[_Part]:
    """The leaves in order; of alternatives only the best, of related parts only the text."""
    pending = [(message, 0, False)]
    seen = 0
    while pending:
        part, depth, related = pending.pop()
        seen += 1
        if seen > _MAX_PARTS or depth > _MAX_DEPTH:
            members.warn("message", "it has too many parts, or they nest too deeply; the rest was not read")
            return
        kind = part.get_content_type()
        if kind != "message/rfc822" and part.is_multipart():
            children = [child for child in part.get_payload() if isinstance(child, Message)]
            inside = related or kind == "multipart/related"
            chosen = _best(children) if kind == "multipart/alternative" else children
            pending += [(child, depth + 1, inside) for child in reversed(chosen)]
        elif not (related and kind.startswith("image/")):
            is_body = (
                kind in _BODIES and part.get_content_disposition() != "attachment" and not _file_name(part)
            )
            yield _Part(part, kind, is_body)


def _best(alternatives: list[Message]) -> list[Message]:
    """One text of several that say the same, and whatever is no text, such as an invitation."""
    others = [part for part in alternatives if _text_kind(part) is None]
    plain = [part for part in alternatives if _text_kind(part) == "text/plain"]
    rich = [part for part in alternatives if _text_kind(part) == "text/html"]
    if plain and rich and _RICHER * _count_words(plain[0]) < _count_words(rich[0]):
        return [*rich[:1], *others]
    return [*(plain[:1] or rich[:1]), *others]


def _text_kind(part: Message) -> str | None:
    """The kind of text that an alternative is, also when related pictures are bundled with it."""
    for depth, found in enumerate(part.walk()):
        if found.get_content_type() in _BODIES:
            return found.get_content_type()
        if not found.is_multipart() or depth > _MAX_DEPTH:
            break
    return None


def _count_words(part: Message) -> int:
    leaf = next(found for found in part.walk() if not found.is_multipart())
    try:
        text = _decoded_content(leaf)
        if leaf.get_content_type() == "text/html":
            text = parse_html(text).text
    except InvalidInputError:
        return 0
    return len(text.split())


def _write_body(builder: DocumentBuilder, members: MemberWriter, part: _Part) -> None:
    if not _content(part.message).strip():
        return
    try:
        text = _decoded_content(part.message)
        if part.kind == "text/html":
            builder.document(parse_html(text), level=0)
        else:
            builder.paragraph(text)
    except InvalidInputError as error:
        members.warn("message text", str(error))


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded_content(part: Message) -> str:
    try:
        charset = part.get_content_charset()
    except _BAD_PARAMETERS:
        charset = None
    return storable(decode(_content(part), declared=charset))


def _file_name(part: Message) -> str:
    try:
        return decoded(part.get_filename() or "")
    except _BAD_PARAMETERS:
        return ""

import time
from contextlib import suppress
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse import FileType, parse
from tests.unit.rag.parse.zip_files import zip_file


def read_mail(data: bytes | EmailMessage) -> ParsedDocument:
    raw = data.as_bytes() if isinstance(data, EmailMessage) else data
    return parse(raw, filename="a.eml", mime_type=None)


def message(text: str = "Hello\n\nBye", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    for name, value in {"Subject": "Hours", "From": "Ann <a@example.org>", **headers}.items():
        mail[name] = value
    mail.set_content(text)
    return mail


def test_headers_then_the_text() -> None:
    document = read_mail(
        message(To="Bob <b@example.org>", Cc="c@example.org", Date="Tue, 01 Oct 2024 12:00:00 +0000", X="y")
    )
    assert document.mime_type == FileType.EML
    assert document.title == "Hours"
    assert document.text == (
        "From: Ann <a@example.org>\nTo: Bob <b@example.org>\nCc: c@example.org\n"
        "Date: Tue, 01 Oct 2024 12:00:00 +0000\nSubject: Hours\n\nHello\n\nBye"
    )


def test_plain_text_is_taken_when_the_html_says_the_same() -> None:
    mail = message("The text in words")
    mail.add_alternative("<p>The text in <b>words</b></p><p>and more</p>", subtype="html")
    assert read_mail(mail).text.endswith("\n\nThe text in words")


def test_html_is_taken_when_the_plain_text_is_a_stub() -> None:
    mail = message("Open this in a browser")
    page = "<h1>Prices</h1><table><tr><th>Item<th>Price<tr><td>Lamp<td>3</table>" + "<p>word</p>" * 9
    mail.add_alternative(page, subtype="html")
    mail.get_payload(1).add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<logo>")  # type: ignore[union-attr]
    document = read_mail(mail)
    assert "browser" not in document.text
    assert document.warnings == ()
    assert [document.text[h.start : h.end] for h in document.headings] == ["Prices"]
    (table,) = document.tables
    assert document.text[table.start : table.end] == "| Item | Price |\n| --- | --- |\n| Lamp | 3 |"


def test_attachments_follow_under_their_names() -> None:
    mail = message()
    mail.add_attachment(b"# Notes\n\nmore", "application", "octet-stream", filename="notes.md")
    mail.add_attachment(
        "päper".encode("latin-1"), "text", "plain", filename="Übersicht", params={"charset": "latin-1"}
    )
    mail.add_attachment(b"MZ", "application", "octet-stream", filename="run.exe")
    mail.add_attachment(zip_file({"in.txt": "inside", "x.exe": "x"}), "application", "zip", filename="z.zip")
    document = read_mail(mail)
    titles = [(h.title, h.level) for h in document.headings]
    assert titles == [("notes.md", 1), ("Notes", 2), ("Übersicht", 1), ("z.zip", 1), ("in.txt", 2)]
    assert "Übersicht\n\npäper" in document.text
    assert document.text.endswith("z.zip\n\nin.txt\n\ninside")
    assert document.warnings == (
        "run.exe: .exe files are not supported",
        "z.zip: x.exe: .exe files are not supported",
    )


def test_messages_in_messages_are_read() -> None:
    inner = message("The first words", Subject="Original")
    inner.add_attachment(b"attached", "text", "plain", filename="a.txt")
    outer = message("See below", Subject="Fwd")
    outer.add_attachment(inner)
    document = read_mail(outer)
    assert document.title == "Fwd"
    assert [(h.title, h.level) for h in document.headings] == [("Original", 1), ("a.txt", 2)]
    assert "Subject: Original\n\nThe first words" in document.text


def test_endless_forwarding_ends() -> None:
    mail = message("innermost")
    for _ in range(12):
        outer = message("around")
        outer.add_attachment(mail)
        mail = outer
    document = read_mail(mail)
    assert "innermost" not in document.text
    assert "not read: messages inside messages are read 5 deep" in document.warnings[0]


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?iso-8859-1?B?R3L832U=?= =?utf-8?q?_x?=", "Grüße x"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"=?no-such-charset?q?a=E4?=", "aä"),
        (b"=?utf-8?b?%%%?= end", "end"),
        (b"folded\r\n over\tlines", "folded over lines"),
        (b"nul\x00and\x07bell", "nul and bell"),
    ],
)
def test_subjects_are_decoded_however_they_are_written(subject: bytes, title: str) -> None:
    document = read_mail(b"From: a@b\r\nSubject: " + subject + b"\r\n\r\nText")
    assert (document.title or "").endswith(title)
    assert f"{title}\n\nText" in document.text


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (b"Content-Type: text/plain; charset=utf-8", "ä".encode("latin-1") + b" then words", "ä then words"),
        (b'Content-Type: text/plain; charset = "UTF-8"Content-Transfer-Encoding: 8bit', b"hi", "hi"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64", b"aGVsbG8h", "hello!"),
        (b"Content-Type: text/html; charset=windows-1252", b"<p>\x80 5", "€ 5"),
        (b"Content-Type: nonsense", b"hi", "hi"),
        (b"Content-Type: multipart/mixed; boundary=x", b"--x\n\nfirst\n--x\n\nsecond", "first\n\nsecond"),
    ],
)
def test_bodies_with_damaged_declarations(headers: bytes, body: bytes, text: str) -> None:
    document = read_mail(b"From: a\nSubject: s\n" + headers + b"\n\n" + body)
    assert document.text == f"From: a\nSubject: s\n\n{text}"
    assert document.warnings == ()


def test_raw_names_of_attachments_are_understood() -> None:
    data = (
        "From: a\nSubject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
        'Content-Disposition: attachment; filename="Übersicht.txt"\n\ntext\n--x--'
    )
    for encoding in ("utf-8", "latin-1"):
        assert read_mail(data.encode(encoding)).text.endswith("Übersicht.txt\n\ntext")


def test_contradicting_parameters_cost_the_name_alone() -> None:
    head = b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment; "
    document = read_mail(head + b"filename*=utf-8''%ff; filename*0*=x\n\ntext\n--x--")
    assert document.text.endswith("attachment 1\n\ntext")
    with pytest.raises(UnreadableFileError, match="cannot be told apart"):
        read_mail(b"From: a\nContent-Type: multipart/mixed; boundary*=x; boundary*0*=x\n\n--x\n\ntext")


def test_signatures_are_left_out_and_encrypted_parts_named() -> None:
    mail = message()
    mail.add_attachment(b"sig", "application", "pgp-signature", filename="s.asc")
    mail.add_attachment(b"secret", "application", "pkcs7-mime", filename="smime.p7m")
    document = read_mail(mail)
    assert document.text.endswith("Bye")
    assert document.warnings == ("smime.p7m: encrypted",)


def test_a_binary_body_is_named() -> None:
    document = read_mail(b"From: a\nContent-Transfer-Encoding: base64\n\nAAECAwQFBg==")
    assert document.text == "From: a"
    assert document.warnings[0].startswith("message text: the file")


def test_text_without_headers_is_no_message() -> None:
    with pytest.raises(UnreadableFileError, match="it has no headers"):
        read_mail(b"Dear all,\n\nthis is a letter.")


def test_thousands_of_parts_are_cut() -> None:
    data = b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nhi\n" * 3000
    document = read_mail(data)
    assert document.text.count("hi") < 1000
    assert document.warnings == (
        "message: it has too many parts, or they nest too deeply; the rest was not read",
    )


def test_endless_nesting_and_headers_end() -> None:
    with pytest.raises(UnreadableFileError, match="nests too deeply"):
        read_mail(b"From: x\n" + b"Content-Type: message/rfc822\n\nFrom: x\n" * 5000)
    began = time.monotonic()
    for head in (
        b"Content-Type: text/plain; " + b"a=b; " * 200_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 200_000,
    ):
        assert read_mail(b"From: x\n" + head + b"\n\nhi").text.endswith("hi")
    assert time.monotonic() - began < 10


PIECES = st.sampled_from(
    [
        b"From: a\n",
        b"Subject: =?utf-8?b?",
        b"Content-Type: multipart/alternative; boundary=x\n",
        b"\n",
        b"--x\n",
        b"--x--\n",
        b"Content-Type: text/html; charset=",
        b"Content-Type: message/rfc822\n",
        b"<p>words",
        b"utf-16",
        b"Content-Transfer-Encoding: uuencode\n",
        b"Content-Transfer-Encoding: base64\n",
        b"begin 666 x\n",
        b"\xff\xfe",
        b"Content-Disposition: attachment; filename*=utf-8''%ff; filename*0*=x\n",
        b"text\n",
        b' ;="',
        b"=?",
        b"?=",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=30))
def test_any_message_gives_a_document_or_one_of_our_errors(pieces: list[bytes]) -> None:
    with suppress(InvalidInputError):
        document = read_mail(b"From: x\n" + b"".join(pieces))
        document.text.encode()
        assert not set(document.text) & {"\x00", "\r"}

"""ZIP archives: every file in them that can be read, under a heading with its path.

Nothing is written to disk, so a path is only a label; one that points outside the archive is refused all
the same, since whoever packed it meant harm. Sizes are limited before anything is unpacked: `zipfile` never
yields more of a member than the directory says.
"""

import io
import re
import stat
import zipfile

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.members import MemberWriter, ReadFile
from rag.parse.signatures import ZIP_DAMAGE
from rag.parse.types import FileType

MAX_MEMBERS = 1000  # files read of one upload, archives in archives included
MAX_UNPACKED = 256 * 1024**2  # bytes that they unpack to together
_MAX_RATIO = 100  # text packs to 1/3 to 1/20; deflate cannot do better than 1/1032
_RATIO_FREE = 1024**2  # bytes; what is small when unpacked may pack as well as it likes
_ENCRYPTED = 0x1  # ZIP general purpose flag, bit 0
_UTF8_NAME = 0x800  # ZIP general purpose flag, bit 11
# LZMA is left out: its header may ask for a dictionary of 4 GB.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
_OF_SYSTEMS = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_ROOTED = re.compile(r"[/\\]|[A-Za-z]:")
_SHOWN = 3  # reasons in a message


class UnpackBudget:
    """What the archives of one upload may still unpack to; shared by the archives inside archives."""

    def __init__(self, *, members: int = MAX_MEMBERS, size: int = MAX_UNPACKED) -> None:
        self._members = members
        self._size = size

    @property
    def has_members(self) -> bool:
        return self._members > 0

    def take(self, size: int) -> None:
        """Count a file that unpacks to `size` bytes.

        Raises:
            UnreadableFileError: That is more than is left.
        """
        if size > self._size:
            limit = MAX_UNPACKED // 1024**2
            raise UnreadableFileError(f"not read: the files of the archive unpack to more than {limit} MB")
        self._size -= size
        self._members -= 1

    def take_package(self, data: bytes) -> None:
        """Count what an office file or book in an archive unpacks to, being an archive itself.

        Raises:
            UnreadableFileError: That is more than is left.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                size = sum(member.file_size for member in package.infolist())
        except ZIP_DAMAGE:
            return  # its parser says what is wrong with it
        self.take(size)


def parse_zip(data: bytes, budget: UnpackBudget, read: ReadFile) -> ParsedDocument:
    """The document of an archive; its `warnings` name the files that could not be read.

    Args:
        data: The archive.
        budget: What it may unpack to.
        read: Reads a file by its content and name.

    Raises:
        UnreadableFileError: It is damaged, or no file in it can be read.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except ZIP_DAMAGE as error:
        raise UnreadableFileError("the archive is damaged and cannot be opened") from error
    builder = DocumentBuilder()
    writer = MemberWriter(builder, read)
    with archive:
        members = [member for member in archive.infolist() if not _is_skipped(member)]
        for number, member in enumerate(members):
            if not budget.has_members:
                writer.warn(_name(member), f"not read, nor the {len(members) - number - 1} files after it: "
                            f"only {MAX_MEMBERS:,} files of an archive are read")  # fmt: skip
                break
            _add(archive, member, budget, writer)
    if not writer.written:
        raise UnreadableFileError(_why_nothing(writer.warnings))
    return builder.build(FileType.ZIP, warnings=writer.warnings)


def _add(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: UnpackBudget, writer: MemberWriter
) -> None:
    name = _name(member)
    try:
        _check(member)
        budget.take(member.file_size)
        data = archive.read(member)
    except UnreadableFileError as error:
        writer.warn(name, str(error))
    except ZIP_DAMAGE:
        writer.warn(name, "damaged, cannot be unpacked")
    else:
        writer.add(data, name)


def _check(member: zipfile.ZipInfo) -> None:
    """Raises: UnreadableFileError when the member must not be unpacked."""
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableFileError("protected by a password")
    if _ROOTED.match(member.filename) or ".." in _parts(member):
        raise UnreadableFileError("not read: its path points outside the archive")
    if member.compress_type not in _METHODS:
        raise UnreadableFileError("compressed in a way that is not supported")
    if member.file_size > max(_RATIO_FREE, _MAX_RATIO * member.compress_size):
        raise UnreadableFileError(f"not read: it unpacks to more than {_MAX_RATIO} times its size")


def _is_skipped(member: zipfile.ZipInfo) -> bool:
    """Folders, links, hidden files and what operating systems add for themselves."""
    if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):  # the upper half is Unix's file mode
        return True
    return any(
        part.lower() in _OF_SYSTEMS or (part.startswith(".") and part not in {".", ".."})
        for part in _parts(member)
    )


def _parts(member: zipfile.ZipInfo) -> list[str]:
    return re.split(r"[/\\]", member.filename)


def _name(member: zipfile.ZipInfo) -> str:
    """The path; many programs write UTF-8 without saying so, which reads as code page 437."""
    if member.flag_bits & _UTF8_NAME or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _why_nothing(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return "the archive holds no files"
    rest = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return f"no file in the archive can be read: {'; '.join(reasons[:_SHOWN])}{rest}"

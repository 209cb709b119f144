"""What dulwich raises, in Groundwork's own errors."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import urllib3
from dulwich.client import HTTPUnauthorized
from dulwich.errors import (
    ApplyDeltaError,
    ChecksumMismatch,
    FileFormatException,
    GitProtocolError,
    MissingCommitError,
    NotGitRepository,
    ObjectMissing,
    RefFormatError,
    WrongObjectException,
)
from dulwich.file import FileLocked
from dulwich.pack import PackFileDisappeared, UnresolvedDeltas
from dulwich.refs import SymrefLoop
from dulwich.repo import UnsupportedExtension, UnsupportedVersion

from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.sources.git_address import GitAddress

# What dulwich raises for data that isn't what Git writes, some of it by accident.
DAMAGED = (
    ApplyDeltaError,
    AssertionError,
    ChecksumMismatch,
    FileFormatException,
    FileLocked,  # by a process that was killed: see `locked`
    LookupError,
    MissingCommitError,
    ObjectMissing,
    PackFileDisappeared,
    RefFormatError,
    SymrefLoop,
    UnresolvedDeltas,
    UnsupportedExtension,
    UnsupportedVersion,
    ValueError,
    WrongObjectException,
    struct.error,
    zlib.error,
)


@contextmanager
def git_errors(address: GitAddress) -> Iterator[None]:
    """Translate what dulwich raises inside.

    Raises:
        NotFoundError: There is no repository.
        InvalidInputError: It asks for a login.
        UnavailableError: It can't be reached or read, or is damaged.
    """
    where = address.local_path or httpx.URL(address.url).host
    try:
        yield
    except NotGitRepository as exc:
        raise NotFoundError(f"there is no Git repository at {address.url}") from exc
    except HTTPUnauthorized as exc:
        raise InvalidInputError(f"{where} asks for a login, or refuses the one it got") from exc
    except (GitProtocolError, urllib3.exceptions.HTTPError) as exc:
        raise UnavailableError(f"{where} can't be reached, or doesn't answer as a Git server") from exc
    except InterruptedError:
        raise
    except OSError as exc:
        reason = exc.strerror or "the disk fails"
        raise UnavailableError(f"the repository {address.url} can't be read: {reason}") from exc
    except DAMAGED as exc:
        raise UnavailableError(f"the repository {address.url}, or our copy of it, is damaged") from exc

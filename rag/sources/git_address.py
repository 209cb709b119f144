"""How a folder of a Git repository is written: `git+https://host/team/repo@branch#docs/guide`."""

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import httpx

from rag.errors import InvalidInputError

PREFIX = "git+"
_HOSTS_WITH_PAGES = {"github.com": "blob", "gitlab.com": "-/blob"}  # where files have a page of their own


@dataclass(frozen=True, slots=True)
class Login:
    """A user, or what the host calls the owner of an access token, and the password or token."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GitAddress:
    """A folder of a branch of a repository.

    Attributes:
        url: Of the repository, without login; of a local one `file://` and its path.
        branch: A branch or tag; None for the one that the repository names.
        folder: Path in it, without slashes at its ends; "" for all of it.
    """

    url: str
    branch: str | None = None
    folder: str = ""

    def __str__(self) -> str:
        branch = f"@{self.branch}" if self.branch else ""
        return f"{PREFIX}{self.url}{branch}" + (f"#{self.folder}" if self.folder else "")

    @property
    def local_path(self) -> str | None:
        """Where a local repository is; None for one that is fetched."""
        scheme, _, path = self.url.partition("://")
        return unquote(path) if scheme == "file" else None

    def page_of(self, path: str) -> str | None:
        """Where a reader finds the file at `path` of the repository, on hosts known to have such pages."""
        blob = _HOSTS_WITH_PAGES.get(httpx.URL(self.url).host)
        if blob is None:
            return None
        where = f"{blob}/{self.branch or 'HEAD'}/{path}"
        return f"{self.url.removesuffix('/').removesuffix('.git')}/{quote(where)}"


def parse_git_address(text: str) -> GitAddress:
    """The address in its parts. What follows the last `@` of the path is the branch.

    Raises:
        InvalidInputError: It isn't one, its scheme isn't https, http or file, or it holds a password.
    """
    rest, _, folder = text.strip().removeprefix(PREFIX).partition("#")
    scheme, separator, _ = rest.partition("://")
    if not separator or scheme not in {"https", "http", "file"}:
        raise InvalidInputError(
            f"{text[:200]!r} is not a Git address: write git+https://host/repo@branch#folder"
        )
    start = rest.find("/", len(scheme) + len("://"))  # of the path
    at = rest.rfind("@", max(start, 0))
    url, branch = (rest[:at], rest[at + 1 :]) if start >= 0 and at >= 0 else (rest, "")
    if scheme != "file":
        _check_remote(url)
    elif start != len("file://"):
        raise InvalidInputError("a local repository is written with three slashes: git+file:///path/to/repo")
    return GitAddress(url, unquote(branch) or None, unquote(folder).strip("/"))


def _check_remote(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise InvalidInputError(f"{url[:200]!r} is not an address of a repository") from exc
    if not parts.host or parts.query:
        raise InvalidInputError(f"{url[:200]!r} is not an address of a repository")
    if parts.userinfo:
        raise InvalidInputError("an address must not hold a user name or password")

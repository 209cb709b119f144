"""Git repositories over HTTP on the loopback, served by dulwich or by Git itself."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from io import BytesIO
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.server import Backend, BackendRepo
from dulwich.web import make_wsgi_chain

from tests.standins.http import QuietHandler, http_server

FILE, LINK, SUBMODULE = 0o100644, 0o120000, 0o160000
FOLDER = 0o040000
HAS_GIT = shutil.which("git") is not None
TIME = 1767225600  # 2026-01-01

Content = bytes | tuple[int, bytes]  # of a file; or the mode of an entry, with its content or id
Answer = tuple[int, Mapping[str, str], bytes]


def new_repository(path: Path) -> Path:
    """A bare repository without commits, whose HEAD is `main`."""
    path.mkdir()
    with closing(Repo.init_bare(str(path))) as made:
        made.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/main"))
    (path / "git-daemon-export-ok").touch()
    return path


def commit(repository: Path, files: Mapping[str, Content], *, branch: str = "main") -> ObjectID:
    """Make `files` all that the branch holds."""
    with closing(Repo(str(repository))) as opened:
        made = Commit()
        made.tree = _tree(opened, {os.fsencode(path): content for path, content in files.items()})
        made.author = made.committer = b"A <a@docs.example>"
        made.author_time = made.commit_time = TIME
        made.author_timezone = made.commit_timezone = 0
        made.message = b"A change"
        ref = Ref(b"refs/heads/" + branch.encode())
        made.parents = [opened.refs[ref]] if ref in opened.refs else []
        opened.object_store.add_object(made)
        opened.refs[ref] = made.id
        return made.id


def tag(repository: Path, name: str, what: ObjectID) -> None:
    """An annotated tag."""
    with closing(Repo(str(repository))) as opened:
        made = Tag()
        made.name, made.message, made.tagger = name.encode(), b"A tag", b"A <a@docs.example>"
        made.tag_time, made.tag_timezone = TIME, 0
        made.object = (Commit, what)
        opened.object_store.add_object(made)
        opened.refs[Ref(b"refs/tags/" + name.encode())] = made.id


def _tree(repository: Repo, files: Mapping[bytes, Content]) -> ObjectID:
    tree = Tree()
    folders: dict[bytes, dict[bytes, Content]] = {}
    for path, content in files.items():
        name, slash, rest = path.partition(b"/")
        mode, data = content if isinstance(content, tuple) else (FILE, content)
        if slash:
            folders.setdefault(name, {})[rest] = content
        elif mode == SUBMODULE:
            tree.add(name, mode, ObjectID(data))
        else:
            blob = Blob.from_string(data)
            repository.object_store.add_object(blob)
            tree.add(name, mode, blob.id)
    for name, inside in folders.items():
        tree.add(name, FOLDER, _tree(repository, inside))
    repository.object_store.add_object(tree)
    return tree.id


@dataclass(slots=True)
class GitServer:
    """A server of repositories.

    Attributes:
        by_git: Whether Git itself answers.
        sent: Bytes of all its answers.
        calls: Host and path of what it was asked.
        redirects: Where paths that begin like this lead instead.
        authorization: The only header that is let in.
    """

    by_git: bool
    scheme: str
    port: int = 0
    sent: int = 0
    calls: list[str] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    authorization: str | None = None

    def url(self, path: str, *, host: str = "git.example") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving_git(root: Path, *, by_git: bool, context: ssl.SSLContext | None = None) -> Iterator[GitServer]:
    """Serves the repositories in `root`, by Git itself or by dulwich, over TLS if there is a context."""
    state = GitServer(by_git, scheme="http" if context is None else "https")
    opened = ExitStack()
    answer = _git(root) if by_git else _dulwich(root, opened)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.0"  # the answer ends with the connection

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            state.calls.append(self.headers["Host"].partition(":")[0] + parts.path)
            status, headers, body = self.answered()
            state.sent += len(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def answered(self) -> Answer:
            parts = urlsplit(self.path)
            for start, where in state.redirects.items():
                if parts.path.startswith(start):
                    return 302, {"Location": where + self.path.removeprefix(start)}, b""
            if state.authorization not in {None, self.headers["Authorization"]}:
                return 401, {"WWW-Authenticate": "Basic"}, b""
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            environment = {
                "REQUEST_METHOD": self.command,
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            return answer(environment, body)

    with http_server(Handler, context=context) as url:
        state.port = int(url.rpartition(":")[2])
        try:
            yield state
        finally:
            opened.close()


class _Repositories:
    """Dulwich's way to a repository by its path."""

    def __init__(self, root: Path, opened: ExitStack) -> None:
        self._root = root
        self._opened = opened

    def open_repository(self, path: str | bytes) -> BackendRepo:
        return cast(
            "BackendRepo", self._opened.enter_context(closing(Repo(f"{self._root}{os.fsdecode(path)}")))
        )


def _dulwich(root: Path, opened: ExitStack) -> Callable[[dict[str, str], bytes], Answer]:
    application = make_wsgi_chain(cast("Backend", _Repositories(root, opened)))

    def answer(environment: dict[str, str], body: bytes) -> Answer:
        written = BytesIO()
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., int]:
            said.append((status, headers))
            return written.write

        for piece in application({**environment, "wsgi.input": BytesIO(body)}, start):
            written.write(piece)
        status, headers = said[-1]
        return int(status.split()[0]), dict(headers), written.getvalue()

    return answer


def _git(root: Path) -> Callable[[dict[str, str], bytes], Answer]:
    settings = {"uploadpack.allowFilter": "true", "safe.directory": "*"}
    configured = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(root)}
    for number, (key, value) in enumerate(settings.items()):
        configured |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}

    def answer(environment: dict[str, str], body: bytes) -> Answer:
        run = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(root), **configured, **environment},
        )
        head, _, content = run.stdout.partition(b"\r\n\r\n")
        headers = dict(BytesHeaderParser().parsebytes(head).items())
        return int(headers.pop("Status", "200").split()[0]), headers, content

    return answer

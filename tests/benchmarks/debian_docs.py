"""300,000 chunks of English technical prose: the documentation that Debian 12 packages.

Packages are downloaded (1.0 GB, not installed), their HTML, Markdown, text, man, info and Mallard pages read,
and cut up by the product's own chunker without overlap. What is not prose goes: symbol indexes, tables,
listings, other languages, passages that a package repeats. `chunks.jsonl` holds one object a line, shuffled
by document with a fixed seed, a document's chunks together and in order, so that its first n lines are a
sample of the whole. It takes seven minutes on two cores and is kept; remove the folder to build it anew.
"""

import gzip
import html
import json
import os
import random
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath

from rag.chunking import chunk_document
from rag.documents import ParsedDocument
from rag.errors import GroundworkError
from rag.models.minilm import MiniLMEmbeddings
from rag.parse import FileType, parse, parse_text
from tests.benchmarks.data import ROOT

FOLDER = Path(os.environ.get("GROUNDWORK_BENCH_CACHE", ROOT / ".data" / "bench")) / "debian_docs"
PACKAGES = dict(
    package.split("=")
    for package in """
    ada-reference-manual-2012=1:2020.1commit85143dcb-4 ant-doc=1.10.13-1 apache2-doc=2.4.68-1~deb12u1
    autoconf-doc=2.71-3 automake=1:1.16.5-1.3 bacula-doc=9.6.7-2 bash-doc=5.2.15-2
    bind9-doc=1:9.18.49-1~deb12u1 binutils-doc=2.40-2 bird-doc=1.6.8-2.1 buildbot-doc=3.7.0-2
    cinder-doc=2:21.3.1-1~deb12u1 clang-15-doc=1:15.0.6-4 cmake-doc=3.25.1-1 coreutils=9.1-1
    courier-doc=1.0.16-3 cppreference-doc-en-html=20170409-2 crystal-doc=1.6.0+dfsg-3
    cvs=2:1.12.13+real-28+deb12u1 dar-docs=2.7.8-2 db5.3-doc=5.3.28+dfsg2-1 debian-handbook=11.20220922
    debian-policy=4.6.2.0 debian-reference-en=2.100 debmake-doc=1.17-7 developers-reference=12.18
    docker-doc=20.10.24+dfsg1-1+deb12u1 dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u6
    dpdk-doc=22.11.11-0+deb12u1 elpa-magit=3.3.0-2 erlang-doc=1:25.2.3+dfsg-1+deb12u4 exim4-doc-html=4.96-1
    ffmpeg-doc=7:5.1.9-0+deb12u1 findutils=4.9.0-4 fp-docs-3.2.2=3.2.2+dfsg-20 frr-doc=8.4.4-1.1~deb12u2
    ganeti-doc=3.0.2-3 gap-doc=4.12.1-2 gettext-doc=0.21-12 ghc-doc=9.0.2-4 gimp-help-en=2.10.34-2
    git-doc=1:2.39.5-0+deb12u3 glance-doc=2:25.1.0-2+deb12u3 gnome-devel-docs=40.3-1 gnome-user-docs=43.0-2
    gnupg=2.2.40-1.1+deb12u2 gnuplot-doc=5.4.4+dfsg1-2 gnutls-doc=3.7.9-2+deb12u7 gradle-doc=4.4.1-18
    grass-doc=8.2.1-1 groff=1.22.4-10 groonga-doc=13.0.0+dfsg-3~deb12u1 guile-3.0-doc=3.0.8-2
    haproxy-doc=2.6.12-1+deb12u3 heat-doc=1:19.0.0-3 icinga2-doc=2.13.6-2+deb12u2
    installation-guide-amd64=20230508+deb12u1 iproute2=6.1.0-3 ironic-doc=1:21.4.4-0+deb12u1
    keystone-doc=2:22.0.2-0+deb12u3 krb5-doc=1.20.1-2+deb12u5 lava-server-doc=2023.01-2 ledger=3.3.0-3
    libboost1.81-doc=1.81.0-5+deb12u1 libcurl4-doc=7.88.1-10+deb12u15 libglib2.0-doc=2.74.6-2+deb12u9
    libgtk-4-doc=4.8.3+ds-2+deb12u1 libreoffice-help-en-us=4:7.4.7-1+deb12u14 libssl-doc=3.0.20-1~deb12u2
    libstdc++-12-doc=12.2.0-14+deb12u1 libvirt-doc=9.0.0-4+deb12u2 libxml2-doc=2.9.14+dfsg-1.3~deb12u6
    lilypond-doc-html=2.24.1-2 linux-doc-6.1=6.1.176-1 llvm-15-doc=1:15.0.6-4 lvm2=2.03.16-2
    manpages-dev=6.03-2 manpages=6.03-2 maxima-doc=5.46.0-11 mercurial-common=6.3.2-1+deb12u1
    mutt=2.2.12-0.1~deb12u1 ncurses-doc=6.4-4 netcdf-doc=1:4.9.0-3 neutron-doc=2:21.0.0-7
    nfs-ganesha-doc=4.3-2 nodejs-doc=18.20.4+dfsg-1~deb12u2 nova-doc=2:26.2.2-1~deb12u4 ns3-doc=3.37-2
    numba-doc=0.56.4+dfsg-2 octave-doc=7.3.0-2 octavia-doc=11.0.0-2 openafs-doc=1.8.9-1+deb12u1
    openmpi-doc=4.1.4-3 openvswitch-doc=3.1.0-2+deb12u1 perl-doc=5.36.0-7+deb12u3
    petsc3.18-doc=3.18.5+dfsg1-1 podman=4.3.1+ds1-8+deb12u1+b3 postfix-doc=3.7.11-0+deb12u1
    postgresql-doc-15=15.18-0+deb12u1 privoxy=3.0.34-1 pylint-doc=2.16.2-2 python-ase-doc=3.22.1-3+deb12u1
    python-astropy-doc=5.2.1-2+deb12u1 python-asyncssh-doc=2.10.1-2+deb12u2 python-biopython-doc=1.80+dfsg-4
    python-brian-doc=2.5.1-3 python-celery-doc=5.2.6-5 python-click-doc=8.1.3-2
    python-cryptography-doc=38.0.4-3+deb12u1 python-dask-doc=2022.12.1+dfsg-2
    python-django-doc=3:3.2.25-0+deb12u3 python-djangorestframework-doc=3.14.0-2+deb12u1
    python-ezdxf-doc=0.18.1-1 python-flask-doc=2.2.2-3 python-hypothesis-doc=6.67.1-1
    python-ipython-doc=8.5.0-4 python-jinja2-doc=3.1.2-1+deb12u3 python-lxml-doc=4.9.2-1
    python-mdanalysis-doc=2.4.2+dfsg1-1 python-nipype-doc=1.8.5-3 python-oracledb-doc=1.2.1-3
    python-pandas-doc=1.5.3+dfsg-2 python-peewee-doc=3.14.10+dfsg-1 python-pil-doc=9.4.0-1.1+deb12u1
    python-psycopg2-doc=2.9.5-1 python-pygame-doc=2.1.2+dfsg-5
    python-pymatgen-doc=2022.11.7+dfsg1-11+deb12u2 python-pytest-doc=7.2.1-2 python-scipy-doc=1.10.1-2
    python-scrapy-doc=2.8.0-2 python-setuptools-doc=66.1.1-1+deb12u2 python-sqlalchemy-doc=1.4.46+ds1-1
    python-statsmodels-doc=0.13.5+dfsg-7 python-sympy-doc=1.11.1-1 python-tables-doc=3.7.0-5
    python-tornado-doc=6.2.0-3+deb12u4 python-werkzeug-doc=2.2.2-3+deb12u1 python-xarray-doc=2023.01.0-1.1
    python3.11-doc=3.11.2-6+deb12u8 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
    qtbase5-doc-html=5.15.8+dfsg-11+deb12u3 qtdeclarative5-doc-html=5.15.8+dfsg-3
    r-doc-html=4.2.2.20221110-2 racket-doc=8.7+dfsg1-1 renpy-doc=8.0.3+dfsg-1 rrdtool=1.7.2-4+b8
    rsyslog-doc=8.2302.0+dfsg-1 rust-doc=1.63.0+dfsg1-2 sbcl-doc=2:2.2.9-1 scons-doc=4.4.0+dfsg-1
    shorewall-doc=5.2.8-2 slurm-wlm-doc=22.05.8-4+deb12u3 spamassassin=4.0.1-1~deb12u1 sphinx-doc=5.3.0-4
    sqlite3-doc=3.40.1-2+deb12u2 sudo=1.9.13p3-1+deb12u4 swi-prolog-doc=9.0.4+dfsg-2
    swift-doc=2.30.1-0+deb12u1 systemd=252.39-1~deb12u2 tcl8.6-doc=8.6.13+dfsg-2 tk8.6-doc=8.6.13-2
    tomcat10-docs=10.1.55-1~deb12u1 twisted-doc=22.4.0-4+deb12u1 valgrind=1:3.19.0-1
    varnish-doc=7.1.1-2+deb12u1 vim-runtime=2:9.0.1378-2+deb12u2 weka-doc=3.6.14-3
    wireshark-doc=4.0.17-0+deb12u3 wx3.2-doc=3.2.2+dfsg-2 xen-doc=4.17.5+72-g01140da4e8-1 zsh-doc=5.9-4
    """.split()  # noqa: SIM905 - one a line would be two hundred lines
)

SEED = 12
CHUNK_TOKENS = 220
PACKAGE_SHARE = 0.15  # of all chunks that one package may have
MAX_BYTES = 3_000_000  # a larger file is a data set or a whole manual that is there page by page too
MIN_CHARACTERS = 400  # of a document: a shorter one is a stub
PAGES_ENOUGH = 60  # HTML pages in a package from which its other formats say the same again
BOILERPLATE = 5  # documents that share a paragraph from which it is a footer or a notice
REPEATED_SHARE = 0.5  # of a document that others of its package hold already: a chapter or a book of pages

_SKIPPED = re.compile(
    r"_sources/|_modules/|_static/|_images/|javadoc/|class-use/|/src/|/examples?/|/contributors|"
    r"genindex|py-modindex|/search\.|searchresults|index-all|allclasses|allpackages|package-|overview-|"
    r"doc-index|all\.html|annotated|hierarchy|inherits|-members|functions_|globals|namespace|_8h|_8c|"
    r"struct_|/struct\.|/trait\.|/enum\.|/fn\.|/macro\.|/type\.|/constant\.|class[A-Z_]|dir_|group__|"
    r"_source\.html|graph_legend|changelog|copyright|news\.|authors|license|copying|credits|readme\.debian|"
    r"bibliography|glossary-index|/toc\.|_toc\.|print\.html",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:^|[/.])([a-z]{2,3})(?:[-_][A-Za-z]{2,4})?(?:@[a-z]+)?(?=[/.])")
_FOREIGN = frozenset(
    "af am ar as ast be bg bn bs ca cs cy da de dz el eo es et eu fa fi fo fr ga gl gu he hi hr hu ia id "  # noqa: SIM905
    "is it ja ka kk km kn ko ku ky lo lt lv mai mk ml mn mr ms my nb nds ne nl nn no nso oc om or pa pl ps "
    "pt ro ru rw si sk sl sq sr sv ta te tg th tr ug uk ur uz vi wa xh zh zu".split()
)
_KINDS = ("html", "md", "rst", "pod", "xml", "info", "man")  # the most readable first
_MAN = re.compile(r"usr/share/man/man\d/")
_STOPWORDS = frozenset(
    "the of and to a in is that for be as are with on or this it by can not from if an you will which have "  # noqa: SIM905
    "at but when has was may no all one other we your so do use then there these they must any into".split()
)
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_MAN_GLYPHS = {
    "aq": "'",
    "bu": "-",
    "em": "—",
    "en": "–",
    "lq": "“",
    "rq": "”",
    "oq": "‘",
    "cq": "’",
    "dq": '"',
}
_MAN_BREAKS = frozenset("PP P LP TP IP Pp HP It RS RE sp nf fi Bd Ed EX EE Bl El TQ".split())  # noqa: SIM905
_MAN_HEADINGS = frozenset({"SH", "SS", "Sh", "Ss"})
_MAN_JOINED = frozenset({"BR", "IR", "RB", "RI", "BI", "IB"})
_MAN_WORDS = frozenset("B I SM SB Nm Fl Ar Xr Pa Cm Nd Dv Ev Dq Sq Em Sy Va Fn Ql Er Li Vt No".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class DebianChunk:
    """A passage of about `CHUNK_TOKENS` tokens; `path` is its file's inside the package."""

    package: str
    path: str
    title: str
    text: str


def load_chunks(limit: int) -> list[DebianChunk]:
    """The first `limit` chunks, or all if there are fewer; built on first use."""
    file = FOLDER / "chunks.jsonl"
    if not file.exists():
        build(file)
    with file.open(encoding="utf-8") as lines:
        return [DebianChunk(**json.loads(line)) for line in islice(lines, limit)]


def build(file: Path) -> None:
    """Download, read and cut up every package, and write the chunks to `file`."""
    debs = download(FOLDER / "packages")
    (FOLDER / "parts").mkdir(exist_ok=True)
    debs.sort(key=lambda deb: -deb.stat().st_size)  # the long ones first, so that both processes end together
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(_write_part, debs))
    written = file.with_suffix(".tmp")
    with written.open("w", encoding="utf-8") as out:
        for chunk in shuffled([chunk for part in sorted(parts) for chunk in _read_part(part)]):
            out.write(json.dumps(asdict(chunk), ensure_ascii=False) + "\n")
    written.rename(file)


def download(folder: Path) -> list[Path]:
    """The .deb files of `PACKAGES` in `folder`, fetched if they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = {name: version for name, version in PACKAGES.items() if not _deb(folder, name, version)}
    if missing and not _fetch(folder, [f"{name}={version}" for name, version in missing.items()]):
        for name, version in missing.items():
            _fetch_any(folder, name, version)
    found = [_deb(folder, name, version) or _deb(folder, name, "*") for name, version in PACKAGES.items()]
    return [deb for deb in found if deb]


def _fetch(folder: Path, packages: Sequence[str]) -> bool:
    command = ["apt-get", "download", "--quiet", "-o", "APT::Sandbox::User=root", *packages]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0


def _fetch_any(folder: Path, name: str, version: str) -> None:
    """The pinned version, else the one that apt offers, said aloud: the corpus is then another one."""
    if _deb(folder, name, version) or _fetch(folder, [f"{name}={version}"]):
        return
    policy = subprocess.run(["apt-cache", "policy", name], check=True, capture_output=True, text=True).stdout
    candidate = re.search(r"Candidate: (\S+)", policy)
    if candidate is None or not _fetch(folder, [f"{name}={candidate[1]}"]):
        raise RuntimeError(f"{name} {version} can't be downloaded; apt offers {candidate and candidate[1]}")
    print(f"{name} {version} is gone; took {candidate[1]}, so the corpus differs from the pinned one")


def _deb(folder: Path, name: str, version: str) -> Path | None:
    return next(folder.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"), None)


def shuffled(chunks: Sequence[DebianChunk]) -> Iterator[DebianChunk]:
    """The chunks by document in a random order, each text once, no package with more than its share."""
    documents: dict[tuple[str, str], list[DebianChunk]] = {}
    for chunk in chunks:
        documents.setdefault((chunk.package, chunk.path), []).append(chunk)
    order = sorted(documents)
    random.Random(SEED).shuffle(order)  # noqa: S311 - a sample, not a secret
    room = Counter({package: int(PACKAGE_SHARE * len(chunks)) for package, _ in order})
    seen: set[str] = set()
    for key in order:
        for chunk in documents[key]:
            if chunk.text not in seen and room[chunk.package] > 0:
                seen.add(chunk.text)
                room[chunk.package] -= 1
                yield chunk


def _read_part(part: Path) -> list[DebianChunk]:
    with part.open(encoding="utf-8") as lines:
        return [DebianChunk(**json.loads(line)) for line in lines]


def _write_part(deb: Path) -> Path:
    """The chunks of one package, kept in a file of their own."""
    part = FOLDER / "parts" / f"{deb.stem}.jsonl"
    if not part.exists():
        written = part.with_suffix(".tmp")
        with written.open("w", encoding="utf-8") as out:
            for chunk in chunks_of_package(deb):
                out.write(json.dumps(asdict(chunk), ensure_ascii=False) + "\n")
        written.rename(part)
    return part


def chunks_of_package(deb: Path) -> Iterator[DebianChunk]:
    package = deb.name.partition("_")[0]
    for path, title, text in _without_repetition(list(_documents(deb))):
        document = parse_text(text)
        for chunk in chunk_document(
            document, tokenizer=_tokenizer(), target_tokens=CHUNK_TOKENS, overlap_tokens=0
        ):
            if is_prose(chunk.text):
                yield DebianChunk(package, path, title, chunk.text)


def is_prose(text: str) -> bool:
    """Whether a passage is English running text rather than a listing, a table or another language."""
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    visible = len("".join(text.split()))
    stopwords = sum(word.lower() in _STOPWORDS for word in words)
    return len(words) >= 40 and letters > 0.72 * visible and stopwords > 0.24 * len(words) < letters


@cache
def _tokenizer() -> MiniLMEmbeddings:
    return MiniLMEmbeddings.load(threads=1)


def _without_repetition(
    documents: Sequence[tuple[str, ParsedDocument]],
) -> Iterator[tuple[str, str, str]]:
    """Path, title and text of each document, shortest first, less boilerplate and what was there before."""
    counts = Counter(part for _, document in documents for part in set(document.text.split("\n\n")))
    seen: set[str] = set()
    for path, document in sorted(documents, key=lambda item: (len(item[1].text), item[0])):
        own = [part for part in document.text.split("\n\n") if counts[part] < BOILERPLATE]
        fresh = sum(len(part) for part in own if part not in seen)
        seen.update(own)
        text = "\n\n".join(own)
        if len(text) >= MIN_CHARACTERS and fresh > REPEATED_SHARE * len(text):
            yield path, document.title or _stem(path), text


def _stem(path: str) -> str:
    return PurePosixPath(path).name.partition(".")[0]


def _documents(deb: Path) -> Iterator[tuple[str, ParsedDocument]]:
    """What a package's files say, each read from its most readable format."""
    files = list(_files(deb))
    pages = [(path, data) for path, data in files if _kind(path) == "html"]
    if len(pages) >= PAGES_ENOUGH:
        files = pages
    best: dict[str, int] = {}
    for path, _ in files:
        best[_stem(path)] = min(best.get(_stem(path), len(_KINDS)), _KINDS.index(_kind(path)))
    for path, data in files:
        if _KINDS.index(_kind(path)) == best[_stem(path)]:
            with suppress(GroundworkError):  # it holds no text
                yield path, _parsed(path, data)


def _files(deb: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each documentation file of a package, decompressed."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            path = member.name.removeprefix("./")
            content = archive.extractfile(member) if _is_wanted(path, member) else None
            data = _decompressed(path, content.read()) if content else b""
            if 0 < len(data) <= MAX_BYTES:
                yield path.removesuffix(".gz"), data


def _decompressed(path: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data) if path.endswith(".gz") else data
    except gzip.BadGzipFile:
        return b""


def _is_wanted(path: str, member: tarfile.TarInfo) -> bool:
    if not member.isfile() or member.size > MAX_BYTES or not _kind(path.removesuffix(".gz")):
        return False
    return not _SKIPPED.search(path) and _FOREIGN.isdisjoint(_LANGUAGE.findall(path))


def _kind(path: str) -> str:
    """What `_parsed` makes of a file; empty for one that it does not read."""
    suffix = path.rpartition(".")[2].lower()
    if _MAN.match(path):
        return "man"
    if "/info/" in path:
        return "info"
    known = {"htm": "html", "xhtml": "html", "page": "xml", "docbook": "xml", "txt": "rst", "text": "rst"}
    return known.get(suffix, suffix if suffix in {"html", "md", "rst", "pod"} else "")


def _parsed(path: str, data: bytes) -> ParsedDocument:
    kind = _kind(path)
    if kind in {"html", "md"}:
        return parse(data, filename=None, mime_type=FileType.HTML if kind == "html" else FileType.MARKDOWN)
    raw = data.decode("utf-8", "replace").replace("\0", "")
    text = {"man": _man, "xml": _xml, "pod": _pod, "info": _info, "rst": _rst}[kind](raw)
    return parse_text(re.sub(r"\n\s*\n", "\n\n", text))


def _xml(text: str) -> str:
    """Mallard and DocBook."""
    text = re.sub(r"<!--.*?-->|<info>.*?</info>|<\?.*?\?>|<!DOCTYPE.*?>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"</?(?:p|para|title|item|section|list|steps|note|listitem|screen)\b[^>]*>", "\n\n", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def _rst(text: str) -> str:
    text = re.sub(r"^\.\. .*\n(?:[ \t]+:\w[^\n]*\n)*", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?::[\w:+-]+:)?`([^`<]*?)\s*(?:<[^>]*>)?`_{0,2}", r"\1", text).replace("``", "")
    text = re.sub(r"^([=\-~^\"'#*+.`_:])\1{3,}\s*$", "", text, flags=re.MULTILINE)
    return _unwrapped(text)


def _pod(text: str) -> str:
    text = re.sub(r"^=(?:encoding|for|begin|end|over|back|cut|pod)\b.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^=(?:head\d|item)\s*", "", text, flags=re.MULTILINE)
    for _ in range(3):  # codes nest
        text = re.sub(r"[BICLEFSXZ]<<?\s?([^<>]*?)\s?>?>", r"\1", text)
    return _unwrapped(text)


def _info(text: str) -> str:
    text = re.sub(r"^\x1f\n.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^File: .*$|^\* .*::.*$|^\* Menu:.*$|^[*=\-.]{3,}$", "", text, flags=re.MULTILINE)
    return _unwrapped(text.replace("\x1f", ""))


def _unwrapped(text: str) -> str:
    """Without line breaks inside paragraphs; indented listings keep theirs."""
    return re.sub(r"(?<=\S)\n(?=[A-Za-z(\"'`])", " ", text)


def _man(text: str) -> str:
    """The text of a page in the macros of man or mdoc, roughly as it reads."""
    text = re.sub(r"\\f(?:\[[^]]*\]|\(..|.)|\\[&|^%/:]|\\s[-+]?\d|\\\*(?:\(..|.)|\\\".*", "", text)
    text = re.sub(r"\\\((..)", lambda match: _MAN_GLYPHS.get(match[1], ""), text)
    text = text.replace(r"\-", "-").replace("\\ ", " ").replace(r"\~", " ").replace(r"\e", "\\")
    return "".join(map(_man_line, text.split("\n"))).replace("\n\n ", "\n\n")


def _man_line(line: str) -> str:
    if not line.startswith((".", "'")):
        start = "\n" if line.startswith((" ", "\t")) else " "
        return f"{start}{line}" if line.strip() else "\n\n"
    macro, _, rest = line[1:].strip().partition(" ")
    rest = re.sub(r"\s+\d+$", "", rest.replace('"', "").strip())  # .IP ends with an indentation
    if macro in _MAN_HEADINGS:
        return f"\n\n{rest}\n\n"
    if macro in _MAN_BREAKS:
        return f"\n\n{rest}\n" if macro in {"IP", "It"} and rest else "\n\n"
    if macro in _MAN_JOINED:
        return f" {rest.replace(' ', '')}"
    return f" {rest}" if macro in _MAN_WORDS else ""

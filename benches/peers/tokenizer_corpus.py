"""Text to tokenize, made from what is on the machine and from documentation packages of Debian, in seven kinds.

    python benches/peers/tokenizer_corpus.py                  # builds it, and says what is in it

English prose, program text, JSON, CJK, Cyrillic, Arabic and the rest of Europe: real text, in documents of at most 32 KiB, the
same ones in the same order on every run of a machine. It is kept beside the downloads, in a folder outside the repository
(`INFERAIL_BENCH_CACHE`); nothing of it is ours to publish. Where there is no `apt-get`, only code and JSON are left.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

CACHE = Path(os.environ.get("INFERAIL_BENCH_CACHE", Path.home() / ".cache" / "inferail" / "benches"))
DOCUMENT_BYTES = 32 * 1024
LEAST_PARAGRAPH = 40
FORMAT = 2  # a corpus that another version of this program has made is made again
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Pages:
    """Files of a Debian package.

    Attributes:
        package: Its name.
        inside: A regular expression that their paths match.
    """

    package: str
    inside: str = r"\.(html|txt\.gz|[1-8]\.gz)$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of text.

    Attributes:
        most: Megabytes to take at most.
        pages: Where it is.
        foreign: The share of letters beyond ASCII that a paragraph needs: translations are only half done.
    """

    most: float
    pages: tuple[Pages, ...] = ()
    foreign: float = 0.0


def _handbook(language: str) -> Pages:
    return Pages("debian-handbook", rf"/{language}/[^/]*\.html$")


def _guide(language: str) -> Pages:
    return Pages("installation-guide-amd64", rf"/{language}/[^/]*\.html$")


KINDS = {
    "english": Kind(
        9.0,
        (
            Pages("python3.11-doc", r"/html/(library|howto|tutorial|faq|reference|whatsnew)/[^/]*\.html$"),
            Pages("debian-reference-en"),
            _handbook("en-US"),
            _guide("en"),
        ),
    ),
    "code": Kind(7.0),
    "json": Kind(2.5),
    "cjk": Kind(
        5.0,
        (
            Pages("manpages-zh", r"/zh_CN/.*\.gz$"),
            Pages("manpages-ja"),
            Pages("debian-reference-ja"),
            Pages("debian-reference-zh-cn"),
            _handbook("(ja-JP|zh-CN|zh-TW|ko-KR)"),
            _guide("(ko|ja|zh_CN)"),
        ),
        0.25,
    ),
    "cyrillic": Kind(
        3.0, (Pages("manpages-ru"), Pages("developers-reference-ru"), _handbook("ru-RU"), _guide("ru")), 0.4
    ),
    "arabic": Kind(2.0, (_handbook("(ar-MA|fa-IR)"),), 0.3),
    "european": Kind(
        4.0,
        (
            Pages("debian-reference-fr"),
            _handbook("(de-DE|es-ES|pl-PL|el-GR|tr-TR|vi-VN|cs-CZ)"),
            _guide("(de|es|el|vi|cs|pt|it)"),
        ),
        0.02,
    ),
}


class _Text(HTMLParser):
    """The text of a page, a line per block."""

    _SILENT = frozenset({"script", "style", "head"})
    _BLOCKS = frozenset({"p", "div", "li", "tr", "pre", "h1", "h2", "h3", "h4", "dt", "dd", "section", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._silent += tag in self._SILENT
        if tag in self._BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT
        if tag in self._BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._silent <= 0:
            self.pieces.append(data)


def _plain(name: str, content: bytes) -> str:
    if name.endswith(".gz"):
        content, name = gzip.decompress(content), name.removesuffix(".gz")
    text = content.decode("utf-8", errors="ignore")
    if name.endswith(".html"):
        page = _Text()
        page.feed(text)
        return "".join(page.pieces)
    if re.search(r"\.[1-8]$", name):
        # The requests of a manual page, and its changes of font.
        text = re.sub(r"^[.'](\\\"|[A-Za-z]{1,2}\b ?)?", "", text, flags=re.MULTILINE)
        return re.sub(r"\\(f[A-Z]|f\([A-Z]{2}|[&|])", "", text)
    return text


def _package(name: str) -> Path | None:
    """The `.deb` of a package, downloaded once; None where that is not possible."""
    folder = CACHE / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        subprocess.run(["apt-get", "-qq", "download", name], cwd=folder, capture_output=True, check=False)
        found = sorted(folder.glob(f"{name}_*.deb"))
    return found[-1] if found else None


def _pages(pages: Pages) -> Iterator[str]:
    package = _package(pages.package)
    if package is None:
        sys.stderr.write(f"tokenizer corpus: the Debian package {pages.package} is not to be had here\n")
        return
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and re.search(pages.inside, member.name):
                    yield _plain(member.name, content.read())


def _foreign(paragraph: str) -> float:
    letters = [character for character in paragraph if character.isalpha()]
    return sum(character > "\x7f" for character in letters) / max(len(letters), 1)


def _paragraphs(texts: Iterable[str], foreign: float) -> Iterator[str]:
    """What is worth keeping: no paragraph twice (navigation is on every page), and none in another language."""
    seen: set[bytes] = set()
    for text in texts:
        for paragraph in re.split(r"\n\s*\n", text):
            stripped = paragraph.strip()
            key = hashlib.blake2b(stripped.encode(), digest_size=8).digest()
            if len(stripped) < LEAST_PARAGRAPH * (0.4 if foreign else 1) or key in seen:
                continue
            if _foreign(stripped) >= foreign:
                seen.add(key)
                yield stripped


def _documents(paragraphs: Iterable[str], most: float) -> list[str]:
    """Paragraphs put together to documents, `most` megabytes of them."""
    documents: list[str] = []
    pending: list[str] = []
    size = total = 0
    for paragraph in paragraphs:
        pending.append(paragraph)
        size += len(paragraph.encode()) + 2
        if size >= DOCUMENT_BYTES:
            documents.append("\n\n".join(pending))
            total, size, pending = total + size, 0, []
            if total >= most * _MEGABYTE:
                return documents
    return [*documents, "\n\n".join(pending)] if pending else documents


def _files(folders: Iterable[Path], ending: str) -> Iterator[str]:
    for folder in folders:
        for path in sorted(folder.rglob(f"*{ending}")):
            if path.is_file() and 500 < path.stat().st_size < 2 * _MEGABYTE:
                try:
                    yield path.read_text(encoding="utf-8")
                except (UnicodeDecodeError, OSError):
                    continue


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """Files cut at line ends into what makes a document, so that a long one does not stand for its whole kind."""
    for text in texts:
        piece = text[: 2 * DOCUMENT_BYTES]
        yield piece.rpartition("\n")[0] or piece


def _code(most: float) -> list[str]:
    library, purelib = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    repository = Path(__file__).resolve().parents[2]
    sources = [
        (([library], ".py"), 0.5),
        (([Path("/usr/include"), Path(sysconfig.get_path("include"))], ".h"), 0.25),
        (([repository / "rust"], ".rs"), 0.15),
        (([purelib], ".py"), 0.1),
    ]
    found: list[str] = []
    for (folders, ending), share in sources:
        found += _documents(_pieces(_files(folders, ending)), most * share)
    return found


def _json(most: float) -> list[str]:
    """Real JSON files, and records that look like logs and tool calls."""
    folders = [Path(sysconfig.get_path("purelib")), Path("/usr/share"), Path("/usr/lib/node_modules")]
    found = _documents(_pieces(islice(_files(folders, ".json"), 400)), most / 2)
    records = (json.dumps(_record(number), indent=None if number % 3 else 2) for number in range(100_000))
    return found + _documents(records, most / 2)


def _record(number: int) -> dict[str, object]:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "id": f"call_{digest[:24]}",
        "type": "function",
        "created": 1_700_000_000 + number * 37,
        "function": {
            "name": f"search_{number % 17}",
            "arguments": json.dumps({"query": digest[:9], "limit": number % 50}),
        },
        "usage": {
            "prompt_tokens": number % 8191,
            "completion_tokens": number % 977,
            "cost_usd": round(number / 7e5, 6),
        },
        "done": number % 2 == 0,
    }


def _made(name: str, kind: Kind) -> list[str]:
    if name == "code":
        return _code(kind.most)
    if name == "json":
        return _json(kind.most)
    share = kind.most / max(len(kind.pages), 1) * 1.6  # some are short
    documents = [_documents(_paragraphs(_pages(pages), kind.foreign), share) for pages in kind.pages]
    # A bit of each in turn, so that a corpus that is cut short has something of everything.
    most = max(map(len, documents), default=0)
    turns = (document for turn in range(most) for made in documents for document in made[turn : turn + 1])
    chosen: list[str] = []
    total = 0
    for document in turns:
        if total >= kind.most * _MEGABYTE:
            break
        chosen.append(document)
        total += len(document.encode())
    return chosen


def corpus() -> dict[str, list[str]]:
    """The documents of every kind; made once, then read from the cache."""
    path = CACHE / f"corpus-{FORMAT}.json"
    if path.exists():
        found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = {name: _made(name, kind) for name, kind in KINDS.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(path)
    return made


def size(documents: Iterable[str]) -> int:
    """How many bytes of UTF-8 the documents have."""
    return sum(len(document.encode()) for document in documents)


def main() -> None:
    """Builds the corpus, and says what is in it."""
    for name, documents in corpus().items():
        print(f"{name:10} {len(documents):5} documents {size(documents) / _MEGABYTE:6.2f} MB")


if __name__ == "__main__":
    main()

"""Files as documents: text, Markdown, HTML and PDF."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.rag.documents import Document
from inferail.pipelines.rag.html import markdown_of

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["load", "load_folder", "load_html", "load_pdf", "load_text"]

_TEXT = frozenset({".txt", ".text", ".md", ".markdown", ".rst", ".log"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
_KINDS = _TEXT | _HTML | {".pdf"}


def load(path: str | os.PathLike[str], *, id: str = "", metadata: Mapping[str, Any] | None = None) -> Document:  # noqa: A002 - the word of Document
    """The document in a file, by the ending of its name.

    Args:
        path: The file: `.txt`, `.md`, `.rst`, `.html` or `.pdf`.
        id: The document's; the path as it is given by default.
        metadata: The document's; `source`, the path, is added where it is not set.

    Raises:
        ConfigError: Another ending, or the package that reads it is missing.
        FormatError: The file is not what its ending says, or has no text: `.path` names it.
        OSError: It cannot be read.
    """
    place = Path(path)
    ending = place.suffix.lower()
    if ending in _TEXT:
        text, title = load_text(place), ""
    elif ending in _HTML:
        text, title = load_html(place)
    elif ending == ".pdf":
        text, title = load_pdf(place)
    else:
        raise ConfigError(
            f"{place.name}: there is a loader for {', '.join(sorted(_KINDS))}; read it and make a Document"
        )
    given = {"source": str(path), **(metadata or {})}
    return Document(text, id=id or str(path), title=title or place.name, metadata=given)


def load_folder(folder: str | os.PathLike[str], *, endings: Iterable[str] | None = None) -> Iterator[Document]:
    """The documents in a folder and the folders in it, in the order of their names; ids are paths in `folder`.

    Args:
        folder: Where they are. Links to folders are not followed.
        endings: Which files, such as `[".md"]`; by default all that there is a loader for.

    Raises:
        ConfigError: It is no folder.
        FormatError: As `load`, when the file's turn comes.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"{folder} is no folder")
    wanted = frozenset(endings) if endings is not None else _KINDS
    return (
        load(path, id=path.relative_to(root).as_posix())
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in wanted and path.is_file()
    )


def load_text(path: str | os.PathLike[str]) -> str:
    """The text of a file of UTF-8, or of UTF-16 with a byte order mark.

    Raises:
        FormatError: It is no text.
    """
    read = Path(path).read_bytes()
    encoding = "utf-16" if read[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = read.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path} is no UTF-8 text: read it with its own encoding and make a Document",
            path=str(path),
            offset=error.start,
        ) from None
    if "\0" in text:
        raise FormatError(f"{path} is no text: it has null characters", path=str(path), offset=text.index("\0"))
    return text


def load_html(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The text of a page as Markdown, and its title.

    Raises:
        FormatError: It is no text, or shows none.
    """
    text, title = markdown_of(load_text(path))
    if not text.strip():
        raise FormatError(f"{path} shows no text: a page that scripts fill has to be rendered first", path=str(path))
    return text, title


def load_pdf(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The text of a PDF, pages parted by blank lines, and its title. Needs the extra `pdf`.

    Raises:
        ConfigError: pypdf is not installed.
        FormatError: The file is damaged, encrypted, or has pictures of pages and no text.
    """
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError:
        raise ConfigError("a PDF is read by pypdf: python -m pip install 'inferail[pdf]'") from None
    try:
        with Path(path).open("rb") as file:
            reader = pypdf.PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise FormatError(f"{path} is encrypted: save it without a password first", path=str(path))
            pages = [page.extract_text() for page in reader.pages]
            title = _title(reader)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is no sound PDF", path=str(path)) from None
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    if not text:
        raise FormatError(
            f"{path} has {len(pages)} pages and no text: it is a picture, and needs OCR first", path=str(path)
        )
    return text + "\n", title


def _title(reader: PdfReader) -> str:
    described = reader.metadata
    title = described.title if described is not None else None
    return title.strip() if isinstance(title, str) else ""

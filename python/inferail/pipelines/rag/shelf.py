"""Documents and their chunks, in memory and, with a path, in a SQLite file beside the vectors.

Every change is written in three steps, so that an end at any moment leaves a corpus that is whole:

1. the keys that are about to be used are noted in the file,
2. the vectors are written under them,
3. in one transaction the documents and chunks are written, the old ones removed, and the note is cleared.

Whoever opens the folder next removes the vectors of keys that were noted and belong to no chunk.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from inferail.core import BM25, VectorIndex
from inferail.errors import ConfigError, FormatError
from inferail.pipelines.rag.documents import as_json

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

    from inferail.store.file import SQLiteFile

__all__ = ["Kept", "Part", "Shelf"]

_APPLICATION = 0x49525247  # "IRRG", in the header of the file
_VERSION = 1
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, namespace TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, metadata TEXT NOT NULL,
    hash TEXT NOT NULL, UNIQUE (namespace, id));
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE, number INTEGER NOT NULL,
    begin INTEGER NOT NULL, end INTEGER NOT NULL, headings TEXT NOT NULL, text TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX chunks_by_document ON chunks (document);
CREATE TABLE noted (namespace TEXT NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (namespace, key)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk without its key."""

    text: str = field(repr=False)
    begin: int
    end: int
    headings: tuple[str, ...] = field(default=(), repr=False)

    @property
    def searched(self) -> str:
        """What is embedded and searched for words: the headings, then the text."""
        above = " > ".join(self.headings)
        return f"{above}\n\n{self.text.strip()}" if above else self.text.strip()


@dataclass(slots=True)
class Kept:
    """A document of the shelf and the keys of its chunks, in their order."""

    id: str
    title: str = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)
    hash: str
    keys: list[int] = field(default_factory=list[int], repr=False)


@dataclass(slots=True)
class _Room:
    """A namespace."""

    documents: dict[str, Kept] = field(default_factory=dict[str, Kept])
    words: BM25 = field(default_factory=BM25)


class Shelf:
    """What a corpus keeps. Its methods do not suspend; `lock` is held around each change and each search."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        """Opens or makes the folder.

        Raises:
            FormatError: A file of it is damaged, or of something else; `.path` names it.
            ConfigError: It cannot be opened, or another process has it.
        """
        self.lock = threading.RLock()
        self.rooms: dict[str, _Room] = {}
        self.chunks: dict[int, tuple[Kept, int, Part]] = {}
        self.vectors: VectorIndex | None = None
        self._path = None if path is None else Path(path)
        self._file: SQLiteFile | None = None
        self._next = 1
        self._closed = False
        self.settings: dict[str, str] = {}
        if self._path is not None:
            self._open(self._path)

    def __len__(self) -> int:
        return len(self.chunks)

    def _open(self, path: Path) -> None:
        from inferail.store.file import SQLiteFile

        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{path} cannot be made a folder: {error.strerror}") from None
        self._file = SQLiteFile(
            path / "corpus.sqlite", what="corpus", application=_APPLICATION, version=_VERSION, schema=_SCHEMA
        )
        try:
            self._read(path, self._file)
        except BaseException:
            self.close()
            raise

    def _read(self, path: Path, file: SQLiteFile) -> None:
        with file.lock, file.reading() as connection:
            self.settings = dict(connection.execute("SELECT name, value FROM settings"))
            kept = self._read_documents(connection)
            texts: dict[str, tuple[list[int], list[str]]] = {}
            rows = connection.execute(
                "SELECT key, document, number, begin, end, headings, text, sum FROM chunks ORDER BY document, number"
            )
            for key, document, number, begin, end, headings, text, sum_ in rows:
                if document not in kept or crc32(f"{headings}\0{text}".encode("utf-8", "surrogatepass")) != sum_:
                    raise self._damaged("a chunk is not what was written")
                namespace, owner = kept[document]
                part = Part(text, begin, end, tuple(json.loads(headings)))
                self.chunks[key] = (owner, number, part)
                owner.keys.append(key)
                keys, searched = texts.setdefault(namespace, ([], []))
                keys.append(key)
                searched.append(part.searched)
            noted = connection.execute("SELECT namespace, key FROM noted").fetchall()
        for namespace, (keys, searched) in texts.items():
            self.rooms[namespace].words.add(keys, searched)
        self._next = 1 + max([*self.chunks, *(key for _, key in noted)], default=0)
        if "dimensions" in self.settings:
            self.vectors = self._vectors(path, int(self.settings["dimensions"]))
        self._tidy(noted)
        self._check_vectors(texts)

    def _read_documents(self, connection: sqlite3.Connection) -> dict[int, tuple[str, Kept]]:
        kept: dict[int, tuple[str, Kept]] = {}
        rows = connection.execute("SELECT number, namespace, id, title, metadata, hash FROM documents ORDER BY number")
        for number, namespace, name, title, metadata, digest in rows:
            try:
                document = Kept(name, title, json.loads(metadata), digest)
            except ValueError:
                raise self._damaged("the metadata of a document are no JSON") from None
            self._room(namespace).documents[name] = document
            kept[number] = (namespace, document)
        return kept

    def _check_vectors(self, texts: dict[str, tuple[list[int], list[str]]]) -> None:
        for namespace, (keys, _) in texts.items():
            if self.vectors is None or not all(self.vectors.contains(key, namespace=namespace) for key in keys):
                raise self._damaged("chunks have no vectors: the folder `vectors` beside it was removed or replaced")

    def _damaged(self, problem: str) -> FormatError:
        place = (self._path or Path()) / "corpus.sqlite"
        return FormatError(
            f"{place} is damaged: {problem}; move the folder away and add the documents again", path=str(place)
        )

    def _vectors(self, path: Path, dimensions: int) -> VectorIndex:
        return VectorIndex.open(path / "vectors", dimensions)

    def _room(self, namespace: str) -> _Room:
        return self.rooms.setdefault(namespace, _Room())

    def document(self, namespace: str, name: str) -> Kept | None:
        """The document, if it is there."""
        room = self.rooms.get(namespace)
        return None if room is None else room.documents.get(name)

    def check_settings(self, settings: dict[str, str]) -> None:
        """Makes sure that what is kept was embedded and is searched alike.

        Raises:
            ConfigError: It was made with another model.
        """
        for name, value in settings.items():
            if self.settings.get(name, value) != value:
                raise ConfigError(
                    f"the corpus was made with {name} {self.settings[name]} and is used with {value}: "
                    "use that, or another folder"
                )

    def replace(
        self,
        namespace: str,
        documents: Sequence[tuple[Kept, Sequence[Part]]],
        vectors: NDArray[np.float32] | None,
        settings: dict[str, str],
    ) -> None:
        """Puts documents in the place of those with the same ids; `vectors` has a row for each of their chunks, in order."""
        with self.lock:
            self._check_open()
            parts = [part for _, chunks in documents for part in chunks]
            keys = list(range(self._next, self._next + len(parts)))
            self._next += len(parts)
            gone = [key for kept, _ in documents for key in self._keys(namespace, kept.id)]
            if vectors is not None and keys:
                self.check_settings(settings)
                held = self._held(vectors.shape[1], settings)
                self._note(namespace, keys)
                held.add(keys, vectors, namespace=namespace)
            self._write(namespace, documents, keys, gone)
            room = self._room(namespace)
            self._forget(namespace, gone)
            room.words.add(keys, [part.searched for part in parts])
            numbered = iter(keys)
            for kept, chunks in documents:
                kept.keys = [next(numbered) for _ in chunks]
                room.documents[kept.id] = kept
                self.chunks.update(
                    (key, (kept, number, part))
                    for number, (key, part) in enumerate(zip(kept.keys, chunks, strict=True))
                )
            self._clear(namespace, gone)

    def describe(self, namespace: str, name: str, title: str, metadata: dict[str, Any]) -> None:
        """Gives a document that stays as it is another title and other metadata."""
        with self.lock:
            self._check_open()
            kept = self.rooms[namespace].documents[name]
            if self._file is not None:
                with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
                    connection.execute(
                        "UPDATE documents SET title = ?, metadata = ? WHERE namespace = ? AND id = ?",
                        (title, as_json(metadata), namespace, name),
                    )
            kept.title, kept.metadata = title, metadata

    def delete(self, namespace: str, names: Iterable[str]) -> int:
        """Removes documents, and gives how many there were."""
        with self.lock:
            self._check_open()
            room = self.rooms.get(namespace)
            found = [name for name in dict.fromkeys(names) if room is not None and name in room.documents]
            if room is None or not found:
                return 0
            gone = [key for name in found for key in room.documents[name].keys]
            if self._file is not None:
                with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
                    self._remove(connection, namespace, found, gone)
            for name in found:
                del room.documents[name]
            self._forget(namespace, gone)
            self._clear(namespace, gone)
            return len(found)

    def close(self) -> None:
        """Lets go of the folder; closing twice is the same as once."""
        with self.lock:
            self._closed = True
            if self.vectors is not None:
                self.vectors.close()
            if self._file is not None:
                self._file.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigError("the corpus is closed")

    def _keys(self, namespace: str, name: str) -> list[int]:
        document = self.document(namespace, name)
        return [] if document is None else document.keys

    def _held(self, dimensions: int, settings: dict[str, str]) -> VectorIndex:
        """The index of vectors; made when the first of them tell its size."""
        if self.vectors is not None:
            if self.vectors.dim != dimensions:
                raise ConfigError(f"the embedder gives {dimensions} dimensions, the corpus has {self.vectors.dim}")
            return self.vectors
        told = {**settings, "dimensions": str(dimensions)}
        if self._path is None or self._file is None:
            held = VectorIndex(dimensions)
        else:
            held = self._vectors(self._path, dimensions)
            with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
                connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", told.items())
        self.vectors, self.settings = held, told
        return held

    def _note(self, namespace: str, keys: list[int]) -> None:
        if self._file is not None:
            with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
                connection.executemany("INSERT INTO noted VALUES (?, ?)", [(namespace, key) for key in keys])

    def _write(
        self, namespace: str, documents: Sequence[tuple[Kept, Sequence[Part]]], keys: list[int], gone: list[int]
    ) -> None:
        if self._file is None:
            return
        numbered = iter(keys)
        with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
            self._remove(connection, namespace, [kept.id for kept, _ in documents], gone)
            for kept, chunks in documents:
                place = connection.execute(
                    "INSERT INTO documents (namespace, id, title, metadata, hash) VALUES (?, ?, ?, ?, ?)",
                    (namespace, kept.id, kept.title, as_json(kept.metadata), kept.hash),
                ).lastrowid
                rows: list[tuple[Any, ...]] = []
                for number, part in enumerate(chunks):
                    headings = json.dumps(part.headings, ensure_ascii=False)
                    sum_ = crc32(f"{headings}\0{part.text}".encode("utf-8", "surrogatepass"))
                    rows.append((next(numbered), place, number, part.begin, part.end, headings, part.text, sum_))
                connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "DELETE FROM noted WHERE namespace = ? AND key = ?", [(namespace, key) for key in keys]
            )

    @staticmethod
    def _remove(connection: sqlite3.Connection, namespace: str, names: list[str], gone: list[int]) -> None:
        """Removes documents; the keys of their vectors are noted until those are removed too."""
        connection.executemany(
            "DELETE FROM documents WHERE namespace = ? AND id = ?", [(namespace, name) for name in names]
        )
        connection.executemany("INSERT OR IGNORE INTO noted VALUES (?, ?)", [(namespace, key) for key in gone])

    def _forget(self, namespace: str, gone: list[int]) -> None:
        self._room(namespace).words.delete(gone)
        for key in gone:
            del self.chunks[key]

    def _clear(self, namespace: str, gone: list[int]) -> None:
        """Removes the vectors of keys that belong to no chunk any more, and the notes of them."""
        if gone:
            if self.vectors is not None:
                self.vectors.delete(gone, namespace=namespace)
            self._unnote([(namespace, key) for key in gone])

    def _tidy(self, noted: Sequence[tuple[str, int]]) -> None:
        """Finishes what an earlier process was at when it ended."""
        for namespace, key in noted:
            if key not in self.chunks and self.vectors is not None:
                self.vectors.delete([key], namespace=namespace)
        self._unnote(noted)

    def _unnote(self, noted: Sequence[tuple[str, int]]) -> None:
        if self._file is not None and noted:
            with self._file.lock, self._file.reading() as connection, self._file.writing(connection):
                connection.executemany("DELETE FROM noted WHERE namespace = ? AND key = ?", noted)

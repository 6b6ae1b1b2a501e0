"""Documents that can be searched, by meaning and by words: cut, embedded once, kept, and replaced one by one."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from inferail._sync import Embedder, drive
from inferail.core import Chunker
from inferail.embedding import AsyncEmbedder
from inferail.engine.working import beside_the_loop, check_scope
from inferail.errors import ConfigError, OutputError
from inferail.pipelines.rag.documents import Document, Hit, Where, as_json, matches
from inferail.pipelines.rag.fusion import fused
from inferail.pipelines.rag.shelf import Kept, Part, Shelf
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Added", "AsyncCorpus", "BaseCorpus", "Corpus", "Progress", "Ranking", "Rerank"]

Ranking: TypeAlias = Literal["both", "meaning", "words"]
Rerank: TypeAlias = "Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]"

# Characters: about 220 tokens, which the usual small embedders read as a whole.
_SIZE, _OVERLAP = 900, 120
# Documents that are embedded and written together.
_TOGETHER = 64
# Hits that rankings are compared over, and that a reranker sees, for each that is asked for.
_DEPTH, _LEAST_DEPTH = 4, 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an `add` is.

    Attributes:
        done: Documents that are in the corpus by now.
        total: All of them; None where the documents came from an iterator.
        chunks: Chunks that were embedded.
    """

    done: int
    total: int | None
    chunks: int


@dataclass(frozen=True, slots=True)
class Added:
    """What an `add` did.

    Attributes:
        new: Documents that were not there.
        changed: Documents whose text, or how it is cut, was another.
        described: Documents whose title or metadata only was another; nothing was embedded for them.
        unchanged: Documents that were there as they are.
        chunks: Chunks that were embedded.
        usage: Of the embeddings.
    """

    new: int = 0
    changed: int = 0
    described: int = 0
    unchanged: int = 0
    chunks: int = 0
    usage: Usage = field(default_factory=Usage)


class BaseCorpus:
    """What the synchronous and the asynchronous corpus share: everything but the way they wait."""

    _blocking = False

    def __init__(
        self,
        embedder: Embedder | AsyncEmbedder,
        path: str | os.PathLike[str] | None = None,
        *,
        chunker: Chunker | None = None,
        reranker: Rerank | None = None,
    ) -> None:
        """Opens the corpus, or makes an empty one.

        Args:
            embedder: Makes the vectors: `ir.Embedder` for `Corpus`, `ir.AsyncEmbedder` for `AsyncCorpus`.
            path: A folder of its own, made if it is missing; one process at a time has it open. None keeps everything in
                memory.
            chunker: How documents are cut; 900 characters with an overlap of 120 by default.
            reranker: Orders what was found once more: called with the question and the texts, it gives a score for each,
                the largest for the best. `ModelReranker` asks a model.

        Raises:
            ConfigError: A wrong argument; the folder was made with another embedding model, or another process has it.
            FormatError: A file of the folder is damaged: `.path` names it.
        """
        if not isinstance(embedder, Embedder | AsyncEmbedder):
            raise ConfigError(f"embedder must be an ir.Embedder or an ir.AsyncEmbedder, not {type(embedder).__name__}")
        if isinstance(embedder, AsyncEmbedder) == self._blocking:
            wanted = "Embedder" if self._blocking else "AsyncEmbedder"
            raise ConfigError(f"{type(self).__name__} needs an ir.{wanted}")
        if chunker is not None and not isinstance(chunker, Chunker):
            raise ConfigError(f"chunker must be an inferail.core.Chunker, not {type(chunker).__name__}")
        self._embedder = embedder
        self._chunker = chunker or Chunker(_SIZE, overlap=_OVERLAP)
        self._reranker = reranker
        self._cut = f"{self._chunker!r} {self._chunker.tokenizer!r}"
        self._settings = {"embedder": embedder.model.name}
        self._shelf = Shelf(path)
        try:
            self._shelf.check_settings(self._settings)
        except ConfigError:
            self._shelf.close()
            raise

    def __len__(self) -> int:
        return len(self._shelf)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._embedder.model.name!r}) with {len(self)} chunks"

    @property
    def chunker(self) -> Chunker:
        """How documents are cut."""
        return self._chunker

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that have a document, sorted."""
        with self._shelf.lock:
            return sorted(name for name, room in self._shelf.rooms.items() if room.documents)

    def documents(self, namespace: str = "") -> list[str]:
        """The ids of the documents of a namespace, in the order in which they were added."""
        with self._shelf.lock:
            room = self._shelf.rooms.get(namespace)
            return list(room.documents) if room else []

    def delete(self, ids: str | Iterable[str], *, namespace: str = "") -> int:
        """Removes documents, and gives how many there were."""
        return self._shelf.delete(namespace, [ids] if isinstance(ids, str) else ids)

    async def _add(
        self,
        documents: str | Document | Iterable[str | Document],
        namespace: str,
        progress: Callable[[Progress], object] | None,
    ) -> Added:
        given = [documents] if isinstance(documents, str | Document) else documents
        total = len(given) if isinstance(given, Sequence) else None
        counts = {"new": 0, "changed": 0, "described": 0, "unchanged": 0}
        chunks, done, usage = 0, 0, Usage()
        for batch in _batches(given):
            check_scope("embedder", self._embedder.model.name)  # what is written stays
            embedded, used = await self._add_batch(batch, namespace, counts)
            chunks += embedded
            done += len(batch)
            usage += used
            if progress is not None:
                progress(Progress(done, total, chunks))
        return Added(**counts, chunks=chunks, usage=usage)

    async def _add_batch(self, batch: list[Document], namespace: str, counts: dict[str, int]) -> tuple[int, Usage]:
        fresh: dict[str, tuple[Kept, Document]] = {}
        for document in batch:
            kept = Kept(document.id, document.title, dict(document.metadata), self._hash(document))
            before = self._shelf.document(namespace, document.id)
            if document.id in fresh or before is None or before.hash != kept.hash:
                counts["new" if before is None and document.id not in fresh else "changed"] += 1
                fresh.pop(document.id, None)
                fresh[document.id] = (kept, document)
            elif before.title == kept.title and as_json(before.metadata) == as_json(kept.metadata):
                counts["unchanged"] += 1
            else:
                self._shelf.describe(namespace, kept.id, kept.title, kept.metadata)
                counts["described"] += 1
        if not fresh:
            return 0, Usage()
        written = [document.text for _, document in fresh.values()]
        cut = await beside_the_loop(partial(self._chunker.chunks_batch, written))
        parts = [
            [Part(chunk.text, chunk.begin, chunk.end, chunk.headings) for chunk in chunks if chunk.text.strip()]
            for chunks in cut
        ]
        texts = [part.searched for chunks in parts for part in chunks]
        vectors, usage = await self._embedded(texts, "document") if texts else (None, Usage())
        pairs = [(kept, chunks) for (kept, _), chunks in zip(fresh.values(), parts, strict=True)]
        await beside_the_loop(partial(self._shelf.replace, namespace, pairs, vectors, self._settings))
        return len(texts), usage

    def _hash(self, document: Document) -> str:
        """Of everything that the chunks and their vectors depend on."""
        digest = blake2b(self._cut.encode(), digest_size=16)
        digest.update(document.text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    async def _embedded(
        self, texts: list[str], kind: Literal["query", "document"]
    ) -> tuple[NDArray[np.float32], Usage]:
        embedder = self._embedder
        if isinstance(embedder, AsyncEmbedder):
            made = await embedder.embed(texts, input_type=kind)
        else:
            made = embedder.embed(texts, input_type=kind)
        if len(made) != len(texts):
            raise OutputError(f"the embedder gave {len(made)} vectors for {len(texts)} texts")
        return made.vectors, made.usage

    async def find(
        self, question: str, k: int, namespace: str, where: Where | None, by: Ranking, *, rerank: bool
    ) -> list[Hit]:
        """The coroutine behind `search`, for both kinds; of a blocking corpus it never suspends."""
        if not isinstance(question, str) or not question.strip():
            raise ConfigError("there is nothing to search for: the question is empty")
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ConfigError(f"k must be a number, 1 or more, not {k!r}")
        if by not in ("both", "meaning", "words"):
            raise ConfigError(f"by must be 'both', 'meaning' or 'words', not {by!r}")
        room = self._shelf.rooms.get(namespace)
        if room is None or not room.documents:
            return []
        vector = None
        if by != "words":
            vector = (await self._embedded([question], "query"))[0][0]
        depth = max(_LEAST_DEPTH, _DEPTH * k)
        hits = self._ranked(question, vector, depth, namespace=namespace, where=where, by=by)
        if self._reranker is not None and rerank and hits:
            hits = await _reranked(self._reranker, question, hits)
        return hits[:k]

    def _ranked(
        self, question: str, vector: Any, depth: int, *, namespace: str, where: Where | None, by: Ranking
    ) -> list[Hit]:
        """The fusion of the first `depth` of each ranking, the best first."""
        shelf, wanted = self._shelf, depth
        with shelf.lock:
            room = shelf.rooms[namespace]
            depth = len(shelf.chunks) if where else depth
            near: list[int] = []
            if vector is not None and shelf.vectors is not None:
                near = shelf.vectors.search(vector, max(depth, 1), namespace=namespace)[0].tolist()
            said = [] if by == "meaning" else [key for key, _ in room.words.search(question, max(depth, 1))]
            if where:
                near, said = self._filtered(near, where), self._filtered(said, where)
            near, said = near[:wanted], said[:wanted]
            places = [{key: rank for rank, key in enumerate(keys, 1)} for keys in (near, said)]
            return [self._hit(key, score, places) for key, score in fused([near, said])]

    def _filtered(self, keys: list[int], where: Where) -> list[int]:
        return [key for key in keys if matches(self._shelf.chunks[key][0].metadata, where)]

    def _hit(self, key: int, score: float, places: list[dict[int, int]]) -> Hit:
        kept, number, part = self._shelf.chunks[key]
        return Hit(
            text=part.text,
            document=kept.id,
            title=kept.title or kept.id,
            number=number,
            begin=part.begin,
            end=part.end,
            headings=part.headings,
            metadata=kept.metadata,
            score=score,
            vector_rank=places[0].get(key),
            word_rank=places[1].get(key),
        )


async def _reranked(reranker: Rerank, question: str, hits: list[Hit]) -> list[Hit]:
    given = reranker(question, [hit.text for hit in hits])
    scores = list(await given if isinstance(given, Awaitable) else given)
    if len(scores) != len(hits):
        raise OutputError(f"the reranker gave {len(scores)} scores for {len(hits)} texts")
    scored = [replace(hit, score=float(score)) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)


def _batches(documents: Iterable[str | Document]) -> Iterator[list[Document]]:
    numbered = enumerate(documents)
    while batch := list(islice(numbered, _TOGETHER)):
        yield [_document(number, given) for number, given in batch]


def _document(number: int, given: str | Document) -> Document:
    if isinstance(given, Document):
        return given
    if isinstance(given, str):
        return Document(given)
    raise ConfigError(f"documents[{number}] must be a Document or a text, not {type(given).__name__}")


class Corpus(BaseCorpus):
    """Documents that can be searched by meaning and by words. Thread-safe.

    corpus = ir.Corpus(ir.Embedder("local:all-minilm-l6-v2"), "handbook.corpus")
    corpus.add(load_folder("handbook"))
    for hit in corpus.search("How many days of leave?", k=5):
        print(hit.score, hit.title, hit.headings, hit.text)
    """

    _blocking = True

    def add(
        self,
        documents: str | Document | Iterable[str | Document],
        *,
        namespace: str = "",
        progress: Callable[[Progress], object] | None = None,
    ) -> Added:
        """Adds documents, in place of those with the same ids; takes and raises what `AsyncCorpus.add` does."""
        return drive(self._add(documents, namespace, progress))

    def search(
        self,
        question: str,
        k: int = 5,
        *,
        namespace: str = "",
        where: Where | None = None,
        by: Ranking = "both",
        rerank: bool = True,
    ) -> list[Hit]:
        """The k best chunks for a question; takes and raises what `AsyncCorpus.search` does."""
        return drive(self.find(question, k, namespace, where, by, rerank=rerank))

    def close(self) -> None:
        """Lets go of the folder. The embedder stays open."""
        self._shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncCorpus(BaseCorpus):
    """Documents that can be searched by meaning and by words, asynchronously: the twin of `Corpus`."""

    async def add(
        self,
        documents: str | Document | Iterable[str | Document],
        *,
        namespace: str = "",
        progress: Callable[[Progress], object] | None = None,
    ) -> Added:
        """Adds documents, in place of those with the same ids.

        A document is cut and embedded only if its text, or how it is cut, has changed. Documents go 64 at a time, and each
        time is written as a whole: where one fails, those before it are in the corpus, and adding all of them again does the
        rest. Of an id that comes twice the later document stays.

        Args:
            documents: Documents, or texts (whose id is their hash); an iterator is read as it is used.
            namespace: Where they are found.
            progress: Called when some more documents are in the corpus.

        Raises:
            ConfigError: Something is no document, or a character has more tokens than a chunk may.
            RequestError: They could not be embedded.
            BudgetError: The Scope's budget is spent.
            OSError: The folder could not be written.
        """
        return await self._add(documents, namespace, progress)

    async def search(
        self,
        question: str,
        k: int = 5,
        *,
        namespace: str = "",
        where: Where | None = None,
        by: Ranking = "both",
        rerank: bool = True,
    ) -> list[Hit]:
        """The k best chunks for a question, the best first; none of a namespace without documents.

        Args:
            question: What to look for.
            k: How many.
            namespace: Where.
            where: What the metadata of their documents have: a value for a name, or a list of which it is one.
            by: Whether they are to mean the same, to have the same words, or both, by reciprocal rank fusion.
            rerank: Whether the reranker, if there is one, orders them.

        Raises:
            ConfigError: An empty question, or another wrong argument.
            RequestError: The question could not be embedded, or the reranker's model did not answer.
            OutputError: The reranker did not give a score for each text.
        """
        return await self.find(question, k, namespace, where, by, rerank=rerank)

    async def aclose(self) -> None:
        """Lets go of the folder. The embedder stays open."""
        self._shelf.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

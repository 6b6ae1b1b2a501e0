"""Vector indexes behind one small interface. Each is imported only by whoever measures it, and runs on one thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["PEERS", "Index", "Listed"]

Vectors = NDArray[np.float32]


class Index(Protocol):
    """One index, of cosine over vectors of length 1."""

    efforts: ClassVar[tuple[int, ...]]
    """Values of what trades time for recall, the cheapest first; (0,) where there is no such thing."""

    def build(self, vectors: Vectors, room: int) -> None:
        """Holds these vectors under 0, 1, …, with room for more."""

    def search(self, query: Vectors, k: int) -> Any:
        """The keys of the k nearest ones, the best first; asked one at a time."""


class Inferail:
    """The exact index: `nearest` above a threshold for k = 1, `search` for more."""

    efforts = (0,)
    threshold = 0.9

    def build(self, vectors: Vectors, room: int) -> None:
        from inferail.core import VectorIndex

        self.vectors = vectors
        self.index = VectorIndex(vectors.shape[1])
        self.index.add(np.arange(len(vectors)), vectors)

    def effort(self, value: int) -> None:
        pass

    def search(self, query: Vectors, k: int) -> Any:
        if k > 1:
            return self.index.search(query, k)[0]
        found = self.index.nearest(query, self.threshold)
        return () if found is None else (found[0],)

    def add(self, key: int, vector: Vectors) -> None:
        self.index.add(key, vector)

    def delete(self, key: int) -> None:
        self.index.delete(key)

    def save(self, path: Path) -> Callable[[], Any]:
        from inferail.core import VectorIndex

        keys, vectors = np.arange(len(self.vectors)), self.vectors
        stored = VectorIndex.open(path / "inferail", vectors.shape[1])
        stored.add(keys, vectors)
        stored.snapshot()
        stored.close()
        return lambda: VectorIndex.open(path / "inferail", vectors.shape[1])


class InferailGraph:
    """The graph for large collections."""

    efforts = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)

    def build(self, vectors: Vectors, room: int) -> None:
        from inferail.core import GraphIndex

        self.index = GraphIndex(vectors.shape[1])
        self.index.add(np.arange(len(vectors)), vectors)

    def effort(self, value: int) -> None:
        self._effort = value

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.search(query, k, effort=self._effort)[0]

    def add(self, key: int, vector: Vectors) -> None:
        self.index.add(key, vector)

    def delete(self, key: int) -> None:
        self.index.delete(key)


class Numpy:
    """A matrix and its product."""

    efforts = (0,)

    def build(self, vectors: Vectors, room: int) -> None:
        self.vectors = vectors

    def effort(self, value: int) -> None:
        pass

    def search(self, query: Vectors, k: int) -> Any:
        scores = self.vectors @ query
        if k == 1:
            return (int(scores.argmax()),)
        best = np.argpartition(scores, -k)[-k:]
        return best[np.argsort(-scores[best])]


class Faiss:
    """One of its indexes, by the text that its factory makes it of."""

    factory = "Flat"
    efforts: ClassVar[tuple[int, ...]] = (0,)

    def build(self, vectors: Vectors, room: int) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.index_factory(vectors.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        if self.efforts != (0,):
            faiss.downcast_index(self.index).hnsw.efConstruction = 200
        self.index.train(vectors)
        self.index.add(vectors)

    def effort(self, value: int) -> None:
        import faiss

        if value:
            faiss.downcast_index(self.index).hnsw.efSearch = value

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.search(query[None], k)[1][0]

    def save(self, path: Path) -> Callable[[], Any]:
        import faiss

        file = str(path / "faiss.bin")
        faiss.write_index(self.index, file)
        return lambda: faiss.read_index(file)


class FaissHnsw(Faiss):
    """Its graph over float32."""

    factory = "HNSW16,Flat"
    efforts = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class FaissHnswSq8(FaissHnsw):
    """Its graph over bytes."""

    factory = "HNSW16,SQ8"


class Hnswlib:
    """hnswlib, with deleted places taken again."""

    efforts = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

    def build(self, vectors: Vectors, room: int) -> None:
        import hnswlib

        self.index = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors) + room, M=16, ef_construction=200, random_seed=1, allow_replace_deleted=True)
        self.index.set_num_threads(1)
        self.index.add_items(vectors, np.arange(len(vectors)), num_threads=1)

    def effort(self, value: int) -> None:
        self.index.set_ef(value)

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.knn_query(query, k, num_threads=1)[0][0]

    def add(self, key: int, vector: Vectors) -> None:
        self.index.add_items(vector[None], [key], num_threads=1, replace_deleted=True)

    def delete(self, key: int) -> None:
        self.index.mark_deleted(key)

    def save(self, path: Path) -> Callable[[], Any]:
        import hnswlib

        file, dim = str(path / "hnswlib.bin"), self.index.dim
        self.index.save_index(file)

        def load() -> Any:
            index = hnswlib.Index("ip", dim)
            index.load_index(file)
            return index

        return load


class Usearch:
    """usearch, over float32."""

    dtype = "f32"
    efforts: ClassVar[tuple[int, ...]] = (16, 32, 64, 96, 128, 192, 256, 384, 512)

    def build(self, vectors: Vectors, room: int) -> None:
        from usearch.index import Index

        self.index = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=self.dtype,
            connectivity=16,
            expansion_add=200,
            expansion_search=64,
        )
        self.index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)

    def effort(self, value: int) -> None:
        self.index.expansion_search = value

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.search(query, k, threads=1).keys

    def add(self, key: int, vector: Vectors) -> None:
        self.index.add(key, vector, threads=1)

    def delete(self, key: int) -> None:
        self.index.remove(key)

    def save(self, path: Path) -> Callable[[], Any]:
        from usearch.index import Index

        file = str(path / f"usearch-{self.dtype}.bin")
        self.index.save(file)
        return lambda: Index.restore(file)


class UsearchI8(Usearch):
    """usearch, over bytes."""

    dtype = "i8"


class Voyager:
    """voyager, over float32."""

    efforts = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

    def build(self, vectors: Vectors, room: int) -> None:
        from voyager import Index, Space

        self.index = Index(Space.InnerProduct, vectors.shape[1], M=16, ef_construction=200, random_seed=1)
        self.index.add_items(vectors, np.arange(len(vectors)), num_threads=1)

    def effort(self, value: int) -> None:
        self._effort = value

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.query(query, k, num_threads=1, query_ef=max(self._effort, k))[0]

    def add(self, key: int, vector: Vectors) -> None:
        self.index.add_item(vector, key)

    def delete(self, key: int) -> None:
        self.index.mark_deleted(key)

    def save(self, path: Path) -> Callable[[], Any]:
        from voyager import Index

        file = str(path / "voyager.bin")
        self.index.save(file)
        return lambda: Index.load(file)


class Svs:
    """scalable-vs: Vamana over vectors in 4 and 8 bits (LVQ); over float32 where that is not to be had: it wants Intel."""

    efforts = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256)

    def build(self, vectors: Vectors, room: int) -> None:
        import svs

        parameters = svs.VamanaBuildParameters(graph_max_degree=32, window_size=200, alpha=1.2)
        with tempfile.TemporaryDirectory() as folder:
            data: Any = vectors
            if "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
                file = str(Path(folder) / "vectors.fvecs")
                svs.write_vecs(vectors, file)
                loader = svs.VectorDataLoader(file, svs.DataType.float32, dims=vectors.shape[1])
                data = svs.LVQLoader(loader, primary=4, residual=8)
            # Of vectors of length 1 the nearest by distance are those by cosine.
            self.index = svs.Vamana.build(parameters, data, svs.DistanceType.L2, num_threads=1)

    def effort(self, value: int) -> None:
        self.index.search_window_size = value

    def search(self, query: Vectors, k: int) -> Any:
        return self.index.search(query[None], k)[0][0]


@dataclass(frozen=True, slots=True)
class Listed:
    """A peer in the tables.

    Attributes:
        title: Its name there.
        make: Makes one.
        distribution: The package that has it; its version is told.
    """

    title: str
    make: Callable[[], Any]
    distribution: str

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured; None if it can."""
        from importlib.metadata import PackageNotFoundError, version

        if self.distribution == "inferail":
            return None
        try:
            version(self.distribution)
        except PackageNotFoundError:
            return f"{self.distribution} is not installed"
        return None


PEERS: dict[str, Listed] = {
    "inferail": Listed("inferail, exact", Inferail, "inferail"),
    "inferail-graph": Listed("inferail, graph", InferailGraph, "inferail"),
    "numpy": Listed("numpy, exact", Numpy, "numpy"),
    "faiss-flat": Listed("faiss Flat, exact", Faiss, "faiss-cpu"),
    "faiss-hnsw": Listed("faiss HNSW", FaissHnsw, "faiss-cpu"),
    "faiss-hnsw-sq8": Listed("faiss HNSW SQ8", FaissHnswSq8, "faiss-cpu"),
    "hnswlib": Listed("hnswlib", Hnswlib, "hnswlib"),
    "usearch": Listed("usearch f32", Usearch, "usearch"),
    "usearch-i8": Listed("usearch i8", UsearchI8, "usearch"),
    "voyager": Listed("voyager", Voyager, "voyager"),
    "svs": Listed("SVS", Svs, "scalable-vs"),
}

"""`core.GraphIndex` against brute force: what it finds, its scores, its arguments, its threads and its file."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from inferail.core import GraphIndex, VectorIndex
from inferail.errors import ConfigError, FormatError

NOTHING = 2**64 - 1


def wrong(value: Any) -> Any:
    """A value that the stub does not allow."""
    return value


def clustered(count, dim, seed=0):
    """Vectors that come in groups, as embeddings do."""
    source = np.random.default_rng(seed)
    centres = source.standard_normal((40, dim))
    made = centres[source.integers(0, 40, count)] + 0.5 * source.standard_normal((count, dim))
    return made.astype(np.float32)


def built(vectors, **options):
    index = GraphIndex(vectors.shape[1], **options)
    index.add(np.arange(len(vectors), dtype=np.uint64), vectors)
    return index


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_graph_finds_what_the_exact_index_finds_with_the_same_scores(metric):
    """Serves R102."""
    vectors, queries = clustered(2100, 40)[:2000], clustered(2100, 40)[2000:]
    graph, exact = built(vectors, metric=metric), VectorIndex(40, metric=metric)
    exact.add(np.arange(2000), vectors)

    keys, scores = graph.search(queries, 10, effort=128)
    true_keys, true_scores = exact.search(queries, 10)

    hits = [len(set(found) & set(true)) for found, true in zip(keys.tolist(), true_keys.tolist(), strict=True)]
    assert sum(hits) / 1000 >= 0.98
    assert (keys.dtype, scores.dtype, keys.shape, scores.shape) == (np.uint64, np.float32, (100, 10), (100, 10))
    same = keys == true_keys
    assert scores[same] == pytest.approx(true_scores[same], abs=1e-6)


def test_recall_told_is_recall_found():
    vectors, queries = clustered(3100, 32)[:3000], clustered(3100, 32)[3000:]
    graph = built(vectors, links=8, build_effort=16)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    true = np.argsort(-(queries @ unit.T), axis=1)[:, :10]

    for effort in (10, 40, 3000):
        keys, _ = graph.search(queries, 10, effort=effort)
        hits = [len(set(found) & set(wanted)) for found, wanted in zip(keys.tolist(), true.tolist(), strict=True)]
        assert graph.recall(k=10, effort=effort, queries=queries) == pytest.approx(sum(hits) / 1000, abs=2e-3)
    assert graph.recall(k=10, effort=3000) == 1.0


def test_tune_gives_an_effort_that_reaches_the_recall():
    graph = built(clustered(3000, 32), links=8, build_effort=16)
    queries = clustered(100, 32, seed=1)

    effort = graph.tune(0.95, 10, queries=queries)

    assert graph.recall(k=10, effort=effort, queries=queries) >= 0.95
    assert 10 <= graph.tune() <= 3000


def test_delete_and_upsert_are_seen_by_the_next_search():
    vectors = clustered(1000, 16)
    graph = built(vectors)

    assert graph.delete([3, 4, 5_000]) == 2
    graph.upsert([7, 2000], [vectors[3], vectors[4]])

    assert len(graph) == 999
    assert (graph.contains(3), graph.contains(2000)) == (False, True)
    assert graph.search(vectors[3], 1)[0].tolist() == [7]
    assert graph.search(vectors[4], 1)[0].tolist() == [2000]


def test_search_gives_as_many_as_there_are_when_k_is_larger():
    graph = built(clustered(5, 8))

    keys, scores = graph.search(np.ones(8), 9)
    rows, row_scores = graph.search(np.ones((2, 8)), 9)

    assert sorted(keys.tolist()) == [0, 1, 2, 3, 4]
    assert len(scores) == 5
    assert rows[0].tolist() == [*keys.tolist(), *[NOTHING] * 4]
    assert row_scores[1, 5:].tolist() == [-np.inf] * 4
    assert GraphIndex(8).search(np.ones(8), 3)[0].shape == (0,)


def test_churn_keeps_recall_and_memory():
    source = clustered(4000, 24)
    graph = built(source[:1000])
    before = graph.stats()
    for turn in range(3):
        for old, new in zip(
            range(turn * 1000, (turn + 1) * 1000), range((turn + 1) * 1000, (turn + 2) * 1000), strict=True
        ):
            graph.delete(old)
            graph.add(new, source[new])
    queries = clustered(100, 24, seed=1)

    fresh = built(source[3000:])
    assert graph.recall(effort=32, queries=queries) >= fresh.recall(effort=32, queries=queries) - 0.01
    assert graph.stats()["bytes"] <= 1.2 * before["bytes"]
    assert graph.stats()["entries"] == 1000


def test_graph_comes_back_from_its_file(tmp_path):
    vectors = clustered(1000, 16)
    graph = built(vectors, metric="l2", storage="float16", links=16, build_effort=64, seed=5)
    graph.save(tmp_path / "graph")

    opened = GraphIndex.open(tmp_path / "graph")

    assert repr(opened) == repr(graph)
    assert (opened.dim, opened.metric, opened.storage, opened.links, opened.build_effort) == (
        16,
        "l2",
        "float16",
        16,
        64,
    )
    for found, wanted in zip(opened.search(vectors[:50], 5), graph.search(vectors[:50], 5), strict=True):
        assert np.asarray(found).tolist() == np.asarray(wanted).tolist()
    opened.add([5000], vectors[:1] + 100)
    assert opened.search(vectors[0] + 100, 1)[0].tolist() == [5000]


def test_graph_refuses_a_damaged_file(tmp_path):
    built(clustered(500, 16)).save(tmp_path / "graph")
    data = bytearray((tmp_path / "graph").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "graph").write_bytes(data)

    graph = GraphIndex.open(tmp_path / "graph")

    with pytest.raises(FormatError, match="damaged") as error:
        graph.stats()
    assert str(error.value.path) == str(tmp_path / "graph")
    (tmp_path / "graph").write_bytes(b"no graph")
    with pytest.raises(FormatError):
        GraphIndex.open(tmp_path / "graph")
    with pytest.raises(OSError, match="none"):
        GraphIndex.open(tmp_path / "none")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        pytest.param(lambda _: GraphIndex(0), "dim", id="dim"),
        pytest.param(lambda _: GraphIndex(8, metric=wrong("hamming")), "metric", id="metric"),
        pytest.param(lambda _: GraphIndex(8, storage=wrong("int4")), "storage", id="storage"),
        pytest.param(lambda _: GraphIndex(8, links=1), "links", id="links"),
        pytest.param(lambda _: GraphIndex(8, build_effort=-1), "build_effort", id="build-effort"),
        pytest.param(lambda index: index.add([1], np.ones((1, 8))), "key 1 is in the index", id="known-key"),
        pytest.param(lambda index: index.add([9, 9], np.ones((2, 8))), "key 9 is given twice", id="key-twice"),
        pytest.param(lambda index: index.add([8, 9], np.ones((1, 8))), "2 keys and 1 vectors", id="count"),
        pytest.param(lambda index: index.add([-1], np.ones((1, 8))), "keys must be", id="negative-key"),
        pytest.param(lambda index: index.add([9], np.ones((1, 7))), "dim=8", id="dimension"),
        pytest.param(lambda index: index.search(np.full(8, np.nan), 1), "finite", id="nan"),
        pytest.param(lambda index: index.search(np.ones(8), 0), "k must be", id="k"),
        pytest.param(lambda index: index.search(np.ones(8), 1, effort=0), "effort", id="effort"),
        pytest.param(lambda index: index.recall(sample=0), "sample", id="sample"),
        pytest.param(lambda index: index.tune(1.5), "recall", id="recall"),
    ],
)
def test_graph_refuses_what_means_nothing(call, says):
    index = built(clustered(5, 8))

    with pytest.raises(ConfigError, match=says):
        call(index)
    assert len(index) == 5


def test_searches_go_on_while_another_thread_adds():
    vectors = clustered(2000, 32)
    graph = built(vectors[:1000])
    failures = []

    def search():
        for query in vectors[:1000]:
            keys, scores = graph.search(query, 1)
            if len(keys) != 1 or scores[0] < 0.999:
                failures.append(keys)

    readers = [threading.Thread(target=search) for _ in range(2)]
    for reader in readers:
        reader.start()
    for key in range(1000, 2000):
        graph.add(key, vectors[key])
    for reader in readers:
        reader.join()

    # One in a thousand may be missed; nothing else goes wrong.
    assert len(failures) <= 4
    assert len(graph) == 2000

"""Adding, replacing, searching, keeping: in memory and in a folder that is killed at any moment."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pipelines.rag.rag_worlds import HANDBOOK, corpus, embedder

import inferail as ir
from inferail.core import Chunker
from inferail.errors import ConfigError, FormatError, InferailError, OutputError, OutputValidationError
from inferail.pipelines.rag import Document, ModelReranker
from inferail.pipelines.rag.fusion import fused
from inferail.pipelines.rag.shelf import Shelf
from inferail.testing import ScriptedModel, WordEmbedder


def found(made, question, **options):
    return [hit.document for hit in made.search(question, **options)]


def test_search_finds_by_meaning_by_words_and_by_both():
    """Serves R130."""
    made = corpus()

    assert found(made, "days of paid leave", by="words")[0] == "leave"
    assert found(made, "days of paid leave", by="meaning")[0] == "leave"
    first = made.search("days of paid leave")[0]
    assert (first.document, first.vector_rank, first.word_rank) == ("leave", 1, 1)
    assert first.text == HANDBOOK[1].text[first.begin : first.end]
    assert found(made, "quantum chromodynamics", by="words") == []


def test_documents_that_are_there_are_not_embedded_again():
    model = WordEmbedder()
    made = corpus(model=model)
    before = len(model.requests)

    again = made.add([*HANDBOOK[:2], Document("The office is closed.", id="office", metadata={"year": 2026})])

    assert (again.new, again.changed, again.unchanged) == (0, 1, 2)
    assert [len(request.texts) for request in model.requests[before:]] == [1]
    assert found(made, "office closes at five", by="words") == ["office"]
    assert "nine" not in made.search("office")[0].text


def test_other_metadata_are_kept_without_embedding():
    model = WordEmbedder()
    made = corpus(model=model)
    before = len(model.requests)

    changed = made.add(Document(HANDBOOK[0].text, id="refunds", title="Refunds", metadata={"year": 2030}))

    assert changed.described == 1
    assert len(model.requests) == before
    assert made.search("refunds", where={"year": 2030})[0].title == "Refunds"


def test_another_chunker_cuts_and_embeds_again(tmp_path):
    corpus(path=tmp_path / "c").close()
    with ir.Corpus(embedder(), tmp_path / "c", chunker=Chunker(20)) as made:
        assert made.add(HANDBOOK).changed == 3
        assert len(made) > 3


def test_deleted_documents_are_found_no_more():
    made = corpus()

    assert made.delete(["leave", "leave", "nobody"]) == 1
    assert made.delete("refunds") == 1
    assert made.documents() == ["office"]
    assert set(found(made, "days of paid leave")) == {"office"}
    assert len(made) == 1


def test_namespaces_do_not_see_each_other():
    made = corpus()
    made.add(Document("Leave is 3 days.", id="leave"), namespace="other")

    assert made.namespaces == ["", "other"]
    assert found(made, "paid leave", namespace="other") == ["leave"]
    assert made.delete("leave", namespace="other") == 1
    assert made.namespaces == [""]
    assert found(made, "paid leave", namespace="nowhere") == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"year": 2026}, {"leave", "office"}),
        ({"year": [2025, 2027]}, {"refunds"}),
        ({"tags": "time"}, {"leave"}),
        ({"tags": ["money", "staff"]}, {"refunds", "leave"}),
        ({"year": True}, set()),
        ({"tags": None}, {"office"}),
        ({"year": 2026, "tags": "staff"}, {"leave"}),
    ],
)
def test_search_is_narrowed_by_metadata(where, expected):
    assert set(found(corpus(), "days the office", where=where)) == expected


def test_filter_finds_what_is_far_down_the_rankings():
    documents = [Document(f"Rails and rails {number}", id=f"r{number}") for number in range(60)]
    made = corpus([*documents, Document("Rails once, among many other words here", id="rare", metadata={"rare": True})])

    assert found(made, "rails", k=1, where={"rare": True}) == ["rare"]


def test_progress_says_how_far_it_is():
    seen = []
    made = ir.Corpus(embedder())

    added = made.add(
        [Document(f"Text number {number}.", id=str(number)) for number in range(150)], progress=seen.append
    )

    assert [(each.done, each.total) for each in seen] == [(64, 150), (128, 150), (150, 150)]
    assert added.new == 150
    assert added.usage.input_tokens > 0


def test_failure_in_the_middle_keeps_what_was_written(tmp_path):
    class Failing(WordEmbedder):
        async def embed(self, request):
            if len(self.requests) == 1:
                raise ir.ServerError("down")
            return await super().embed(request)

    documents = [Document(f"Text number {number}.", id=str(number)) for number in range(100)]
    made = ir.Corpus(embedder(Failing()), tmp_path / "c")
    with pytest.raises(ir.ServerError):
        made.add(documents)
    assert len(made) == 64
    made.close()

    with ir.Corpus(embedder(), tmp_path / "c") as again:
        added = again.add(documents)
    assert (added.unchanged, added.new) == (64, 36)


def test_what_is_no_document_is_refused_by_its_place():
    with pytest.raises(ConfigError, match=r"documents\[1\]"):
        corpus([HANDBOOK[0], 7])
    with pytest.raises(ConfigError, match="metadata"):
        Document("x", metadata={"a": object()})
    with pytest.raises(ConfigError, match="text of a Document"):
        Document(b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k must be"),
        ({"k": True}, "k must be"),
        ({"by": "magic"}, "by must be"),
        ({"question": " "}, "empty"),
    ],
)
def test_search_refuses_wrong_arguments(options, said):
    with pytest.raises(ConfigError, match=said):
        corpus().search(**{"question": "x", **options})


def test_corpus_needs_an_embedder_of_its_kind():
    with pytest.raises(ConfigError, match=r"needs an ir\.Embedder"):
        ir.Corpus(ir.AsyncEmbedder(WordEmbedder()))
    with pytest.raises(ConfigError, match=r"needs an ir\.AsyncEmbedder"):
        ir.AsyncCorpus(embedder())
    with pytest.raises(ConfigError, match="embedder must be"):
        ir.Corpus("words")  # type: ignore[arg-type]


def test_empty_and_blank_documents_are_kept_without_chunks():
    made = corpus(["", " \n "])

    assert len(made.documents()) == 2
    assert len(made) == 0
    assert made.search("anything") == []


def test_reranker_orders_what_was_found():
    made = corpus(reranker=lambda _question, texts: [float("office" in text) for text in texts])

    assert found(made, "days of paid leave", k=1) == ["office"]
    assert found(made, "days of paid leave", k=1, rerank=False) == ["leave"]


def test_reranker_that_gives_too_few_scores_is_an_error():
    with pytest.raises(OutputError, match="1 scores for 3 texts"):
        corpus(reranker=lambda *_: [1.0]).search("days")


def test_model_reranks_with_a_visible_prompt():
    model = ScriptedModel(['{"order": [3, 1]}'])
    reranker = ModelReranker(ir.Client(model))
    made = corpus(reranker=reranker)
    plain = [hit.text for hit in made.search("paid leave", rerank=False)]

    hits = made.search("paid leave")

    assert [hit.text for hit in hits] == [plain[2], plain[0], plain[1]]
    assert list(model.requests[0].messages) == reranker.messages("paid leave", plain)


@pytest.mark.parametrize("said", ['{"order": []}', '{"order": [1, 1]}', '{"order": [9]}', '{"order": "1"}', "[1]"])
def test_order_that_is_none_is_an_error(said):
    made = corpus(reranker=ModelReranker(ir.Client(ScriptedModel([said, said]))))

    with pytest.raises(OutputValidationError):
        made.search("paid leave")


@given(
    st.lists(st.permutations(list(range(6))).map(lambda keys: keys[:4]), min_size=1, max_size=3),
)
def test_fusion_is_the_sum_of_reciprocal_ranks(rankings):
    scores = dict(fused(rankings))

    for key in range(6):
        expected = sum(1 / (60 + ranking.index(key) + 1) for ranking in rankings if key in ranking)
        assert scores.get(key, 0.0) == pytest.approx(expected)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_corpus_comes_back_from_its_folder(tmp_path):
    made = corpus(path=tmp_path / "c")
    hits = made.search("days of paid leave")
    made.close()
    made.close()

    model = WordEmbedder()
    with ir.Corpus(embedder(model), tmp_path / "c", chunker=Chunker(200)) as again:
        assert again.search("days of paid leave") == hits
        assert again.add(HANDBOOK).unchanged == 3
        assert again.documents() == made.documents()
    assert len(model.requests) == 1  # the question
    with pytest.raises(ConfigError, match="closed"):
        again.add("more")


def test_folder_of_another_embedding_model_is_refused(tmp_path):
    corpus(path=tmp_path / "c").close()

    with pytest.raises(ConfigError, match="made with embedder words"):
        ir.Corpus(embedder(WordEmbedder("other")), tmp_path / "c")


class Killed(BaseException):
    """The process ends here."""


STEPS = ["_note", "_vectors_added", "_write", "_forget", "_clear", "_unnote"]


@settings(max_examples=60)
@given(data=st.data())
def test_corpus_is_whole_after_an_end_at_any_write(tmp_path_factory, data):
    """Between any two writes the process ends; whoever opens the folder finds the documents before or after the change."""
    folder = tmp_path_factory.mktemp("corpus") / "c"
    made = corpus(HANDBOOK[:2], path=folder)
    change = data.draw(st.sampled_from(["replace", "add", "delete"]))
    step = data.draw(st.sampled_from(STEPS))
    late = data.draw(st.booleans())
    shelf = made._shelf
    _end_at(shelf, step, late=late)
    try:
        if change == "delete":
            made.delete("leave")
        else:
            made.add(Document("Leave is unlimited.", id="leave" if change == "replace" else "more"))
    except Killed:
        pass
    _let_go(shelf)

    with ir.Corpus(embedder(), folder, chunker=Chunker(200)) as again:
        texts = {hit.document: hit.text for hit in again.search("leave refunds days unlimited", 9)}
        assert texts.pop("refunds") == HANDBOOK[0].text
        before, after = (
            {"leave": HANDBOOK[1].text},
            {
                "replace": {"leave": "Leave is unlimited."},
                "add": {"leave": HANDBOOK[1].text, "more": "Leave is unlimited."},
                "delete": {},
            }[change],
        )
        assert texts in (before, after)
        assert again._shelf.vectors is not None
        assert len(again._shelf.vectors) == len(again)
        again.add(Document("Later words.", id="later"))
        assert found(again, "later words", k=1) == ["later"]


def _end_at(shelf, step, *, late):
    """Makes the process end before, or after, one step of a change."""

    class Vectors:
        def __init__(self, index):
            self.index = index

        def add(self, *arguments, **options):
            if not late:
                raise Killed
            self.index.add(*arguments, **options)
            raise Killed

        def __getattr__(self, name):
            return getattr(self.index, name)

    if step == "_vectors_added":
        shelf.vectors = Vectors(shelf.vectors)
        return
    method = getattr(shelf, step)

    def end(*arguments, **options):
        if late:
            method(*arguments, **options)
        raise Killed

    setattr(shelf, step, end)


def _let_go(shelf):
    Shelf.close(shelf)


@pytest.mark.parametrize("damage", ["chunk", "metadata", "header", "vectors", "log"])
def test_damaged_folder_is_refused_by_name(tmp_path, damage):
    folder = tmp_path / "c"
    corpus(path=folder).close()
    file = folder / "corpus.sqlite"
    if damage in ("chunk", "metadata"):
        with sqlite3.connect(file) as connection:
            connection.execute(
                "UPDATE chunks SET text = text || '!' WHERE number = 0"
                if damage == "chunk"
                else "UPDATE documents SET metadata = '{'"
            )
        connection.close()
    elif damage == "header":
        file.write_bytes(b"no database at all, but long enough to be read as one" * 9)
    elif damage == "vectors":
        for each in (folder / "vectors").iterdir():
            each.unlink()
    else:
        log = max((folder / "vectors").iterdir(), key=lambda path: path.stat().st_size)
        content = bytearray(log.read_bytes())
        content[len(content) // 3] ^= 0xFF
        log.write_bytes(content)

    with pytest.raises(InferailError) as refused:
        ir.Corpus(embedder(), folder)

    assert isinstance(refused.value, FormatError)
    assert str(folder) in str(refused.value.path)
    assert "leave" not in str(refused.value)


def test_folder_that_is_open_is_refused(tmp_path):
    made = corpus(path=tmp_path / "c")

    with pytest.raises(ConfigError):
        ir.Corpus(embedder(), tmp_path / "c")
    made.close()


def test_asynchronous_corpus_takes_many_adds_at_once():
    async def fill():
        made = ir.AsyncCorpus(ir.AsyncEmbedder(WordEmbedder()))
        await asyncio.gather(*(made.add(Document(f"Text {n % 5}", id=str(n % 5))) for n in range(20)))
        return made, await made.search("text 3", 2)

    made, hits = asyncio.run(fill())

    assert len(made) == 5
    assert hits[0].document == "3"


def test_cancelled_scope_ends_an_add_between_batches():
    cancellation = ir.Cancellation()
    made = ir.Corpus(embedder())
    documents = [Document(f"Text {number}", id=str(number)) for number in range(130)]

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        made.add(documents, progress=lambda _: cancellation.cancel())

    assert len(made) == 64

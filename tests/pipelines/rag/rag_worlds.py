"""A small corpus, and sources, for the tests of this folder."""

from __future__ import annotations

import inferail as ir
from inferail.core import Chunker
from inferail.pipelines.rag import Document, Hit
from inferail.testing import ScriptedModel, WordEmbedder

HANDBOOK = [
    Document("Refunds are paid within 30 days of delivery.", id="refunds", metadata={"year": 2025, "tags": ["money"]}),
    Document(
        "Staff have 25 days of paid leave in a year.", id="leave", metadata={"year": 2026, "tags": ["staff", "time"]}
    ),
    Document("The office opens at nine and closes at five.", id="office", metadata={"year": 2026}),
]


def embedder(model=None):
    return ir.Embedder(model or WordEmbedder())


def corpus(documents=HANDBOOK, path=None, model=None, **options):
    made = ir.Corpus(embedder(model), path, chunker=Chunker(200), **options)
    made.add(documents)
    return made


def rag(*answers, documents=HANDBOOK, k=5):
    model = ScriptedModel(list(answers))
    return ir.RAG(ir.Client(model), corpus(documents), k=k), model


def sources(*texts):
    return [Hit(text, f"d{number}", f"d{number}", 0, 0, len(text)) for number, text in enumerate(texts, 1)]

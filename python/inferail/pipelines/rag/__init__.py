"""RAG: documents that are loaded, cut, embedded and searched, and answers with citations that hold."""

from inferail.pipelines.rag.answer import Answer
from inferail.pipelines.rag.ask import RAG, AsyncRAG
from inferail.pipelines.rag.citations import Citation
from inferail.pipelines.rag.corpus import Added, AsyncCorpus, Corpus, Progress
from inferail.pipelines.rag.documents import Document, Hit
from inferail.pipelines.rag.loaders import load, load_folder
from inferail.pipelines.rag.prompt import INSTRUCTIONS
from inferail.pipelines.rag.reranking import RERANK_INSTRUCTIONS, ModelReranker
from inferail.pipelines.rag.retrieval import Case, Quality, aevaluate, evaluate

__all__ = [
    "INSTRUCTIONS",
    "RAG",
    "RERANK_INSTRUCTIONS",
    "Added",
    "Answer",
    "AsyncCorpus",
    "AsyncRAG",
    "Case",
    "Citation",
    "Corpus",
    "Document",
    "Hit",
    "ModelReranker",
    "Progress",
    "Quality",
    "aevaluate",
    "evaluate",
    "load",
    "load_folder",
]

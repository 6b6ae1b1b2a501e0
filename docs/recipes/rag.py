"""Answers from documents: cut, embedded and searched here, with citations that were compared with their sources."""

import inferail as ir
from inferail.pipelines.rag import Document
from inferail.testing import recipes

HANDBOOK = [
    Document(
        "# Refunds\n\nA refund is paid within 30 days of delivery. Shipping is not refunded.\n",
        id="refunds",
        title="Refunds",
    ),
    Document(
        "# Leave\n\nStaff have 25 days of paid leave in a year. Leave has to be asked for.\n", id="leave", title="Leave"
    ),
]
PRICES = {"rail": "19.90 EUR", "sleeper": "7.50 EUR"}


def price_list(question: str) -> list[Document]:
    """The prices of what the question names: exact, from where they are kept."""
    return [
        Document(f"The exact price of a {item} is {price}.", id=f"price:{item}")
        for item, price in PRICES.items()
        if item in question.lower()
    ]


def main(model: ir.Model) -> None:
    """Asks what the handbook says, what a thing costs, and what no document says."""
    corpus = ir.Corpus(ir.Embedder("lexical:hashing-512"))
    added = corpus.add(HANDBOOK)
    print(f"{added.new} documents, {added.chunks} chunks")
    with ir.Client(model) as client:
        rag = ir.RAG(client, corpus, k=5, lookup=price_list)
        questions = ("When is a refund paid?", "What is the exact price of a rail?", "Who won the chess championship?")
        for question in questions:
            answer = rag.ask(question)
            print(f"\n{question}\n{answer.text}")
            for citation in answer.citations:
                source = answer.sources[citation.source - 1]
                print(f"  [{citation.source}] {source.title}, characters {citation.begin} to {citation.end}")
            if answer.abstained:
                print(f"  no answer: {answer.abstention}")


if __name__ == "__main__":
    recipes.run(main)

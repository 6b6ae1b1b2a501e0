"""Many rows through one model: what it will cost, a typed answer for each row, a file, and going on from where it ended."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel

import inferail as ir
from inferail.testing import recipes

REVIEWS = [
    {"id": "r1", "review": "It arrived broken, and nobody answers."},
    {"id": "r2", "review": "Does what it says."},
    {"id": "r3", "review": "The best one I ever had!"},
]


class Sentiment(BaseModel):
    """What a review says."""

    sentiment: Literal["positive", "neutral", "negative"]


def prompt(row: dict[str, str]) -> dict[str, str]:
    """What is asked for a row; it keeps its id."""
    return {"id": row["id"], "prompt": f"What is the sentiment of this review? {row['review']}"}


def main(model: ir.Model) -> None:
    """Classifies the reviews, then twice as many: what was done is not asked for again."""
    with TemporaryDirectory() as folder, ir.Client(model) as client:
        out = Path(folder) / "sentiments.jsonl"
        batch = client.batch(REVIEWS, output=Sentiment, prompt=prompt, to=out, budget=ir.Budget(usd=1.0))
        print(f"about {batch.estimate().usage.input_tokens} tokens in")
        with batch:
            for item in batch:
                print(f"{batch.done}/{batch.total}", item.id, item.error or item.response.output)

        more = [*REVIEWS, {"id": "r4", "review": "Too dear for what it is."}]
        again = client.batch(more, output=Sentiment, prompt=prompt, to=out, resume=True).run()
        print(f"{again.resumed} done before, {again.done - again.resumed} asked now")
        print(out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    recipes.run(main)

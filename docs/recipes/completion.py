"""A question, an answer, and what it took: drafts, summaries, classes and translations are all made by the smallest pipeline."""

import inferail as ir
from inferail.testing import recipes

TEXT = "What does a Fallback do when a model fails?"
TASKS = {
    "draft": "Draft a note to the team about this.",
    "summarise": "Summarise this in one sentence.",
    "classify": "Which kind of request is this: question, complaint or order?",
    "translate": "Translate this into French.",
}


def main(model: ir.Model) -> None:
    """Gives one text to four tasks and shows the answers, their tokens and the last request."""
    with ir.Client(model, sampling=ir.Sampling(max_tokens=200)) as client:
        for task, instructions in TASKS.items():
            reply = client.complete(TEXT, system=instructions, labels={"task": task})
            print(f"{task}: {reply.text}")
            print(f"  {reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out, {reply.finish_reason}")
        print(client.explain(TEXT, system=TASKS["translate"]))


if __name__ == "__main__":
    recipes.run(main)

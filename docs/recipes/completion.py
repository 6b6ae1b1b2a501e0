"""A question, an answer, and what it took: the smallest pipeline there is."""

import inferail as ir
from inferail.testing import recipes


def main(model: ir.Model) -> None:
    """Asks once and shows the answer, its tokens and the request that was sent."""
    with ir.Client(model) as client:
        reply = client.complete("What is a Scope?")
        print(reply.text)
        print(f"{reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out, {reply.finish_reason}")
        print(client.explain("What is a Scope?"))


if __name__ == "__main__":
    recipes.run(main)

"""Guards around a model: personal data stays here, a stream shows nothing that is blocked, and a judge reads the request meanwhile."""

import inferail as ir
from inferail.testing import recipes


def main(model: ir.Model) -> None:
    """Asks with personal data in the question, streams an answer without banned words, and shows what is sent."""
    guarded = ir.Guarded(
        model,
        before=(
            ir.guards.redact_pii(),
            ir.guards.max_input_tokens(8_000),
            ir.guards.judge(model, "The text asks about software."),
        ),
        after=(
            ir.guards.pattern(r"sk-[A-Za-z0-9]{8,}", name="keys"),
            ir.guards.banned_words(["budget"], action="modify", replacement="[…]"),
        ),
    )
    question = "I am ada@example.com. What is a Scope?"
    with ir.Client(guarded) as client:
        print(client.explain(question))
        try:
            with client.stream(question) as stream:
                for piece in stream.text():
                    print(piece, end="", flush=True)
                print("\n", stream.response.warnings)
        except ir.GuardrailError as error:
            print(f"stopped {error.stage} the model by {error.guard}: {error.user_message}")


if __name__ == "__main__":
    recipes.run(main)

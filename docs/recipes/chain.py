"""A chain: analyse, extract, format. Each step gets what the one before gave, and is verified before the next one begins."""

import inferail as ir
from inferail.testing import recipes

DOCUMENT = "What does a Fallback do when a stream breaks?"


def main(model: ir.Model) -> None:
    """Makes a short list out of what the model finds, and shows the request of each step."""
    with ir.Client(model) as client:

        def analyse(topic: str) -> str:
            return client.complete(topic, system="Answer from the documentation, in whole sentences.").text

        def extract(analysis: str) -> list[str]:
            facts = client.complete(f"The facts in this, one sentence each: {analysis}").text
            return [fact.strip() for fact in facts.split(".") if fact.strip()]

        def as_list(facts: list[str]) -> str:
            return "\n".join(f"- {fact}" for fact in facts)  # a rule will do: no model is asked

        report = ir.chain(
            ir.step(analyse, verify=lambda text: len(text) > 20, retries=1),
            ir.step(extract, verify=lambda facts: len(facts) > 0),
            as_list,
        )
        try:
            print(report(DOCUMENT))
        except ir.StepError as error:
            print(f"stopped at {error.step}, after {len(error.results)} steps: {error}")


if __name__ == "__main__":
    recipes.run(main)

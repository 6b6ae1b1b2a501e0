"""A fan-out: several questions at the same time, then one synthesis of the answers. A failure is an item, not an end."""

from functools import partial

import inferail as ir
from inferail.testing import recipes

QUESTIONS = ("What is a Fallback?", "What is a Tiered?", "What is a Hedged?")


async def main(model: ir.Model) -> None:
    """Asks three questions at once, at least two of which have to be answered, and joins the answers."""
    async with ir.AsyncClient(model) as client:

        async def ask(question: str) -> str:
            return (await client.complete(question)).text

        async def synthesise(answers: list[str]) -> str:
            return (await client.complete("What do these have in common?\n\n" + "\n\n".join(answers))).text

        jobs = {question: partial(ask, question) for question in QUESTIONS}
        answers = await ir.agather(jobs, at_once=8, timeout=20.0, policy="some", minimum=2)
        for outcome in answers:
            print(f"{outcome.name} {outcome.value if outcome.ok else outcome.error!r}")
        print("Together:", await answers.reduce(synthesise))


if __name__ == "__main__":
    recipes.run(main)

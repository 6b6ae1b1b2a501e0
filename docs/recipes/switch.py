"""A switch: a rule where one will do, else a router that says which specialist a question is for."""

from collections.abc import Callable
from typing import Literal

import inferail as ir
from inferail.testing import recipes

Topic = Literal["errors", "routing", "other"]
WORDS: dict[Topic, tuple[str, ...]] = {
    "errors": ("error", "raise", "except"),
    "routing": ("fallback", "router", "hedge"),
}


def main(model: ir.Model) -> None:
    """Answers three questions: one by a rule, two by specialists."""
    with ir.Client(model) as client:

        def opening_hours(question: str) -> str | None:
            return "The documentation is always open." if "open" in question else None

        def topic_of(question: str) -> Topic:
            for topic, words in WORDS.items():
                if any(word in question.lower() for word in words):
                    return topic
            return "other"

        def specialist(instructions: str) -> Callable[[str], str]:
            return lambda question: client.complete(question, system=instructions).text

        answer = ir.rule(
            opening_hours,
            ir.switch(
                topic_of,
                {
                    "errors": specialist("You know the exceptions of inferail."),
                    "routing": specialist("You know how inferail chooses models."),
                },
                default=specialist("You know inferail."),
            ),
        )
        for question in ("When are you open?", "Which error is raised for a deadline?", "What does a Router do?"):
            print(f"{question} {answer(question)}")


if __name__ == "__main__":
    recipes.run(main)

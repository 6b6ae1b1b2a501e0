"""Answers with a type: a class, one of several classes, a choice of words, a list, and objects that grow while they stream."""

from typing import Literal

from pydantic import BaseModel, Field

import inferail as ir
from inferail.structured import Output
from inferail.testing import recipes


class Ticket(BaseModel):
    """What a customer reports."""

    summary: str = Field(description="One sentence")
    urgent: bool
    tags: list[str] = []


class Question(BaseModel):
    """What a customer wants to know."""

    topic: str


def main(model: ir.Model) -> None:
    """Asks for five kinds of answers; none of the types is written down twice."""
    with ir.Client(model) as client:
        ticket = client.complete("Read this: the site has been down since nine.", output=Ticket)
        if ticket.output:
            print(ticket.output.summary, ticket.output.urgent, f"({len(ticket.attempts)} attempt(s))")

        either = client.complete("Sort this in: what is a Scope?", output=Output[Ticket | Question]()).output
        print("a ticket" if isinstance(either, Ticket) else "a question")

        mood = client.complete("How does this sound: 'thanks!'", output=Output[Literal["glad", "cross"]]()).output
        print(mood)

        names = client.complete("Name parts of a request.", output=list[str]).output
        print(len(names or []), "names")

        with client.stream("Read this: login fails in Oslo.", output=Ticket) as stream:
            grown = [len(value) for value in stream.objects()]
            print(f"grew to {max(grown)} fields:", stream.final().output)

        print(client.explain("Read this: the site is down.", output=Ticket))


if __name__ == "__main__":
    recipes.run(main)

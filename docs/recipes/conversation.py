"""A conversation: its history is yours, it is kept in a store, fits its window, and remembers what no longer fits."""

from pathlib import Path
from tempfile import TemporaryDirectory

import inferail as ir
from inferail.testing import recipes


def main(model: ir.Model) -> None:
    """Talks, goes on from the store, forks, streams, and lets old turns be summarised."""
    with TemporaryDirectory() as folder, ir.Client(model) as client:
        talk = ir.Conversation(client, system="Answer in two sentences.", store=Path(folder) / "talk.db", id="ada")
        talk.remember("The user's name is Ada.")
        print(talk.say("What is a Scope?").text)

        again = ir.Conversation(client, system="Answer in two sentences.", store=Path(folder) / "talk.db", id="ada")
        with again.stream("And what is a Record?") as stream:
            for piece in stream.text():
                print(piece, end="", flush=True)
        print(f"\n{len(again.messages)} messages; {again.headroom().sentence}")

        fork = again.fork(at=2)
        print(fork.say("What is a Budget?").text)

        # A small window, so that old turns are soon summarised; nothing is ever taken out of `messages`.
        small = ir.Conversation(client, messages=again.messages, window=600, summary=ir.Summary(max_tokens=120))
        for topic in ("Fallback", "Hedged", "Tiered", "Cached", "Router"):
            reply = small.say(f"What is {topic}?")
            print(f"{topic}: {reply.finish_reason}, {reply.usage.input_tokens} tokens in", *reply.warnings)
        print(f"{len(small.messages)} messages, of which a summary stands for the first: {small.summary[:60]!r}")


if __name__ == "__main__":
    recipes.run(main)

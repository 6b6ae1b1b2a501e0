"""`inferail sandbox`: the three providers on this machine, until Ctrl-C."""

from __future__ import annotations

import threading
from typing import Final

import click

from inferail.cli.output import program_name

__all__ = ["sandbox"]

# What a client of each provider expects behind the server's own address.
_BASE_PATHS: Final = {"openai": "/v1", "openai_responses": "/v1", "anthropic": "", "gemini": "/v1beta", "cohere": ""}
_HELP = """Serve OpenAI, Anthropic and Gemini look-alikes on this machine, without key or network.

    Every model name is answered, with sentences of inferail's documentation (or of your own, --docs): picked by rules,
    deterministic, and no language model. A fault is asked for behind the name:

    \b
      docs@429-20    rate-limited, retry after 20 s
      docs@503       overloaded
      docs@cut-5     the connection is cut after 5 words
      docs@stall-5   silence after 5 words
    The documentation (docs/testing.md) lists every fault.

    \b
    Examples:
      inferail sandbox
      inferail sandbox --port 9000 --docs ~/handbook --pace 0.05
    """


@click.command(help=_HELP, short_help="Serve look-alikes of three providers on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8020, show_default=True, help="0 takes a free one.")
@click.option(
    "--docs",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Folder of .md files to answer from, instead of inferail's documentation.",
)
@click.option("--pace", type=click.FloatRange(0, 10), default=0.0, show_default=True, help="Seconds between two words.")
def sandbox(*, port: int, docs: str | None, pace: float) -> None:
    """Serve the sandbox; the help text is `_HELP`."""
    from inferail.server import running
    from inferail.testing.answers import DocumentModel
    from inferail.testing.sandbox import create_sandbox

    with running(create_sandbox(DocumentModel(folder=docs, pace=pace)), port=port) as address:
        for line in _instructions(address):
            click.echo(line)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("\nstopped", err=True)


def _instructions(address: str) -> list[str]:
    """Where it listens, and commands to paste."""
    name = program_name()
    return [
        "The sandbox listens; Ctrl-C ends it. Any model name is answered, any key is taken.",
        "",
        "In another terminal, once:",
        *(f"  export INFERAIL_{provider.upper()}_BASE_URL={address}{path}" for provider, path in _BASE_PATHS.items()),
        "",
        "Then:",
        f'  {name} chat --model openai:docs "How do I set a deadline?"',
        f'  {name} chat --model openai:docs@429-20 --model anthropic:docs@cut-0 --model gemini:docs "What is a Target?"',
        "",
        "Or with curl:",
        f"  curl {address}/v1/chat/completions -H 'content-type: application/json' \\",
        """    -d '{"model": "docs", "messages": [{"role": "user", "content": "What is a Fallback?"}]}'""",
    ]

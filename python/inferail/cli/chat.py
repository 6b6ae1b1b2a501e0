"""`inferail chat`: one question, or a conversation."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.ledger.keeping import KEEP_FAILURES
from inferail.cli.ledger.recording import RECORDS, recording
from inferail.cli.output import told
from inferail.errors import InferailError

if TYPE_CHECKING:
    from inferail.cli.setup import Setup

__all__ = ["chat"]

_HELP = """Ask a model: one question, or a conversation without one.

    \b
    Examples:
      inferail chat --model openai:gpt-5-mini "Why is the sky blue?"
      inferail chat --model gemini:gemini-2.5-flash          a conversation; /help inside
      git diff | inferail chat "Write a commit message."     what is piped in is added
      inferail chat --model openai:gpt-5 --model anthropic:claude-sonnet-4-5 "…"
                                                             the next one, when one fails
      inferail chat --model openai:qwen2.5 --base-url http://127.0.0.1:11434/v1
                                                             a server of your own

    Keys are read from OPENAI_API_KEY, ANTHROPIC_API_KEY and GEMINI_API_KEY. The answer goes to standard output,
    everything else to standard error.
    """

_EXAMPLE: Final = "openai:gpt-5-mini"


def _filled(_: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The value of an option; an empty one, such as that of a variable that is not set, is a mistake."""
    if value is not None and not value.strip():
        raise click.UsageError(f"{option.opts[0]} is empty: give it a value, or leave it out")
    return value


@click.command(help=_HELP, short_help="Ask a model from the terminal, once or in a conversation.")
@click.argument("question", nargs=-1)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    envvar="INFERAIL_MODEL",
    metavar="PROVIDER:MODEL",
    help="Which model. Several: the next one answers when one fails. Default: INFERAIL_MODEL.",
)
@click.option(
    "--base-url",
    callback=_filled,
    metavar="URL",
    help="Another server that speaks the same format, with http:// or https://.",
)
@click.option(
    "--api-key-env",
    callback=_filled,
    metavar="NAME",
    help="Environment variable that holds the key, instead of the usual one.",
)
@click.option(
    "--api-version",
    callback=_filled,
    metavar="DATE",
    help="The provider's API version, where it has several (anthropic).",
)
@click.option("-s", "--system", metavar="TEXT", help="System text: persona, task and constraints.")
@click.option("-t", "--temperature", type=float, metavar="0..2", help="0 is the most likely answer every time.")
@click.option("--max-tokens", type=int, metavar="N", help="Upper bound on the tokens of an answer.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For a whole call, fallbacks and retries included.")
@click.option("--drop-unsupported", is_flag=True, help="Leave out what a provider cannot take, and say so.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: text, usage, cost, attempts.")
@click.option("--no-stream", is_flag=True, help="Wait for the whole answer. By default it is shown as it arrives.")
@click.option(
    "--records",
    callback=_filled,
    metavar="FILE",
    help=RECORDS,
)
@click.option("--keep-failures", is_flag=True, help=KEEP_FAILURES)
@click.option("-i", "--interactive", is_flag=True, help="A conversation, even if standard input is not a terminal.")
@click.option("--detail", is_flag=True, help="With an error, also print what the server said. It may quote the prompt.")
def chat(
    *,
    question: tuple[str, ...],
    models: tuple[str, ...],
    base_url: str | None,
    api_key_env: str | None,
    api_version: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    timeout: float | None,
    drop_unsupported: bool,
    as_json: bool,
    no_stream: bool,
    records: str | None,
    keep_failures: bool,
    interactive: bool,
    detail: bool,
) -> None:
    """Ask a model; the help text is `_HELP`."""
    prompt = None if interactive else _prompt(question)
    if prompt is None and as_json:
        raise click.UsageError("--json needs a question: pass one, or pipe one in")
    target = _target(models, base_url=base_url, api_key_env=api_key_env, api_version=api_version)
    try:
        from inferail.cli.setup import Setup
        from inferail.types.request import Sampling

        sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
        with recording(records, keep_failures=keep_failures) as recorder:
            setup = Setup(models, sampling, target, system, timeout, recorder, drop_unsupported)
            if prompt is None:
                from inferail.cli.conversation import Conversation

                Conversation(setup, first=" ".join(question), detail=detail).run()
            else:
                _ask(setup, prompt, as_json=as_json, stream=not no_stream and not as_json)
    except InferailError as error:
        raise click.ClickException(told(error, detail=detail)) from None


def _prompt(question: tuple[str, ...]) -> str | None:
    """The question and what is piped in; None for a conversation."""
    asked = " ".join(question)
    if sys.stdin is None or sys.stdin.isatty():
        return asked or None
    piped = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    prompt = "\n\n".join(text for text in (asked, piped) if text)
    if not prompt:
        raise click.UsageError('there is no question: inferail chat --model openai:gpt-5-mini "Why is the sky blue?"')
    return prompt


def _target(
    models: tuple[str, ...], *, base_url: str | None, api_key_env: str | None, api_version: str | None
) -> dict[str, Any]:
    """Options of the one target; several have to find theirs in the environment."""
    if not models:
        raise click.UsageError(f"name a model, --model {_EXAMPLE} for example, or set INFERAIL_MODEL")
    if not all(model.strip() for model in models):
        raise click.UsageError(f"--model is empty: write provider:model, for example --model {_EXAMPLE}")
    given = {"base_url": base_url, "api_version": api_version}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    if api_key_env:
        options["api_key"] = os.environ.get(api_key_env)
        if not options["api_key"]:
            raise click.UsageError(f"the environment variable {api_key_env} (--api-key-env) is not set")
    if len(models) > 1 and options:
        raise click.UsageError(
            "--base-url, --api-key-env and --api-version belong to one model: for several, "
            "set INFERAIL_OPENAI_BASE_URL and the like"
        )
    return options


def _ask(setup: Setup, prompt: str, *, as_json: bool, stream: bool) -> None:
    from inferail.cli.output import as_json as json_of
    from inferail.cli.output import show, status, warn, write

    options: dict[str, Any] = {"system": setup.system} if setup.system else {}
    with setup.client() as client:
        if stream:
            response = show(client.stream(prompt, **options))
        else:
            response = client.complete(prompt, **options)
            text = json_of(response) if as_json else response.text or response.refusal or ""
            write(text.removesuffix("\n") + "\n")
    warn(response)
    if not as_json:
        status(response)

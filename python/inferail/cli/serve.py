"""`inferail serve`: any models behind the addresses of OpenAI and Anthropic, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.ledger.keeping import KEEP_FAILURES
from inferail.cli.ledger.recording import RECORDS, recording
from inferail.cli.output import program_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from inferail.types.embedding import EmbeddingModel
    from inferail.types.model import Model

__all__ = ["serve"]

_KEY_VARIABLE: Final = "INFERAIL_SERVE_KEY"
_SHOWN_NAMES: Final = 8
_HELP = """Serve models in the formats of OpenAI, Anthropic and Gemini.

    Programs that speak to one of them reach any model this way; only their base URL changes. Keys of the providers stay
    with the server. Answers are streamed, retried, and recorded with their cost.

    \b
    Examples:
      inferail serve --model openai:gpt-5-mini
      inferail serve -m fast=openai:gpt-5-mini -m deep=anthropic:claude-opus-4-1
                                    two models, asked for as "fast" and "deep"
      inferail serve -m chat=openai:gpt-5 -m chat=anthropic:claude-sonnet-4-5
                                    one name twice: the next when one fails
      inferail serve -m openai:gpt-5-mini -e openai:text-embedding-3-small
                                    embeddings as well
      INFERAIL_SERVE_KEY=… inferail serve -m openai:gpt-5-mini --host 0.0.0.0
                                    for other machines, which send that key

    \b
    Then, in another terminal:
      export OPENAI_BASE_URL=http://127.0.0.1:8000/v1
      export ANTHROPIC_BASE_URL=http://127.0.0.1:8000
      curl http://127.0.0.1:8000/v1/models

    A caller sends the key as "Authorization: Bearer …" or "x-api-key: …". GET /healthz needs none. Ctrl-C (or SIGTERM)
    lets running answers end first; a second one does not.
    """


@click.command(help=_HELP, short_help="Serve models in the formats of OpenAI and Anthropic.")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    required=True,
    envvar="INFERAIL_MODEL",
    metavar="[NAME=]PROVIDER:MODEL",
    help="What to serve, and under which name. Several times for several models; one name twice is a fallback.",
)
@click.option(
    "-e",
    "--embedder",
    "embedders",
    multiple=True,
    metavar="[NAME=]PROVIDER:MODEL",
    help="An embedding model for POST /v1/embeddings. Several times for several models.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--key-env",
    default=_KEY_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable with the key that callers have to send.",
)
@click.option(
    "--no-key", is_flag=True, help="Serve other machines without a key. Whoever reaches the port spends money."
)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For each whole call.")
@click.option(
    "--max-body",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    metavar="MIB",
    help="Longer requests are refused.",
)
@click.option(
    "--grace",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="What running answers get after Ctrl-C.",
)
@click.option(
    "--metrics",
    "with_metrics",
    is_flag=True,
    help="Count attempts, tokens, cost and time, and show them to Prometheus at /metrics.",
)
@click.option("--records", metavar="FILE", help=RECORDS)
@click.option("--keep-failures", is_flag=True, help=KEEP_FAILURES)
def serve(
    *,
    models: tuple[str, ...],
    embedders: tuple[str, ...],
    host: str,
    port: int,
    key_env: str,
    no_key: bool,
    timeout: float | None,
    max_body: int,
    grace: int,
    with_metrics: bool,
    records: str | None,
    keep_failures: bool,
) -> None:
    """Serve models; the help text is `_HELP`."""
    key = _key(key_env)
    from inferail.server import create_app
    from inferail.server import serve as run
    from inferail.server.local import LocalOnly, is_local
    from inferail.telemetry.prometheus import Metrics
    from inferail.transport.deadlines import Timeouts
    from inferail.types.scope import Scope

    if key is None and not no_key and not is_local(host):
        raise click.UsageError(
            f"--host {host} can be reached by other machines: set {key_env} to a key that callers have to send, "
            "or say --no-key"
        )
    served, embedding = _named(models), _named_embedders(embedders)

    @asynccontextmanager
    async def closing(_: Any) -> AsyncGenerator[None]:
        yield
        for model in {*served.values(), *embedding.values()}:
            close = getattr(model, "aclose", None)
            if close is not None:
                await close()

    def say(address: str) -> None:
        for line in _instructions(address, [*served, *embedding], has_key=key is not None):
            click.echo(line)

    metrics = Metrics() if with_metrics else None
    counting = () if metrics is None else (metrics,)
    with recording(records, *counting, keep_failures=keep_failures) as recorder:
        app: Any = create_app(
            served,
            embedders=embedding,
            api_key=key,
            max_body_bytes=max_body * 1024 * 1024,
            scope=Scope(recorder=recorder, timeouts=Timeouts.of(timeout)),
            lifespan=closing,
            metrics=metrics,
        )
        if key is None and is_local(host):
            app = LocalOnly(app)
        run(app, host=host, port=port, grace=grace, ready=say)
    click.echo("stopped", err=True)


def _key(variable: str) -> str | None:
    value = os.environ.get(variable)
    if value is None and variable != _KEY_VARIABLE:
        raise click.UsageError(f"--key-env names {variable}, which is not set")
    if value is not None and not value.strip():
        raise click.UsageError(f"{variable} is empty: set it to a key, or remove it")
    return None if value is None else value.strip()


def _named(specifications: Iterable[str]) -> dict[str, Model]:
    """The models by every name they answer to: the one before `=`, or the model's own with and without its provider."""
    import inferail as ir

    targets: dict[str, list[ir.Target | Model]] = {}
    for specification in specifications:
        names, model = _names(specification)
        target = ir.resolve(model)
        for known in names:
            targets.setdefault(known, []).append(target)
    return {name: found[0] if len(found) == 1 else ir.Fallback(*found) for name, found in targets.items()}


def _named_embedders(specifications: Iterable[str]) -> dict[str, EmbeddingModel]:
    """The embedding models by every name they answer to; there is no fallback: vectors of two models do not compare."""
    from inferail.types.registry import resolve_embedder

    named: dict[str, EmbeddingModel] = {}
    for specification in specifications:
        names, model = _names(specification)
        target = resolve_embedder(model)
        for name in names:
            if name in named:
                raise click.UsageError(f"two embedding models are named {name}: their vectors do not compare")
            named[name] = target
    return named


def _names(specification: str) -> tuple[list[str], str]:
    """What a model answers to, and its `provider:model`."""
    name, separator, model = specification.partition("=")
    if not separator or ":" in name:
        return list(dict.fromkeys([specification, specification.partition(":")[2]])), specification
    return [name], model


def _instructions(address: str, names: list[str], *, has_key: bool) -> list[str]:
    """Where it listens, and commands to paste."""
    name = next((name for name in names if ":" not in name), names[0])
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    header = " -H 'authorization: Bearer '$INFERAIL_SERVE_KEY" if has_key else ""
    return [
        f"Serving {shown} on {address}; Ctrl-C ends it.",
        "",
        "In another terminal:",
        f"  export OPENAI_BASE_URL={address}/v1",
        f"  export ANTHROPIC_BASE_URL={address}",
        f"  curl {address}/v1/chat/completions -H 'content-type: application/json'{header} \\",
        f"""    -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'""",
        "",
        f"Or:  INFERAIL_OPENAI_BASE_URL={address}/v1 {program_name()} chat --model openai:{name}",
    ]

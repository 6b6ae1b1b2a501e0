"""`inferail batch`: a file of rows through a model, into a file of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from inferail.cli.ledger.recording import RECORDS, recording

if TYPE_CHECKING:
    from inferail import Client
    from inferail.batch import Batch, Estimate

__all__ = ["batch"]

_HELP = """Send every row of a file to a model and write what comes back to another file.

    \b
    Examples:
      inferail batch reviews.jsonl out.jsonl --model openai:gpt-5-mini
      inferail batch reviews.parquet out.parquet --model openai:gpt-5-mini
                     --prompt "Positive or negative? {review}" --output schema.json
      inferail batch reviews.jsonl out.jsonl --model openai:gpt-5-mini --estimate
                                              what it will cost; nothing is sent
      inferail batch reviews.jsonl out.jsonl --model openai:gpt-5-mini --max-usd 5
      inferail batch reviews.jsonl out.jsonl --model openai:gpt-5-mini --resume
                                              goes on after Ctrl-C, a crash, or the cap

    \b
    A row of IN (.jsonl, .ndjson, .parquet) is one of
      "a prompt"
      {"id": "a", "prompt": "…", "system": "…"}
      {"messages": [{"role": "user", "content": "…"}], "options": {"sampling": {"max_tokens": 50}}}
    or has any columns, from which --prompt makes the prompt.

    OUT (.jsonl, .ndjson, .parquet) has a row for each row of IN, in its order: text, output, tokens, cost, or the error. It
    is there once every row has run. Until then rows that are done are kept in OUT.partial, and are never asked for again.

    Exit codes: 0 every row was answered, 1 rows failed or were not run, 2 the command line is wrong, 130 Ctrl-C.
    """

_PLACE: Final = re.compile(r"\{(\w+)\}")


@click.command(help=_HELP, short_help="Every row of a file through a model, into another file.")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    required=True,
    envvar="INFERAIL_MODEL",
    metavar="PROVIDER:MODEL",
    help="Which model. Several: the next one answers when one fails. Default: INFERAIL_MODEL.",
)
@click.option("--prompt", metavar="TEXT", help="The prompt of each row; {name} stands for what the row has there.")
@click.option("-s", "--system", metavar="TEXT", help="System text: persona, task and constraints, for every row.")
@click.option(
    "--output",
    "schema",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A JSON Schema that answers must be of.",
)
@click.option("-t", "--temperature", type=float, metavar="0..2", help="0 is the most likely answer every time.")
@click.option("--max-tokens", type=int, metavar="N", help="Upper bound on the tokens of an answer.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For each row, retries included.")
@click.option(
    "-c", "--concurrency", type=click.IntRange(1), default=32, show_default=True, help="Calls that run at a time."
)
@click.option("--max-usd", type=click.FloatRange(0), metavar="USD", help="End once this run has spent so much.")
@click.option("--resume", is_flag=True, help="Go on from OUT.partial, or from a finished OUT whose IN has grown.")
@click.option("--retry-failed", is_flag=True, help="With --resume: ask again for rows that failed.")
@click.option("--estimate", is_flag=True, help="Print what it will take, and send nothing.")
@click.option("--base-url", metavar="URL", help="Another server that speaks the same format.")
@click.option("--records", metavar="FILE", help=RECORDS)
@click.option("--quiet", is_flag=True, help="No bar and no summary.")
def batch(
    *,
    source: Path,
    target: Path,
    models: tuple[str, ...],
    prompt: str | None,
    system: str | None,
    schema: Path | None,
    temperature: float | None,
    max_tokens: int | None,
    timeout: float | None,
    concurrency: int,
    max_usd: float | None,
    resume: bool,
    retry_failed: bool,
    estimate: bool,
    base_url: str | None,
    records: str | None,
    quiet: bool,
) -> int:
    """Send every row to a model; the help text is `_HELP`."""
    from inferail.cli.setup import Setup
    from inferail.types.request import Sampling
    from inferail.types.scope import Budget

    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    options: dict[str, Any] = {
        "output": _schema(schema),
        "prompt": None if prompt is None else _filled_in(prompt),
        "concurrency": concurrency,
        "budget": None if max_usd is None else Budget(usd=max_usd),
        "resume": resume,
        "retry_failed": retry_failed,
        "progress": False if quiet else None,
        **({"system": system} if system else {}),
    }
    with recording(None if not estimate else "none") if records is None else recording(records) as recorder:
        setup = Setup(models, sampling, {"base_url": base_url} if base_url else {}, None, timeout, recorder)
        with setup.client() as client:
            if estimate:
                click.echo(_told(client.batch(source, **options).estimate()))
                return 0
            if max_usd is not None:
                _check_price(client, source, options)
            ran = client.batch(source, to=target, **options).run()
    if not quiet:
        click.echo(_summary(ran, target), err=True)
    return 1 if ran.failed or ran.not_run else 0


def _schema(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        schema: Any = json.loads(path.read_bytes())
    except ValueError:
        schema = None
    if not isinstance(schema, dict):
        raise click.UsageError(f"{path} is no JSON Schema: it holds no JSON object")
    return cast("Mapping[str, Any]", schema)


def _filled_in(template: str) -> Callable[[Any], Any]:
    """A function from a row to its prompt, with the row's id."""
    if not _PLACE.search(template):
        raise click.UsageError("--prompt has no {name} in it: every row would be asked the same")

    def prompt(row: Any) -> Any:
        text = _PLACE.sub(lambda place: str(row[place[1]]), template)
        return {"id": row.get("id"), "prompt": text}

    return prompt


def _check_price(client: Client, source: Path, options: dict[str, Any]) -> None:
    """A cap on money that nobody can count would be none."""
    if client.batch(source, **options).estimate(sample=1).cost_usd is None:
        raise click.UsageError("no price of this model is known, so --max-usd cannot be kept: leave it out")


def _told(estimate: Estimate) -> str:
    usage = estimate.usage
    cost = "no price is known" if usage.cost_usd is None else f"about ${usage.cost_usd:.4f}"
    broken = f", {estimate.broken} of {estimate.counted} that were looked at are broken" if estimate.broken else ""
    return (
        f"{estimate.rows:,} rows{broken}; about {usage.input_tokens:,} tokens in and {usage.output_tokens:,} out; {cost}"
        " (estimated)"
    )


def _summary(ran: Batch[Any], target: Path) -> str:
    usage = ran.usage
    answered = ran.done - ran.failed - ran.not_run - ran.resumed
    parts = [f"{answered:,} rows answered"]
    parts += [f"{count:,} {what}" for count, what in ((ran.resumed, "done before"), (ran.failed, "failed")) if count]
    if ran.not_run:
        parts.append(f"{ran.not_run:,} not run")
    told = (
        f"{', '.join(parts)}; {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, ${usage.cost_usd or 0:.4f}"
    )
    if ran.finished:
        return f"{told}. Written to {target}"
    return f"{told}. Kept in {target}.partial: go on with --resume"

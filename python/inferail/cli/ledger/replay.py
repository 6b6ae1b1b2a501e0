"""`inferail replay`: failed requests, listed and sent again."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.ledger.keeping import KEY_FILE_VARIABLE, open_failed, payloads_path
from inferail.cli.output import dollars, seconds, told
from inferail.errors import InferailError

if TYPE_CHECKING:
    from inferail.replaying import Comparison, Outcome
    from inferail.telemetry.payloads import FailedPayload, FailedPayloads, Kept

__all__ = ["replay"]

_HELP: Final = """Send a request that failed again, and compare what comes of it.

    \b
    Examples:
      inferail replay --list --since 1d            what failed since yesterday
      inferail replay ID                           the same bytes to the same model
      inferail replay ID --dry-run                 print them, with keys blanked
      inferail replay ID -m anthropic:claude-sonnet-4-5 -m gemini:gemini-2.5-pro
                                                   written anew for two other models

    Requests are kept by `inferail chat --keep-failures` and `inferail serve --keep-failures`, or by a program with
    FailedPayloads: redacted, without keys. ID is the id of the Record in the ledger, or the beginning of it. Keys are read
    from the environment, as ever. Where values were redacted, placeholders are sent.

    What a provider cannot take is left out and said. A replay is a call like any other: it costs what it costs.
    """
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.command(help=_HELP, short_help="Send a failed request again, here or elsewhere.")
@click.argument("identity", metavar="[ID]", required=False)
@click.option(
    "-m", "--model", "models", multiple=True, metavar="PROVIDER:MODEL", help="Who is asked. Default: who failed."
)
@click.option("--list", "listing", is_flag=True, help="Show what is kept, and send nothing.")
@click.option("--since", metavar="SPAN", help="With --list: 30m, 12h, 1d, 2w, or a date such as 2026-11-28.")
@click.option("--error", metavar="CLASS", help="With --list: only this error, for example RateLimitError.")
@click.option("--dry-run", is_flag=True, help="Print the exact wire request, with keys blanked, and send nothing.")
@click.option("--show-text", is_flag=True, help="Also print the answers.")
@click.option("--base-url", metavar="URL", help="Another server that speaks the same format, for one model.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable that holds the key, for one model.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="For each model.")
@click.option("--at-once", type=click.IntRange(1), default=4, show_default=True, help="How many models at a time.")
@click.option(
    "--payloads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where requests are kept. Default: payloads.db beside the ledger.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Keys of an encrypted file. Default: the file that {KEY_FILE_VARIABLE} names.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--detail", is_flag=True, help="With an error, also print what the server said.")
def replay(
    *,
    identity: str | None,
    models: tuple[str, ...],
    listing: bool,
    since: str | None,
    error: str | None,
    dry_run: bool,
    show_text: bool,
    base_url: str | None,
    api_key_env: str | None,
    timeout: float | None,
    at_once: int,
    payloads: Path | None,
    key_file: Path | None,
    as_json: bool,
    detail: bool,
) -> None:
    """Send a failed request again; the help text is `_HELP`."""
    if listing == (identity is not None):
        raise click.UsageError("name a failed request by its ID, or list them with --list")
    if not listing and (since or error):
        raise click.UsageError("--since and --error belong to --list")
    after = None if since is None else _moment(since)
    options = _options(models, base_url, api_key_env)
    try:
        kept = _opened(payloads, key_file)
        try:
            if listing:
                _show_index(_chosen(kept.index(), after, error), as_json=as_json)
                return
            payload = kept.get(identity or "")
        finally:
            kept.close()
        if dry_run:
            _show_plan(payload, models, options)
        else:
            from inferail.replaying import replay as send

            comparison = send(payload, list(models) or None, at_once=at_once, timeout=timeout, **options)
            _show(comparison, as_json=as_json, show_text=show_text)
            if len(comparison.rescued) < len(comparison.outcomes):
                raise click.exceptions.Exit(1)
    except InferailError as failure:
        raise click.ClickException(told(failure, detail=detail)) from None


def _opened(path: Path | None, key_file: Path | None) -> FailedPayloads:
    """The file, which has to be there: looking into one makes none."""
    where = path or payloads_path()
    if not where.exists():
        raise click.ClickException(
            f"nothing is kept yet: there is no {where}. Keep failed requests with "
            "inferail chat --keep-failures, or serve --keep-failures"
        )
    from inferail.telemetry.payloads import Unredacted

    return open_failed(where, key_file, redactor=Unredacted())  # nothing is written


def _options(models: tuple[str, ...], base_url: str | None, api_key_env: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"base_url": base_url} if base_url else {}
    if api_key_env:
        options["api_key"] = os.environ.get(api_key_env)
        if not options["api_key"]:
            raise click.UsageError(f"the environment variable {api_key_env} (--api-key-env) is not set")
    if len(models) > 1 and options:
        raise click.UsageError("--base-url and --api-key-env belong to one model: replay one at a time")
    return options


def _moment(text: str) -> datetime:
    """The moment a span ago, or the one that a date names."""
    found = _SPAN.match(text.strip())
    try:
        if found:
            return datetime.now(UTC) - timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"--since {text} is neither a span such as 30m, 12h, 1d, 2w nor a date such as 2026-11-28"
        ) from None
    return moment.astimezone(UTC)


def _chosen(index: list[Kept], after: datetime | None, error: str | None) -> list[Kept]:
    return [
        kept for kept in index if (after is None or kept.started_at >= after) and (error is None or kept.error == error)
    ]


def _show_index(index: list[Kept], *, as_json: bool) -> None:
    if as_json:
        for kept in index:
            fields = {name: getattr(kept, name) for name in kept.__slots__}
            click.echo(json.dumps({**fields, "started_at": kept.started_at.isoformat(timespec="milliseconds")}))
        return
    if not index:
        click.echo("nothing that fits is kept")
        return
    for kept in index:
        status = f" {kept.status_code}" if kept.status_code is not None else ""
        remark = ", too long to be replayed" if kept.truncated else ""
        when = kept.started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        click.echo(
            f"{kept.id}  {when}  {kept.provider}:{kept.model}  {kept.error}{status}  {kept.size:,} bytes{remark}"
        )


def _show_plan(payload: FailedPayload, models: tuple[str, ...], options: dict[str, Any]) -> None:
    from inferail.replaying import plan

    click.echo(plan(payload, list(models) or None, options=options).explain())


def _show(comparison: Comparison, *, as_json: bool, show_text: bool) -> None:
    if as_json:
        click.echo(json.dumps(comparison.as_dict(show_text=show_text), ensure_ascii=False))
        return
    for outcome in (comparison.recorded, *comparison.outcomes):
        click.echo(_line(outcome))
        for change in outcome.changes:
            click.echo(f"    {change}")
        for what, problems in (("schema", outcome.schema), ("tools", outcome.tools)):
            if problems is not None:
                click.echo(f"    {what}: {'; '.join(problems[:5]) or 'as asked for'}")
        if show_text and outcome.text is not None:
            click.echo("".join(f"    | {line}\n" for line in outcome.text.splitlines()), nl=False)
    for note in comparison.notes:
        click.echo(f"note: {note}", err=True)


def _line(outcome: Outcome) -> str:
    status = f" {outcome.status_code}" if outcome.status_code is not None else ""
    ended = f"{outcome.error}{status}" if outcome.error else f"answered{status}, {outcome.finish_reason or 'complete'}"
    parts = [f"{outcome.how:<10}  {outcome.model}", ended, seconds(outcome.seconds)]
    if outcome.first_token is not None:
        parts.append(f"first token {seconds(outcome.first_token)}")
    if outcome.vectors is not None:
        parts.append(f"{outcome.vectors[0]} vectors of {outcome.vectors[1]}")
    parts.append(f"{outcome.input_tokens} + {outcome.output_tokens} tokens")
    parts.append(dollars(outcome.cost_usd, estimated=outcome.estimated))
    return "  ".join(parts)

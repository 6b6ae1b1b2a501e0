"""`inferail rules`: the alert rules, the dashboard and the autoscalers that come with the package."""

from __future__ import annotations

import click

__all__ = ["rules"]

_HELP = """Print a file that comes with inferail, to be changed and used.

    \b
    WHAT is one of
      alerts      rules for Prometheus: tails, failures, waste, fallbacks, budgets,
                  streams that begin late (the default)
      dashboard   for Grafana: latency, time to first token, cost, tokens, waste
      keda        a ScaledObject for KEDA
      hpa         a HorizontalPodAutoscaler, with the rules of its adapter

    \b
    Examples:
      inferail rules > inferail-rules.yml     then under rule_files of prometheus.yml
      inferail rules dashboard > inferail.json

    The metrics come from `inferail serve --metrics`, or from serve_metrics in your program.
    """


@click.command(help=_HELP, short_help="Print alert rules, a dashboard, an autoscaler.")
@click.argument("what", default="alerts", type=click.Choice(["alerts", "dashboard", "keda", "hpa"]), metavar="[WHAT]")
def rules(*, what: str) -> None:
    """Print a file; the help text is `_HELP`."""
    from inferail.telemetry.prometheus import shipped

    click.echo(shipped(what), nl=False)

"""`inferail eval` and `inferail migrate`: two models on the same cases, and one after the other."""

from inferail.cli.evals.evaluate import evaluate
from inferail.cli.evals.migrate import migrate

__all__ = ["evaluate", "migrate"]

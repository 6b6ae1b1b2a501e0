"""A guard for the length of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferail.errors import ConfigError
from inferail.limits.counting import Estimator
from inferail.pipelines.guards.guard import RequestGuard
from inferail.pipelines.guards.verdict import ALLOWED, Verdict, check_action

if TYPE_CHECKING:
    from inferail.pipelines.guards.guard import Guard
    from inferail.pipelines.guards.verdict import Action
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["max_input_tokens"]


def max_input_tokens(limit: int, *, action: Action = "block", name: str = "max_input_tokens") -> Guard:
    """A guard that blocks requests of more than `limit` tokens, tools and all messages counted. It stands before a model.

    They are counted with the model's own tokenizer where that ships with the package, else by their bytes.

    Raises:
        ConfigError: `limit` is no whole number of 1 or more.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"limit must be a whole number of tokens, 1 or more, not {limit!r}")
    check_action(action, ("block", "flag"))
    return _MaxTokens(limit, action, name)


class _MaxTokens(RequestGuard):
    def __init__(self, limit: int, action: Action, name: str) -> None:
        super().__init__(name)
        self._limit = limit
        self._action: Action = action
        self._estimators: dict[str, Estimator] = {}

    def measure(self, request: Request, model: Model) -> Verdict:
        estimator = self._estimators.get(model.name)
        if estimator is None:
            estimator = self._estimators[model.name] = Estimator(model, output_tokens=1, prices=None, priced=False)
        tokens, _ = estimator.of(request)
        tokens -= request.sampling.max_tokens or 1
        return Verdict(self._action, "too_many_tokens") if tokens > self._limit else ALLOWED

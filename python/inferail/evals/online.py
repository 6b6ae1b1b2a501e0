"""Scores for a share of what is really answered, while a program runs: events for dashboards, alerts and the next dataset."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.evals.asking import prompt_of
from inferail.evals.case import Case, Score, Scorer, Scoring, as_scorer
from inferail.types.message import Message
from inferail.types.model import Around, AroundStream
from inferail.types.registry import resolve
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["EVENT", "LiveScore", "Watched"]

_log: Final = logging.getLogger("inferail.evals")
# OpenTelemetry semantic conventions for generative AI: the event and its attributes.
EVENT: Final = "gen_ai.evaluation.result"


@dataclass(frozen=True, slots=True)
class LiveScore:
    """What became of one answer; holds neither it nor the question.

    Attributes:
        scorer: What measured.
        score: The score, or None where the scorer failed.
        error: Class name of that failure, or None.
        model: Who answered, as `provider:model`.
        response_id: The provider's id of the answer, or None.
        call_id: Of the call, as in its Records.
    """

    scorer: str
    score: Score | None
    error: str | None
    model: str
    response_id: str | None
    call_id: str

    def attributes(self) -> dict[str, str | float]:
        """As attributes of the event `gen_ai.evaluation.result`."""
        found: dict[str, str | float] = {"gen_ai.evaluation.name": self.scorer}
        if self.score is not None:
            found["gen_ai.evaluation.score.value"] = self.score.value
            found["gen_ai.evaluation.score.label"] = "pass" if self.score.passed else "fail"
        if self.error is not None:
            found["error.type"] = self.error
        if self.response_id is not None:
            found["gen_ai.response.id"] = self.response_id
        return found


class Watched(Around):
    """A Model around another one that scores a share of its whole answers after they came. It changes no answer.

    The scorer runs before the answer is given back, in its Scope: choose one that takes microseconds (`Matches`, `Conforms`, a
    function), or a small share. What it raises is an event as well. A stream is scored when it has been read to its end.

    Where OpenTelemetry is installed and a span is open, each score is also an event of that span.
    """

    def __init__(
        self,
        model: str | Model,
        scorer: Scoring,
        on_score: Callable[[LiveScore], None] | None = None,
        *,
        share: float = 0.05,
        passing: float = 0.5,
        seed: int = 0,
        **target: Any,
    ) -> None:
        """Sets it up.

        Args:
            model: `provider:model`, or any Model.
            scorer: One that needs no `expected`.
            on_score: Takes each event; what it raises is logged by its class.
            share: Of the answers, 0 to 1.
            passing: For a scorer that is a plain function.
            seed: Of the draws.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, no scorer, or a share out of range.
        """
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
            raise ConfigError(f"share must be a number from 0 to 1, not {share!r}")
        self.model: Model = resolve(model, **target)
        self._scorer: Scorer = as_scorer(scorer, passing)
        self._on_score, self._share = on_score, share
        self._random, self._lock = random.Random(seed), threading.Lock()  # noqa: S311 - a draw, no secret

    @property
    def name(self) -> str:
        """`watched(…)` around the name of the model."""
        return f"watched({self.model.name})"

    def __repr__(self) -> str:
        return f"Watched({self.model.name!r}, {self._scorer.name!r}, share={self._share:g})"

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer."""
        response = await self.model.generate(request)
        if self._drawn():
            await self.score(request, response, current_scope())
        return response

    def stream(self, request: Request) -> DeltaStream:
        """The model's answer while it arrives."""
        stream = self.model.stream(request)
        return _Stream(self, request, stream, current_scope()) if self._drawn() else stream

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send.

        Raises:
            ConfigError: It sends nothing over a wire.
        """
        explain: Callable[..., str] | None = getattr(self.model, "explain", None)
        if explain is None:
            raise ConfigError(f"{self.model.name} sends nothing over a wire, so there is nothing to explain")
        return explain(request, stream=stream)

    async def score(self, request: Request, response: Response[Any], scope: Scope) -> None:
        """Scores one answer and tells of it; never raises for what goes wrong with that.

        Args:
            request: What was asked.
            response: The whole answer.
            scope: Of the call.
        """
        score, error = None, None
        try:
            with scope.enter():
                score = await self._scorer.score(Case(_asked(request), id="live"), response)
        except Exception as failure:  # noqa: BLE001 - the answer is there: what fails here is an event, not an error
            error = type(failure).__name__
        model = f"{response.provider}:{response.model}"
        event = LiveScore(self._scorer.name, score, error, model, response.id, scope.call_id)
        try:
            _tell_span(event)
            if self._on_score is not None:
                self._on_score(event)
        except Exception as failure:  # noqa: BLE001
            _log.warning("a score could not be passed on (%s)", type(failure).__name__)

    def _drawn(self) -> bool:
        with self._lock:
            return self._random.random() < self._share


class _Stream(AroundStream):
    """A stream that is scored once, when it has come to its end."""

    def __init__(self, watched: Watched, request: Request, stream: DeltaStream, scope: Scope) -> None:
        self._watched, self._request, self._stream, self._scope = watched, request, stream, scope
        self._scored = False

    async def __anext__(self) -> list[Delta]:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            await self.final()
            raise

    async def final(self) -> Response[Any]:
        response = await self._stream.final()
        if not self._scored:
            self._scored = True
            await self._watched.score(self._request, response, self._scope)
        return response


def _asked(request: Request) -> Any:
    messages: list[Message] = list(request.messages)
    only = messages[0]
    return only.text if len(messages) == 1 and only.role == "user" else prompt_of(messages)


def _tell_span(event: LiveScore) -> None:
    import sys

    # Whoever has an open span has loaded it.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        trace.get_current_span().add_event(EVENT, event.attributes())

"""Sends a failed request again and says what came of it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from inferail._sync import drive
from inferail.concurrency import all_of
from inferail.errors import ConfigError
from inferail.replaying.comparing import Comparison, Outcome
from inferail.replaying.conformity import schema_problems, tool_problems
from inferail.replaying.planning import Asked, Plan, Step, plan
from inferail.telemetry.sinks import MemorySink, Tee
from inferail.transport import async_transport, blocking_transport
from inferail.transport.deadlines import Timeouts
from inferail.types.embedding import EmbeddingModel, EmbeddingRequest
from inferail.types.model import Model
from inferail.types.scope import Scope, current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.replaying.restoring import Restoring
    from inferail.telemetry.payloads.payload import FailedPayload
    from inferail.transport.protocol import Transport
    from inferail.types.response import Response
    from inferail.types.scope import Recorder

__all__ = ["areplay", "replay"]


def replay(
    payload: FailedPayload,
    models: Asked | Sequence[Asked] | None = None,
    *,
    vault: Restoring | None = None,
    at_once: int = 4,
    timeout: float | Timeouts | None = None,
    recorder: Recorder | None = None,
    transport: Any = None,
    **options: Any,
) -> Comparison:
    """Sends a failed request again and compares what comes of it; blocks meanwhile.

    The model that failed gets the kept bytes as they are, with the key of today; any other model gets the request written
    anew in its provider's format, without what that provider cannot take. Each gets one attempt.

    Args:
        payload: From `FailedPayloads.get`.
        models: `provider:model` or a Model (for embeddings, an EmbeddingModel), or several; None is the one that failed.
        vault: Restores redacted values before anything is sent; without it, placeholders are sent.
        at_once: How many models are asked at a time.
        timeout: Seconds for each model, or `Timeouts`.
        recorder: Takes the Records of these attempts; they carry the label `replay_of` with the payload's id.
        transport: As for `Client`.
        options: Of the target (`api_key`, `base_url`, `retries`, …) where one `provider:model` is asked.

    Raises:
        ConfigError: The payload cannot be sent again (`FailedPayload.obstacle`), a model is unknown or has no key. What fails
            later is an Outcome.
    """
    made = plan(payload, models, vault=vault, options=options)
    return drive(_run(made, at_once, Timeouts.of(timeout), recorder, transport, blocking=True))


def areplay(
    payload: FailedPayload,
    models: Asked | Sequence[Asked] | None = None,
    *,
    vault: Restoring | None = None,
    at_once: int = 4,
    timeout: float | Timeouts | None = None,
    recorder: Recorder | None = None,
    transport: Any = None,
    **options: Any,
) -> Coroutine[Any, Any, Comparison]:
    """Sends a failed request again and compares what comes of it, to be awaited; takes and raises what `replay` does."""
    made = plan(payload, models, vault=vault, options=options)
    return _run(made, at_once, Timeouts.of(timeout), recorder, transport, blocking=False)


async def _run(
    made: Plan, at_once: int, timeouts: Timeouts, recorder: Recorder | None, given: Any, *, blocking: bool
) -> Comparison:
    if type(at_once) is not int or at_once < 1:
        raise ConfigError(f"at_once must be a number, 1 or more, not {at_once!r}")
    transport = blocking_transport(given) if blocking else async_transport(given)
    jobs = [partial(_outcome, step, timeouts, recorder, transport) for step in made.steps]
    try:
        outcomes = await all_of(jobs, at_once=at_once, blocking=blocking)
    finally:
        for step in made.steps:
            close = getattr(step.model, "aclose", None)
            if close is not None and step.ours:
                await close()
        if transport is not given:
            await transport.aclose()
    payload = made.payload
    return Comparison(payload.id, Outcome.of(payload.record, "recorded"), tuple(outcomes), made.notes)


async def _outcome(step: Step, timeouts: Timeouts, recorder: Recorder | None, transport: Transport) -> Outcome:
    """What one model makes of the request; never raises for what it does."""
    sink = MemorySink()
    total = timeouts.stream_total if step.stream else timeouts.total
    began = transport.clock.now()
    scope = current_scope().but(
        deadline=None if total is None else began + total,
        transport=transport,
        recorder=sink if recorder is None else Tee(sink, recorder),
        timeouts=timeouts,
        reason="first",
        alternatives=0,
        rivals=0,
    )
    error: str | None = None
    answer = _Answer()
    try:
        answer = await _asked(step, scope)
    except Exception as failure:  # noqa: BLE001 - another Model's bug is an outcome too
        error = type(failure).__name__
    records = sink.records
    last = records[-1] if records else None
    spent = sum((record.usage for record in records[1:]), records[0].usage) if records else answer.usage
    return Outcome(
        step.name,
        step.how,
        error,
        None if last is None else last.status_code,
        answer.finish_reason,
        transport.clock.now() - began,
        None if last is None else last.timing.first_token,
        spent.input_tokens,
        spent.output_tokens,
        spent.cost_usd,
        spent.estimated,
        None if last is None else last.request_id,
        answer.schema,
        answer.tools,
        (*step.changes, *answer.changes),
        answer.vectors,
        answer.text,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer's part of an Outcome."""

    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    schema: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    changes: tuple[str, ...] = ()
    vectors: tuple[int, int] | None = None
    text: str | None = field(default=None, repr=False)


async def _asked(step: Step, scope: Scope) -> _Answer:
    with scope.enter():
        if isinstance(step.request, EmbeddingRequest):
            embeddings = await cast("EmbeddingModel", step.model).embed(step.request)
            size = (len(embeddings), embeddings.dimensions)
            return _Answer(usage=embeddings.usage, changes=embeddings.warnings, vectors=size)
        model = cast("Model", step.model)
        response: Response[Any]
        if step.stream:
            async with model.stream(step.request) as stream:
                response = await stream.final()
        else:
            response = await model.generate(step.request)
    return _Answer(
        response.finish_reason,
        response.usage,
        schema_problems(step.request, response),
        tool_problems(step.request, response),
        response.warnings,
        text=response.text,
    )

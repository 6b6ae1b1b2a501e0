"""Who is to be asked, and with which bytes. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.errors import ConfigError
from inferail.providers.lookup import codec as load_codec
from inferail.providers.lookup import embedding_codec
from inferail.providers.writing import explained
from inferail.replaying.decoding import Decoded, decoded, embeds
from inferail.replaying.restoring import restored
from inferail.replaying.verbatim import verbatim
from inferail.types.embedding import EmbeddingModel, EmbeddingRequest
from inferail.types.message import user
from inferail.types.model import Model
from inferail.types.registry import embedder_schemes, resolve, resolve_embedder, split
from inferail.types.request import Request

if TYPE_CHECKING:
    from inferail.providers.codec import Encoded
    from inferail.replaying.comparing import How
    from inferail.replaying.restoring import Restoring
    from inferail.telemetry.payloads.payload import FailedPayload

__all__ = ["Asked", "Plan", "Step", "plan"]

Asked: TypeAlias = str | Model | EmbeddingModel


@dataclass(frozen=True, slots=True)
class Step:
    """One model that is to be asked.

    Attributes:
        model: The model, or what embeds.
        how: Whether it gets the kept bytes, or the request written anew.
        request: What it is asked.
        stream: Whether the answer is streamed.
        changes: What it is not asked, although the failed request was, in words.
        ours: Whether the model was made here, and is to be closed.
    """

    model: Model | EmbeddingModel
    how: How
    request: Request | EmbeddingRequest
    stream: bool
    changes: tuple[str, ...] = ()
    ours: bool = False

    @property
    def name(self) -> str:
        """For people: `provider:model`."""
        return self.model.name

    @property
    def written(self) -> Encoded | None:
        """The kept request as it is sent; None where it is written anew."""
        if self.how != "verbatim":
            return None
        model: Any = self.model
        encoded: Encoded = model.codec.encode()
        return encoded

    def explain(self) -> str:
        """The exact wire request, with keys blanked."""
        model: Any = self.model
        if self.written is not None:
            return explained(self.name, self.written)
        if not hasattr(model, "explain"):
            return f"# {self.name}: sends nothing over a wire"
        told: str = model.explain(self.request, stream=True) if self.stream else model.explain(self.request)
        return told


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do.

    Attributes:
        payload: What failed.
        steps: Who is asked.
        notes: What is to be known, in words.
    """

    payload: FailedPayload
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def explain(self) -> str:
        """Every wire request as text: method, URL, headers with keys blanked, body byte for byte."""
        parts = [step.explain() + "".join(f"\n# changed: {change}" for change in step.changes) for step in self.steps]
        return "\n\n".join([*(f"# note: {note}" for note in self.notes), *parts])


def plan(
    payload: FailedPayload,
    models: Asked | Sequence[Asked] | None = None,
    *,
    vault: Restoring | None = None,
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """Who is to be asked, and with what.

    Args:
        payload: What failed.
        models: `provider:model` or a Model (for embeddings, an EmbeddingModel); None, or the name of the model that
            failed, sends the kept bytes to it again.
        vault: Restores redacted values; without it, placeholders are sent in their places.
        options: Of the target, where there is one `provider:model`.

    Raises:
        ConfigError: The payload cannot be sent again, a model is unknown or has no key.
    """
    if payload.obstacle is not None:
        raise ConfigError(f"the failed payload cannot be replayed: {payload.obstacle}")
    asked: list[Asked] = [payload.name] if models is None else []
    if isinstance(models, Sequence) and not isinstance(models, str):
        asked += models
    elif models is not None:
        asked.append(models)
    if not asked:
        raise ConfigError("name at least one model, or None for the one that failed")
    options = options or {}
    if options and len(asked) > 1:
        raise ConfigError(f"{', '.join(options)} belong to one model: pass Targets for several")
    notes: list[str] = []
    body = payload.body
    if payload.redacted:
        body = body if vault is None else restored(body, vault)
        if body == payload.body:
            notes.append(
                "placeholders were sent where values had been redacted"
                + (": pass the vault to restore them" if vault is None else ": the vault knows none of them")
            )
    try:
        found: Decoded | ConfigError = decoded(payload, body)
    except ConfigError as error:
        found = error
    steps: list[Step] = []
    for each in asked:
        if each == payload.name:
            step, remark = _again(payload, body, found, options)
            notes += [remark] if remark else []
        else:
            step = _anew(payload, each, found, options)
        steps.append(step)
    return Plan(payload, tuple(steps), tuple(notes))


def _again(
    payload: FailedPayload, body: bytes, found: Decoded | ConfigError, options: Mapping[str, Any]
) -> tuple[Step, str]:
    target, remark = verbatim(payload, body, {"retries": 0, **options})
    if isinstance(found, Decoded):
        return Step(target, "verbatim", found.request, payload.stream, ours=True), remark
    if embeds(payload):
        raise found
    # Nothing is read from this request but its length, for an estimate of its tokens.
    request = Request((user(body.decode("utf-8", "replace") or "?"),))
    return Step(target, "verbatim", request, payload.stream, ours=True), remark


def _anew(payload: FailedPayload, asked: Asked, found: Decoded | ConfigError, options: Mapping[str, Any]) -> Step:
    if isinstance(found, ConfigError):
        raise found
    request = found.request
    if isinstance(request, EmbeddingRequest):
        if not isinstance(asked, str | EmbeddingModel):
            raise ConfigError("a request for embeddings is replayed by an EmbeddingModel, not by a Model")
        model: Model | EmbeddingModel = resolve_embedder(asked, **_options(asked, options, embedding=True))
    else:
        if not isinstance(asked, str | Model):
            raise ConfigError("a request for an answer is replayed by a Model, not by an EmbeddingModel")
        model = resolve(asked, **_options(asked, options, embedding=False))
    changes: list[str] = []
    provider = payload.record.provider
    theirs = asked.partition(":")[0] if isinstance(asked, str) else getattr(model, "provider", provider)
    if request.provider_options and theirs != provider:
        names = sorted(request.provider_options.get(provider, {}))
        changes += [f"{name} was dropped: an option of {provider}" for name in names]
        request = replace(request, provider_options={})
    return Step(model, "re-encoded", request, found.stream, tuple(changes), isinstance(asked, str))


def _options(asked: Asked, options: Mapping[str, Any], *, embedding: bool) -> dict[str, Any]:
    """Options of a target: one attempt, and what it cannot take is dropped. A model of another kind gets none of these."""
    if not isinstance(asked, str):
        return dict(options)
    scheme, _ = split(asked, embedder_schemes() if embedding else None)
    try:
        (embedding_codec if embedding else load_codec)(scheme)
    except ConfigError:
        return dict(options)
    return {"retries": 0, "unsupported": "drop", **options}

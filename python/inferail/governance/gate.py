"""What every Target passes through. Light: a call without labels and without a policy loads and pays for nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from inferail import egress
from inferail.governance import lifecycle
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["asked", "carried", "opted_out", "permitted", "wire_request", "words_in"]

RequestT = TypeVar("RequestT", bound="Request | EmbeddingRequest")
_GOVERNED: Final = frozenset({"data", "region"})


class _Open:
    """A block in which nothing is different; `nullcontext` takes twice as long."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *ended: object) -> None:
        pass


_OPEN: Final = _Open()


def permitted(target: Any, request: Any, scope: Scope, transport: Any) -> AbstractContextManager[None]:
    """A block in which `request` may be sent to `target`. One look at each set of labels, where there is nothing to decide.

    Args:
        target: The Caller that is about to send.
        request: What would be sent; None where that is a question about the provider and holds no data.
        scope: What surrounds the call.
        transport: What would carry it.

    Raises:
        PolicyError: It may not: nothing has been sent.
    """
    if (
        scope.policy is None
        and not egress.required()
        and not (scope.labels and not _GOVERNED.isdisjoint(scope.labels))
        and (request is None or not request.labels or _GOVERNED.isdisjoint(request.labels))
    ):
        return _OPEN
    from inferail.governance.dispatch import permitted as decided

    return decided(target, request, scope, transport)


def asked(request: RequestT, target: Any, scope: Scope) -> RequestT:
    """The request with what the policy of the Scope writes into it."""
    if scope.policy is None:
        return request
    changed: RequestT = scope.policy.asked(request, target, (scope.labels, request.labels))
    return changed


def carried(request: Request) -> Scope:
    """The current Scope with what a request's labels ask of its data: for calls of other models that hold parts of it.

    All words of `data` count, and only regions that both the Scope and the request name.
    """
    scope, inner = current_scope(), request.labels
    if _GOVERNED.isdisjoint(inner):
        return scope
    labels = {**scope.labels, **{name: inner[name] for name in _GOVERNED if name in inner}}
    if "data" in inner and "data" in scope.labels:
        labels["data"] = f"{scope.labels['data']},{inner['data']}"
    if "region" in inner and "region" in scope.labels:
        both = set(words_in(scope.labels["region"])) & set(words_in(inner["region"]))
        labels["region"] = ",".join(sorted(both)) or "nowhere"
    return scope.but(labels=labels)


def opted_out(target: Any, scope: Scope, body: bytes) -> bytes:
    """The body of a request that somebody else has written, with what the policy of the Scope writes into it."""
    from inferail.governance.dispatch import opted_out as written

    return written(target, scope, body)


def wire_request(target: Any, request: Request, scope: Scope, *, stream: bool) -> Any:
    """The wire request of a Target, with what the policy writes into it and a warning about a model that goes away."""
    request = asked(request, target, scope)
    if request.output is None:
        made = target.codec.encode(request, target.endpoint, stream=stream)
    else:
        from inferail.structured.modes import plan

        planned = plan(request, target.provider, target.model)
        made = target.codec.encode(planned.request, target.endpoint, stream=stream)
        made = replace(made, output=planned.title, answer_tool=planned.tool)
    if target.name in lifecycle.told:
        return made
    warning = lifecycle.first_warning(target.name)
    return made if warning is None else replace(made, warnings=(*made.warnings, warning))


def words_in(label: str | None) -> tuple[str, ...]:
    """The words of a label, which commas divide, in lower case."""
    return tuple(word for part in (label or "").lower().split(",") if (word := part.strip()))

"""What every Target passes through. Light: a call without labels and without a policy loads and pays for nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from inferail import egress
from inferail.governance import lifecycle

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["asked", "permitted", "wire_request"]

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
        and _GOVERNED.isdisjoint(scope.labels)
        and (request is None or _GOVERNED.isdisjoint(request.labels))
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


def wire_request(target: Any, request: Request, scope: Scope, *, stream: bool) -> Any:
    """The wire request of a Target, with what the policy writes into it and a warning about a model that goes away."""
    made = target.codec.encode(asked(request, target, scope), target.endpoint, stream=stream)
    if target.name in lifecycle.told:
        return made
    warning = lifecycle.first_warning(target.name)
    return made if warning is None else replace(made, warnings=(*made.warnings, warning))

"""What every Target asks before it sends anything: whether it may, and what the policy wants written into the request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, cast

from inferail import egress
from inferail.errors import PolicyError
from inferail.governance.gate import words_in
from inferail.governance.policy import DataPolicy, data_words, default_policy, strictest

if TYPE_CHECKING:
    from inferail.types.scope import Scope

__all__ = ["opted_out", "permitted", "regions_of"]

REGION: Final = "region"
_FREE: Final = nullcontext()


def permitted(target: Any, request: Any, scope: Scope, transport: Any) -> AbstractContextManager[Any]:
    """A block in which `request` may be sent to `target`; local-only mode is on in it where the policy asks for that.

    Args:
        target: The Caller that is about to send.
        request: What would be sent; None where that is a question about the provider and holds no data.
        scope: What surrounds the call.
        transport: What would carry it.

    Raises:
        PolicyError: It may not.
    """
    policy: DataPolicy | None = scope.policy
    block: Any = egress.local_only() if policy is not None and policy.local_only else _FREE
    with block:
        try:
            egress.check_transport(transport, target.endpoint.base_url, target.name)
        except PolicyError as error:
            error.provider, error.model = target.provider, target.model
            raise
    if request is not None:
        data, regions = data_words(scope.labels, request.labels), regions_of(scope.labels, request.labels)
        if data or regions:
            _check(policy or default_policy(), target, data, regions)
    return egress.local_only() if block is not _FREE else _FREE


def regions_of(*labels: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The regions of each label `region`: one of each must hold."""
    return tuple(words for each in labels if (words := words_in(each.get(REGION))))


def opted_out(target: Any, scope: Scope, body: bytes) -> bytes:
    """The body of a request that somebody else has written, with the flags of the Scope's policy (it has one) in it."""
    policy: DataPolicy = scope.policy
    options = policy.options(target, data_words(scope.labels))
    if not options:
        return body
    try:
        written: Any = json.loads(body)
    except ValueError:
        return body  # the server will say so
    return (
        json.dumps(strictest(cast("Mapping[str, Any]", written), options)).encode()
        if isinstance(written, dict)
        else body
    )


def _check(policy: DataPolicy, target: Any, data: Sequence[str], regions: Sequence[Sequence[str]]) -> None:
    missing = policy.missing(target, data, regions)
    if missing is None:
        return
    label = (missing.label or "")[:32]
    what = f"bound to {label}" if missing.what == REGION and missing.label not in data else f"labelled {label}"
    raise PolicyError(
        f"{target.name} may not get data {what}: {missing.why}. Another model may, or a DataPolicy that says so",
        label=label,
        missing=missing.what,
        provider=target.provider,
        model=target.model,
    )

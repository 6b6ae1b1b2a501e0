"""One record for every call of a tool, whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

from inferail.frozen import quick

if TYPE_CHECKING:
    from inferail.pipelines.tools.protocol import Permission

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)

__all__ = ["Audit", "ToolRecord", "arguments_hash", "utc_now"]


@quick
@dataclass(frozen=True, slots=True)
class ToolRecord:
    """What became of one call.

    Attributes:
        who: The agent, or the toolbox.
        tool: The name that the model called, cut to 64 characters.
        call_id: The model's id of the call.
        outcome: `ok`, the kind of failure that the model was told, or `cancelled` for one that the Scope or an error beside it
            ended while it ran.
        permission: What running it may do; None for a tool that there is not.
        ran: Whether the tool was run at all.
        at: When it was called.
        duration: Seconds on the clock of the call; 0.0 if it was not run. Waiting for approval is not part of it.
        arguments_hash: BLAKE2b of the arguments, 32 hexadecimal digits: equal for equal arguments, in whatever order. Few
            possible arguments can be guessed from it.
        idempotency_key: The same for every try of the call.
        attempt: Which try, from 1.
        error: Class of the exception, if there was one.
        cost_usd: What the run cost, as the tool's rules say.
        labels: Those of the Scope (tenant, user, …).
        arguments: Their text, only where the toolbox was told to keep it.
    """

    who: str
    tool: str
    call_id: str
    outcome: str
    permission: Permission | None
    ran: bool
    at: datetime
    duration: float
    arguments_hash: str
    idempotency_key: str
    attempt: int = 1
    error: str | None = None
    cost_usd: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    arguments: str | None = field(default=None, repr=False)


class Audit(Protocol):
    """Takes the records: a function, or any callable. What it raises is logged and does not end the run."""

    def __call__(self, record: ToolRecord, /) -> Any:
        """Takes one record."""
        ...


def arguments_hash(arguments: str) -> str:
    """32 hexadecimal digits of a call's arguments, which do not depend on order and blanks."""
    try:
        text = _CANONICAL.encode(json.loads(arguments) if arguments else {})
    except (ValueError, RecursionError):
        text = arguments
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def utc_now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)

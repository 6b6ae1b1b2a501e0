"""What a tool is to those who run it: the definition that a model sees, and a coroutine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from inferail.types.tools import Tool

__all__ = ["Permission", "RunnableTool", "ToolOutcome", "ToolRun"]

# `read` looks, `write` changes what can be changed back, `side_effect` does what cannot be undone.
Permission: TypeAlias = Literal["read", "write", "side_effect"]


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What a tool is told of the call that runs it.

    Attributes:
        call_id: The model's id of the call.
        idempotency_key: The same for every try of this call, also after a restart: what was done under it once must not be
            done again.
        attempt: Which try it is, from 1.
        blocking: Whether the caller blocks its thread: then the coroutine must not suspend.
    """

    call_id: str
    idempotency_key: str
    attempt: int = 1
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool gave back.

    Attributes:
        content: What the model is shown.
        is_error: Whether it failed, which the model is told.
        value: What the function returned; never sent, never logged.
    """

    content: str = field(repr=False)
    is_error: bool = False
    value: Any = field(default=None, repr=False)


@runtime_checkable
class RunnableTool(Protocol):
    """A tool that can be run: one of our functions, or one of an MCP server."""

    @property
    def definition(self) -> Tool:
        """Name, description and schema, as a model sees them."""
        ...

    @property
    def permission(self) -> Permission:
        """What running it may do to the world."""
        ...

    @property
    def timeout(self) -> float | None:
        """Seconds that one run may take; None is no limit of its own."""
        ...

    async def run(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs it once. Wrong arguments and what the tool itself says of a failure are outcomes for the model.

        Raises:
            ToolError: It could not be run at all (its server is gone, it hangs).
        """
        ...

"""What a client answers when the server asks: a ping, the roots, a sample of a model, a question to the user."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.errors import BudgetError, CancelledError, ConfigError, DeadlineError, FormatError, PolicyError
from inferail.pipelines import calls
from inferail.pipelines.mcp.client import sampling
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.messages import RpcError
from inferail.pipelines.mcp.wire.protocol import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from inferail.pipelines.mcp.wire.reading import Reader, is_object

if TYPE_CHECKING:
    from inferail.client import BaseClient
    from inferail.pipelines.mcp.wire.messages import Message

__all__ = ["Answering", "ElicitationHandler", "MCPElicitation"]

# What a Scope forbids is not an answer to the server but the end of the call.
_OURS = (BudgetError, CancelledError, DeadlineError, PolicyError)


@dataclass(frozen=True, slots=True)
class MCPElicitation:
    """A question that a server has for the user.

    Attributes:
        message: The question, in the server's words.
        schema: JSON Schema of an object of plain values: what is wanted.
        server: Who asks.
    """

    message: str = field(repr=False)
    schema: Mapping[str, Any] = field(repr=False)
    server: str


ElicitationHandler: TypeAlias = Callable[
    [MCPElicitation], "Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None"
]


class Answering:
    """Answers a server's requests. What no handler was given for is not offered to the server in the first place."""

    def __init__(
        self,
        who: str,
        *,
        blocking: bool,
        sampler: BaseClient | None,
        elicitation: ElicitationHandler | None,
        roots: Sequence[str | Path],
    ) -> None:
        """Sets up.

        Args:
            who: The server.
            blocking: Whether the MCP client blocks its thread.
            sampler: The client whose model answers.
            elicitation: Gives the user's answer, or None if there is none.
            roots: Folders, or URIs.

        Raises:
            ConfigError: `sampler` is no client, or one of the other kind.
        """
        if sampler is not None and calls.is_blocking(sampler) != blocking:
            kinds = ("ir.Client", "MCPClient") if blocking else ("ir.AsyncClient", "AsyncMCPClient")
            raise ConfigError(f"sampling must be an {kinds[0]} where the MCP client is an {kinds[1]}")
        self._who, self._sampler, self._elicitation = who, sampler, elicitation
        self._roots = [_root(each) for each in roots]

    def capabilities(self) -> dict[str, Any]:
        """What the server is told that it may ask."""
        offered: dict[str, Any] = {}
        if self._sampler is not None:
            offered["sampling"] = {}
        if self._elicitation is not None:
            offered["elicitation"] = {"form": {}}
        if self._roots:
            offered["roots"] = {}
        return offered

    def at_once(self, message: Message) -> Message | None:
        """The answer that needs nobody, or None."""
        if message["method"] == "ping":
            return messages.answer(message["id"], {})
        if message["method"] == "roots/list":
            if not self._roots:
                return messages.failure(message["id"], RpcError(METHOD_NOT_FOUND, "this client has no roots"))
            return messages.answer(message["id"], {"roots": self._roots})
        return None

    async def answer(self, message: Message) -> Message:
        """The answer to a request.

        Raises:
            BudgetError: The Scope's budget is spent; CancelledError, DeadlineError, PolicyError likewise.
        """
        ready = self.at_once(message)
        if ready is not None:
            return ready
        try:
            return messages.answer(message["id"], await self.result(message["method"], message.get("params", {})))
        except RpcError as error:
            return messages.failure(message["id"], error)

    async def result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one request.

        Raises:
            RpcError: It is not answered.
            BudgetError: The Scope's budget is spent; CancelledError, DeadlineError, PolicyError likewise.
        """
        if method == "roots/list" and self._roots:
            return {"roots": self._roots}
        try:
            if method == "sampling/createMessage" and self._sampler is not None:
                return await sampling.sample(self._sampler, params, Reader(f"{self._who}, {method}"))
            if method == "elicitation/create" and self._elicitation is not None:
                return await self._elicit(self._elicitation, params)
        except _OURS:
            raise
        except FormatError:
            raise RpcError(INVALID_PARAMS, f"the parameters of {method} are not what they should be") from None
        except Exception:  # noqa: BLE001 - a handler of the user's: the server hears that there is no answer
            raise RpcError(INTERNAL_ERROR, f"the client could not answer {method}") from None
        raise RpcError(METHOD_NOT_FOUND, f"this client does not answer {method}")

    async def _elicit(self, handler: ElicitationHandler, params: Mapping[str, Any]) -> dict[str, Any]:
        reader = Reader(f"{self._who}, elicitation/create")
        if params.get("mode", "form") != "form":
            raise RpcError(INVALID_PARAMS, "this client fills in forms only")
        schema = reader.mapping(params, "requestedSchema")
        given = handler(MCPElicitation(reader.required(params, "message", str), schema, self._who))
        content = await given if inspect.isawaitable(given) else given
        if content is None:
            return {"action": "decline"}
        return {"action": "accept", "content": {**_defaults(schema), **content}}


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    inside = properties.items() if is_object(properties) else ()
    return {name: each["default"] for name, each in inside if is_object(each) and "default" in each}


def _root(root: str | Path) -> dict[str, str]:
    if isinstance(root, str) and "://" in root:
        return {"uri": root}
    path = Path(root).resolve()
    return {"uri": path.as_uri(), "name": path.name}

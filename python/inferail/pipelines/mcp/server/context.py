"""What a tool, resource or prompt of ours may do besides returning: tell its caller how far it is, log, and ask back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError
from inferail.pipelines.mcp.wire.content import MCPContent, content_from, content_to
from inferail.pipelines.mcp.wire.protocol import LOG_LEVELS
from inferail.pipelines.mcp.wire.reading import Reader

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.caller import Caller

__all__ = ["MCPContext"]


class MCPContext:
    """The call that a function of an `MCPServer` serves. A parameter of this type is filled in and not part of the schema.

    With a caller of 2026-07-28, `sample`, `elicit` and `roots` end the call; the client makes it again with the answer, and the
    function runs from its beginning, up to the next question. So put what must not happen twice behind the last question.
    """

    def __init__(self, caller: Caller, progress_token: int | str | None, idempotency_key: str) -> None:
        self._caller, self._token = caller, progress_token
        self.idempotency_key = idempotency_key

    async def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tells how far the call is, if the caller asked for that.

        Args:
            done: So much; must grow.
            total: Of so much, or None.
            message: For people.
        """
        if self._token is None:
            return
        params: dict[str, Any] = {"progressToken": self._token, "progress": done}
        if total is not None:
            params["total"] = total
        if message:
            params["message"] = message
        await self._caller.notify("notifications/progress", params)

    async def log(self, data: Any, *, level: str = "info", logger: str = "") -> None:
        """Sends a log message to the caller, if it wants one of that level.

        Args:
            data: A text, or any JSON value.
            level: `debug` to `emergency`, the words of RFC 5424.
            logger: Who says it.

        Raises:
            ConfigError: There is no such level.
        """
        if level not in LOG_LEVELS:
            raise ConfigError(f"level must be one of {', '.join(LOG_LEVELS)}")
        if self._caller.wants(level):
            params = {"level": level, "data": data}
            await self._caller.notify("notifications/message", {**params, "logger": logger} if logger else params)

    async def sample(
        self, prompt: str | Sequence[tuple[str, MCPContent]], *, max_tokens: int = 1000, system: str = ""
    ) -> str:
        """What the caller's own model answers.

        Args:
            prompt: A text of the user's, or pairs of role and content.
            max_tokens: The most it may answer.
            system: Put before it.

        Raises:
            RpcError: The caller has no model to ask, or refuses.
            FormatError: What it answers makes no sense.
        """
        said = [("user", MCPContent(text=prompt))] if isinstance(prompt, str) else prompt
        params: dict[str, Any] = {
            "messages": [{"role": role, "content": content_to(content)} for role, content in said],
            "maxTokens": max_tokens,
        }
        if system:
            params["systemPrompt"] = system
        result = await self._caller.ask("sampling/createMessage", params)
        reader = Reader("the MCP client, sampling/createMessage")
        return content_from(reader.mapping(result, "content"), reader).as_text()

    async def elicit(self, message: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the caller's user fills in, or None if the user does not want to.

        Args:
            message: The question.
            schema: JSON Schema of an object of plain values.

        Raises:
            RpcError: The caller has no user to ask, or refuses.
            FormatError: What it answers makes no sense.
        """
        result = await self._caller.ask("elicitation/create", {"message": message, "requestedSchema": dict(schema)})
        reader = Reader("the MCP client, elicitation/create")
        if reader.required(result, "action", str) != "accept":
            return None
        return reader.mapping(result, "content", {})

    async def roots(self) -> tuple[str, ...]:
        """URIs of the folders that the caller lets servers know of.

        Raises:
            RpcError: It does not tell.
            FormatError: What it answers makes no sense.
        """
        result = await self._caller.ask("roots/list", {})
        reader = Reader("the MCP client, roots/list")
        return tuple(reader.required(each, "uri", str) for each in reader.objects(result, "roots", 1000))

    def close_stream(self) -> bool:
        """Ends the connection that waits for this call: the caller comes back for the answer after a moment.

        For calls that take long, so that none holds a connection meanwhile. False where the caller cannot come back.
        """
        return self._caller.close_stream()

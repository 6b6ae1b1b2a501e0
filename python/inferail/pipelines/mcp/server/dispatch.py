"""From a request to its result: what each method does, in both generations of the protocol."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import FormatError, InferailError, ToolError
from inferail.pipelines.mcp.server.caller import InputRequired, RequestState
from inferail.pipelines.mcp.server.context import MCPContext
from inferail.pipelines.mcp.server.functions import ServedFunction, result_of
from inferail.pipelines.mcp.server.offer import Offer, as_list
from inferail.pipelines.mcp.wire import protocol
from inferail.pipelines.mcp.wire.content import MCPResource, MCPResult, content_to, resource_to
from inferail.pipelines.mcp.wire.messages import RpcError
from inferail.pipelines.mcp.wire.reading import Reader
from inferail.pipelines.tools.protocol import ToolOutcome, ToolRun

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.caller import Caller
    from inferail.pipelines.tools.protocol import RunnableTool

__all__ = ["Dispatcher"]

_CACHEABLE: Final = frozenset(
    {"server/discover", "tools/list", "resources/list", "resources/templates/list", "resources/read", "prompts/list"}
)


@dataclass(frozen=True, slots=True)
class _Asked:
    params: Mapping[str, Any]
    caller: Caller
    number: str


class Dispatcher:
    """Answers requests out of an Offer. Knows nothing of how they came."""

    def __init__(self, offer: Offer, *, name: str, version: str, instructions: str, page: int, secret: bytes) -> None:
        """Sets up.

        Args:
            offer: What there is.
            name: Of the server.
            version: Of the server.
            instructions: How to use it, for a model.
            page: Most items of one page of a list.
            secret: Seals what 2026-07-28 leaves with the client; the same in every process that serves the same URL.
        """
        self.offer, self.state = offer, RequestState(secret)
        self._info = {"name": name, "version": version}
        self._instructions, self._page = instructions, page
        self._reader = Reader("the MCP client")
        self._methods: dict[str, Callable[[_Asked], Awaitable[dict[str, Any]]]] = {
            "tools/list": self._tools,
            "tools/call": self._call,
            "resources/list": self._resources,
            "resources/templates/list": self._templates,
            "resources/read": self._read,
            "prompts/list": self._prompts,
            "prompts/get": self._prompt,
            "completion/complete": self._complete,
        }

    def initialized(self, version: Any) -> tuple[str, dict[str, Any]]:
        """The protocol for a client that asks for `version`, and the result of `initialize`."""
        spoken = version if version in protocol.HANDSHAKE else protocol.LATEST_HANDSHAKE
        result: dict[str, Any] = {
            "protocolVersion": spoken,
            "capabilities": self.capabilities(),
            "serverInfo": self._info,
        }
        return spoken, {**result, "instructions": self._instructions} if self._instructions else result

    def capabilities(self) -> dict[str, Any]:
        """What is offered."""
        offered: dict[str, Any] = {"tools": {"listChanged": True}, "logging": {}}
        if self.offer.resources:
            offered["resources"] = {"listChanged": True, "subscribe": True}
        if self.offer.prompts:
            offered["prompts"] = {"listChanged": True}
        if self.offer.completer is not None:
            offered["completions"] = {}
        return offered

    async def result(self, method: str, params: Mapping[str, Any], caller: Caller, number: int | str) -> dict[str, Any]:
        """The result of a request.

        Raises:
            RpcError: There is none.
        """
        stateless = caller.version == protocol.STATELESS
        if method == "server/discover" and stateless:
            return self._complete_result(method, self._discovered())
        handler = self._methods.get(method)
        if handler is None:
            raise RpcError(protocol.METHOD_NOT_FOUND, "this server has no such method")
        try:
            result = await handler(_Asked(params, caller, str(number)))
        except (InputRequired, BaseExceptionGroup) as raised:
            question = _question(raised)
            if question is None:
                raise
            answers = self.state.answers(method, params)
            return {
                "resultType": "input_required",
                "inputRequests": {question.key: {"method": question.method, "params": dict(question.params)}},
                "requestState": self.state.seal(answers, method, params),
            }
        except FormatError as error:
            raise RpcError(protocol.INVALID_PARAMS, error.message) from None
        except InferailError as error:
            raise RpcError(protocol.INTERNAL_ERROR, f"{method} failed ({type(error).__name__})") from None
        return self._complete_result(method, result) if stateless else result

    def _complete_result(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        whole = {"resultType": "complete", **result, "_meta": {protocol.SERVER_INFO: self._info}}
        # Nothing is known of how long it stays as it is, nor for whom else it holds.
        return {**whole, "ttlMs": 0, "cacheScope": "private"} if method in _CACHEABLE else whole

    def _discovered(self) -> dict[str, Any]:
        result = {
            "supportedVersions": [protocol.STATELESS, *reversed(protocol.HANDSHAKE)],
            "capabilities": self.capabilities(),
        }
        return {**result, "instructions": self._instructions} if self._instructions else result

    def _paged(self, params: Mapping[str, Any], name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        cursor = self._reader.optional(params, "cursor", str, "0")
        if not cursor.isascii() or not cursor.isdigit() or (begin := int(cursor[:9])) > len(items):
            raise RpcError(protocol.INVALID_PARAMS, "this server gave no such cursor")
        page: dict[str, Any] = {name: items[begin : begin + self._page]}
        return {**page, "nextCursor": str(begin + self._page)} if begin + self._page < len(items) else page

    async def _tools(self, asked: _Asked) -> dict[str, Any]:
        return self._paged(asked.params, "tools", [_tool(each) for each in self.offer.tools.values()])

    async def _call(self, asked: _Asked) -> dict[str, Any]:
        name = self._reader.required(asked.params, "name", str)
        tool = self.offer.tools.get(name)
        if tool is None:
            raise RpcError(protocol.INVALID_PARAMS, "this server has no such tool")
        arguments = self._reader.mapping(asked.params, "arguments", {})
        context = self._context(asked)
        run = ToolRun(call_id=asked.number, idempotency_key=context.idempotency_key)
        try:
            async with asyncio.timeout(tool.timeout):
                if isinstance(tool, ServedFunction):
                    outcome = await tool.run(arguments, run, context)
                else:
                    outcome = await tool.run(arguments, run)
        except TimeoutError:
            outcome = ToolOutcome(f"the tool {name} took longer than it may", is_error=True)
        except ToolError as error:
            if isinstance(error.__cause__, RpcError):  # the caller could not be asked back: not the tool's failure
                raise error.__cause__ from None
            outcome = ToolOutcome(error.message, is_error=True)
        return _called(outcome)

    async def _resources(self, asked: _Asked) -> dict[str, Any]:
        listed = [_resource(each.shown) for each in self.offer.resources.values() if not each.shown.template]
        return self._paged(asked.params, "resources", listed)

    async def _templates(self, asked: _Asked) -> dict[str, Any]:
        listed = [_resource(each.shown) for each in self.offer.resources.values() if each.shown.template]
        return self._paged(asked.params, "resourceTemplates", listed)

    async def _read(self, asked: _Asked) -> dict[str, Any]:
        uri = self._reader.required(asked.params, "uri", str)
        found = self.offer.resource_for(uri)
        if found is None:
            code = (
                protocol.INVALID_PARAMS if asked.caller.version == protocol.STATELESS else protocol.RESOURCE_NOT_FOUND
            )
            raise RpcError(code, "this server has no such resource", {"uri": uri})
        content = await _guarded(found[0].read(uri, found[1], self._context(asked)), "resources/read")
        return {"contents": [resource_to(content)]}

    async def _prompts(self, asked: _Asked) -> dict[str, Any]:
        listed = [
            {
                "name": each.shown.name,
                "description": each.shown.description,
                "arguments": [{"name": name, "required": must} for name, must in each.shown.arguments.items()],
            }
            for each in self.offer.prompts.values()
        ]
        return self._paged(asked.params, "prompts", listed)

    async def _prompt(self, asked: _Asked) -> dict[str, Any]:
        prompt = self.offer.prompts.get(self._reader.required(asked.params, "name", str))
        if prompt is None:
            raise RpcError(protocol.INVALID_PARAMS, "this server has no such prompt")
        arguments = self._reader.mapping(asked.params, "arguments", {})
        required = {name for name, must in prompt.shown.arguments.items() if must}
        known = arguments.keys() <= prompt.shown.arguments.keys() and required <= arguments.keys()
        if not known or not all(isinstance(each, str) for each in arguments.values()):
            raise RpcError(protocol.INVALID_PARAMS, "the arguments are not those of the prompt")
        written = await _guarded(prompt.messages(arguments, self._context(asked)), "prompts/get")
        return {
            "description": prompt.shown.description,
            "messages": [{"role": each.role, "content": content_to(each.content)} for each in written],
        }

    async def _complete(self, asked: _Asked) -> dict[str, Any]:
        if self.offer.completer is None:
            raise RpcError(protocol.METHOD_NOT_FOUND, "this server completes nothing")
        about = self._reader.mapping(asked.params, "ref")
        which = self._reader.required(about, "name" if about.get("type") == "ref/prompt" else "uri", str)
        argument = self._reader.mapping(asked.params, "argument")
        name, value = self._reader.required(argument, "name", str), self._reader.required(argument, "value", str)
        given = dict(zip(self.offer.completer.parameters, (which, name, value), strict=True))
        found = await _guarded(self.offer.completer.call(given, None), "completion/complete")
        values = as_list(found)
        return {"completion": {"values": values, "total": len(found or ()), "hasMore": len(found or ()) > len(values)}}

    def _context(self, asked: _Asked) -> MCPContext:
        meta = self._reader.optional(asked.params, "_meta", dict, {})
        token, key = meta.get("progressToken"), meta.get(protocol.IDEMPOTENCY_KEY)
        known = isinstance(token, int | str) and not isinstance(token, bool)
        return MCPContext(
            asked.caller, token if known else None, key if isinstance(key, str) else secrets.token_hex(16)
        )


def _question(raised: BaseException) -> InputRequired | None:
    """The question that ended a call, also where a task group has wrapped it."""
    if isinstance(raised, InputRequired):
        return raised
    inside: tuple[BaseException, ...] = getattr(raised, "exceptions", ())
    return next((found for each in inside if (found := _question(each)) is not None), None)


async def _guarded(work: Awaitable[Any], step: str) -> Any:
    """What a function of the user's gives; what it raises stays in this process."""
    try:
        return await work
    except (RpcError, InferailError):
        raise
    except Exception as error:
        raise RpcError(protocol.INTERNAL_ERROR, f"{step} failed ({type(error).__name__})") from error


def _tool(tool: RunnableTool) -> dict[str, Any]:
    definition, permission = tool.definition, tool.permission
    shown: dict[str, Any] = {
        "name": definition.name,
        "description": definition.description,
        "inputSchema": {"type": "object", **definition.parameters},
    }
    hints = {"readOnlyHint": permission == "read"}
    return {
        **shown,
        "annotations": hints if permission == "read" else {**hints, "destructiveHint": permission != "write"},
    }


def _resource(shown: MCPResource) -> dict[str, Any]:
    address = "uriTemplate" if shown.template else "uri"
    listed = {address: shown.uri, "name": shown.name or shown.uri}
    if shown.description:
        listed["description"] = shown.description
    return {**listed, "mimeType": shown.mime_type} if shown.mime_type else listed


def _called(outcome: ToolOutcome) -> dict[str, Any]:
    result = outcome.value if isinstance(outcome.value, MCPResult) else result_of(outcome.content)
    sent: dict[str, Any] = {"content": [content_to(each) for each in result.content]}
    if result.structured is not None:
        sent["structuredContent"] = result.structured
    return {**sent, "isError": True} if outcome.is_error or result.is_error else sent

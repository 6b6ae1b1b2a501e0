"""A request as the row of blocks that a provider's cache compares: tools, schema, system text, turns.

Each block is the same bytes whenever it says the same, whatever the order in which a program happened to make its dictionaries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from inferail.pipelines.conversation.encoding import message_to_data
from inferail.types.message import Message, Text

if TYPE_CHECKING:
    from inferail.pipelines.conversation.counting import PromptCounter
    from inferail.types.request import Request
    from inferail.types.tools import Tool

__all__ = ["Block", "blocks_of", "stable_schema", "stable_tools"]


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a prompt.

    Attributes:
        place: Which: `tool search`, `output schema`, `system text 1`, `message 3 (user)`.
        text: What is compared.
        tokens: How many it has.
        until: Tokens up to its end.
        cache: The breakpoint at its end, or False.
        digest: Of everything up to its end.
    """

    place: str
    text: str = field(repr=False)
    tokens: int
    until: int
    cache: str | bool
    digest: bytes = field(repr=False)


def blocks_of(request: Request, counter: PromptCounter) -> tuple[Block, ...]:
    """The blocks of a request in the order in which a prefix of them is compared.

    Sampling is no part of it: no provider keeps another prefix for another temperature.
    """
    found: list[tuple[str, str, int, str | bool]] = []
    base = before = counter.count([]).tokens
    for number, tool in enumerate(request.tools):
        tokens = counter.count([], tools=request.tools[: number + 1]).tokens
        text = _text([tool.name, tool.description, tool.parameters, tool.strict])
        found.append((f"tool {tool.name}", text, tokens - before, tool.cache))
        before = tokens
    if request.output is not None:
        tokens = counter.count([], schema=request.output.schema).tokens - base
        found.append(("output schema", _text([request.output.schema, request.output.name]), tokens, False))
    numbers = {"system": 0, "turns": 0}
    for message in request.messages:
        group = "system" if message.role == "system" else "turns"
        numbers[group] += 1
        label = f"system text {numbers[group]}" if group == "system" else f"message {numbers[group]} ({message.role})"
        found += _message_blocks(message, label, counter)
    made: list[Block] = []
    digest = hashlib.sha256(b"")
    until = 0
    for place, text, tokens, cache in found:
        digest.update(f"{len(text)}:".encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
        until += tokens
        made.append(Block(place, text, tokens, until, cache, digest.digest()))
    return tuple(made)


def stable_tools(tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """The tools in an order that does not depend on where they come from: by name, their schemas with sorted names.

    A breakpoint stays at the end of the same number of tools.
    """
    marks = [tool.cache for tool in tools]
    ordered = sorted(tools, key=lambda tool: tool.name)
    return tuple(
        replace(tool, parameters=stable_schema(tool.parameters), cache=mark)
        for tool, mark in zip(ordered, marks, strict=True)
    )


def stable_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every object's names sorted, and `required` too: what it allows is the same.

    For tools. In the schema of an answer the order of `properties` is the order in which a model writes, and means something.
    """
    return cast("dict[str, Any]", _sorted(schema))


def _sorted(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        return {key: _sorted(items[key], key) for key in sorted(items, key=str)}
    if isinstance(value, list | tuple | set | frozenset):
        listed = [_sorted(item) for item in cast("Sequence[Any]", value)]
        if name == "required" or isinstance(value, set | frozenset):
            return sorted(listed, key=str)
        return listed
    return value


def _message_blocks(message: Message, label: str, counter: PromptCounter) -> list[tuple[str, str, int, str | bool]]:
    found: list[tuple[str, str, int, str | bool]] = []
    whole = counter.cost(message)
    counted = 0
    last = len(message.parts) - 1
    for number, part in enumerate(message.parts):
        alone = Message(message.role, (part,), message.provider)
        tokens = whole - counted if number == last else min(counter.cost(alone), whole - counted)
        counted += tokens
        text = (
            part.text if isinstance(part, Text) and part.signature is None else _text(message_to_data(alone)["parts"])
        )
        found.append((label, f"{message.role}\n{text}", tokens, message.cache if number == last else False))
    return found


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)

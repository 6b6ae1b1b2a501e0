"""A request to a model: messages, tools, output schema, sampling. Frozen data, checked when made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.frozen import quick
from inferail.types.message import Message, ToolCall, ToolResult
from inferail.types.scope import check_labels
from inferail.types.tools import Tool

__all__ = ["OutputMode", "OutputSchema", "Request", "Sampling"]

OutputMode: TypeAlias = Literal["auto", "native", "tool", "json", "prompt"]


@quick
@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn and when to stop. None leaves a choice to the provider.

    Attributes:
        temperature: 0 to 2; 0 is the most likely token every time.
        top_p: 0 to 1; draw only from the most likely tokens that hold this share of the probability.
        top_k: At least 1; draw only from the k most likely tokens.
        max_tokens: At least 1; upper bound on the answer's tokens.
        stop: Strings that end the answer; they are not part of it.
        seed: Same seed, same draws, where the provider supports it.
        presence_penalty: -2 to 2.
        frequency_penalty: -2 to 2.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None

    def __post_init__(self) -> None:
        _within("temperature", self.temperature, 0.0, 2.0)
        _within("top_p", self.top_p, 0.0, 1.0)
        _within("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        _at_least_one("top_k", self.top_k)
        _at_least_one("max_tokens", self.max_tokens)
        if not isinstance(self.stop, Sequence | set | frozenset) or isinstance(self.stop, str):
            raise ConfigError("stop must be a tuple of non-empty strings, for example stop=('END',)")
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ConfigError("stop must be a tuple of non-empty strings, for example stop=('END',)")
        if not isinstance(self.stop, tuple):
            object.__setattr__(self, "stop", tuple(self.stop))
        if self.seed is not None and not isinstance(self.seed, int):
            raise ConfigError("seed must be an integer")

    def over(self, defaults: Sampling) -> Sampling:
        """These choices, and `defaults` where this one leaves a choice open."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) not in (None, ())}
        kept = {f.name: getattr(defaults, f.name) for f in fields(self)}
        return Sampling(**{**kept, **chosen})


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The answer must be JSON of this schema.

    Attributes:
        schema: JSON Schema of the answer, an object's for most providers.
        name: Labels it for providers that ask for a name.
        strict: Have the provider enforce it, in the subset of JSON Schema that it can; False sends it as it is.
        mode: How the provider is asked: `native` (its own parameter for a schema), `tool` (a forced call whose arguments
            are the answer), `json` (its JSON mode and an instruction), `prompt` (the instruction alone), or `auto`: the
            first of these that the model has and that can say the schema.
        nulls: Whether whoever reads the answer takes null for a property that is left out. Providers that want every
            property to be there can enforce a schema with optional ones only then. Clients do.
    """

    schema: Mapping[str, Any]
    name: str = "output"
    strict: bool = True
    mode: OutputMode = "auto"
    nulls: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "native", "tool", "json", "prompt"):
            raise ConfigError(f"mode must be auto, native, tool, json or prompt, not {self.mode!r}")


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """Everything a model needs to answer. Stateless: the whole conversation is in `messages`.

    Attributes:
        messages: System messages first, then turns. A tool result follows the call it answers.
        tools: Tools the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of one of `tools`.
        output: JSON Schema of the answer, if it must be JSON.
        sampling: How tokens are drawn.
        provider_options: Per provider name, a mapping merged verbatim into that provider's body.
        labels: Free labels (task, priority, tenant) carried to the records; never sent to a provider.

    Raises:
        ConfigError: Messages empty or out of order, a tool result without its call, an unknown tool choice.
    """

    messages: tuple[Message, ...] = field(repr=False)
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    output: OutputSchema | None = None
    sampling: Sampling = field(default_factory=Sampling)
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]], repr=False)
    labels: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        for name in ("messages", "tools"):
            if not isinstance(given := getattr(self, name), tuple):
                object.__setattr__(self, name, tuple(given))
        if not isinstance(self.sampling, Sampling):
            raise ConfigError("sampling must be a Sampling, for example ir.Sampling(temperature=0.2)")
        check_labels(self.labels)
        _check_messages(self.messages)
        _check_tools(self.tools, self.tool_choice)
        # `dict` first: the check of an abstract class takes five times as long.
        if not isinstance(self.provider_options, (dict, Mapping)):
            raise ConfigError("provider_options must be a mapping, for example {'openai': {'service_tier': 'flex'}}")
        for name, options in self.provider_options.items():
            if not isinstance(options, Mapping):
                raise ConfigError(f"provider_options[{name!r}] must be a mapping, for example {{{name!r}: {{…}}}}")

    @property
    def system_text(self) -> str:
        """The system messages, joined by blank lines; empty if there are none."""
        return "\n\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages after the system messages."""
        return tuple(message for message in self.messages if message.role != "system")


def _check_messages(messages: Sequence[Message]) -> None:
    if not messages:
        raise ConfigError("messages is empty: pass a prompt, or a list such as [ir.user('Hello')]")
    waiting: dict[str, None] = {}
    turn_begun = False
    for number, message in enumerate(messages):
        if not isinstance(message, Message):
            raise ConfigError("messages must be Message objects: make them with ir.system, ir.user, ir.assistant")
        if not message.parts:
            raise ConfigError(f"message {number} ({message.role}) is empty: give it text or another part")
        if message.role != "system":
            turn_begun = True
        elif turn_begun:
            raise ConfigError(f"message {number} is a system message after the conversation began: put it first")
        _check_tool_flow(number, message, waiting)
    if not turn_begun:
        raise ConfigError("there is only a system message: add an ir.user(...) message for the model to answer")
    if waiting:
        raise ConfigError(f"tool call {next(iter(waiting))!r} has no result: add ir.tool_result(call, …) after it")


def _check_tool_flow(number: int, message: Message, waiting: dict[str, None]) -> None:
    for part in message.parts:
        if isinstance(part, ToolResult):
            if message.role != "tool":
                raise ConfigError(f"message {number} holds a tool result: its role must be 'tool'")
            if part.call_id not in waiting:
                raise ConfigError(
                    f"message {number} is the result of {part.call_id!r}, which no message before it called"
                )
            del waiting[part.call_id]
        elif message.role == "tool":
            raise ConfigError(f"message {number} has the role 'tool' and may hold tool results only")
    if message.role != "tool" and waiting:
        raise ConfigError(f"message {number} comes before the result of tool call {next(iter(waiting))!r}")
    for part in message.parts:
        if isinstance(part, ToolCall):
            if message.role != "assistant":
                raise ConfigError(f"message {number} holds a tool call: its role must be 'assistant'")
            if part.id in waiting:
                raise ConfigError(f"message {number} holds two tool calls with the id {part.id!r}: give each its own")
            waiting[part.id] = None


def _check_tools(tools: Sequence[Tool], choice: str | None) -> None:
    if not tools and choice is None:
        return
    if not all(isinstance(tool, Tool) for tool in tools):
        raise ConfigError("tools must be Tool objects: make them with ir.Tool(name, description, parameters)")
    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        raise ConfigError("two tools have the same name")
    if choice is None or choice in ("auto", "none"):
        return
    if not names:
        raise ConfigError(f"tool_choice={choice!r} without tools: pass tools=[…] as well")
    if choice != "required" and choice not in names:
        raise ConfigError(f"tool_choice={choice!r} is not one of auto, none, required or {', '.join(names)}")


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        raise ConfigError(f"{name} must be between {low:g} and {high:g}, not {value!r}")


def _at_least_one(name: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(f"{name} must be an integer of at least 1, not {value!r}")


NO_SAMPLING = Sampling()

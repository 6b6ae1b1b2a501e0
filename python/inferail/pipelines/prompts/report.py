"""Where the tokens of a prompt are: by message and heading, tools, schema; and what they cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.pipelines.conversation.counting import PromptCounter
from inferail.pipelines.prompts.template import PromptTemplate, Rendered
from inferail.telemetry.prices import PriceTable, cost_usd
from inferail.types.message import Audio, File, Image, Message, Text
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.tools import Tool

__all__ = ["Section", "TokenReport", "sample", "text_tokenizer", "token_report"]

_HEADING: Final = re.compile(r"^(?:#{1,6}[ \t]+(?P<words>[^\n]+)|<(?P<tag>[A-Za-z][\w-]*)>[ \t]*$)", re.MULTILINE)
_STANDS_IN: Final = "o200k_base"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a prompt and its tokens.

    Attributes:
        name: Which: `system`, `system › Rules`, `tool search`, `output schema`, `around messages`.
        tokens: How many it has.
        share: Of the whole, 0 to 1.
    """

    name: str
    tokens: int
    share: float


@dataclass(frozen=True, slots=True)
class TokenReport:
    """Where the tokens of a prompt are. `str()` is a table.

    Attributes:
        name: The prompt.
        model: For which model they were counted.
        sections: In the order of the prompt; their tokens add up to `tokens`.
        tokens: All of them.
        usd: What the prompt costs once, US dollars; None where no price is known.
        estimate: Why the numbers can be off; None where they are exact.
    """

    name: str
    model: str
    sections: tuple[Section, ...]
    tokens: int
    usd: float | None
    estimate: str | None

    def __str__(self) -> str:
        width = max((len(section.name) for section in self.sections), default=5)
        lines = [f"{self.name} for {self.model}"]
        lines += [f"{section.name:<{width}}  {section.tokens:>8,}  {section.share:>4.0%}" for section in self.sections]
        lines.append(f"{'all':<{width}}  {self.tokens:>8,}")
        if self.usd is not None:
            lines.append(f"As a prompt: ${self.usd:.6f} a call, ${self.usd * 1000:.2f} a thousand calls")
        if self.estimate is not None:
            lines.append(f"An estimate: {self.estimate}")
        return "\n".join(lines)


def token_report(
    prompt: PromptTemplate | Rendered | Sequence[Message],
    model: str,
    *,
    variables: Mapping[str, Any] | None = None,
    tools: Sequence[Tool] = (),
    output: Mapping[str, Any] | None = None,
    prices: PriceTable | None = None,
) -> TokenReport:
    """The tokens of a prompt by section.

    A section of a message begins with a Markdown heading or with an XML tag alone on its line. A template is rendered first;
    a variable that is not given has its default, or the smallest value that its schema allows.

    Args:
        prompt: A template, what one was rendered to, or messages.
        model: `provider:model`: whose tokens, whose price.
        variables: Of a template.
        tools: Tools that are sent with it.
        output: JSON Schema of the answer that is sent with it; by default that of the prompt.
        prices: The table; None is the bundled one.

    Raises:
        ConfigError: The template cannot be rendered with these variables.
    """
    name = prompt.name if isinstance(prompt, PromptTemplate | Rendered) else "messages"
    if isinstance(prompt, PromptTemplate):
        given = {**_samples(prompt), **prompt.defaults, **(variables or {})}
        known = {tool.name: tool for tool in tools}
        prompt = prompt.render(given, tools=[known.get(each) or _named(each) for each in prompt.settings.tools])
    if isinstance(prompt, Rendered):
        output = prompt.output if output is None else output
        named = {tool.name for tool in prompt.tools}
        tools = (*prompt.tools, *(tool for tool in tools if tool.name not in named))
        messages: Sequence[Message] = prompt.messages
    else:
        messages = prompt
    counter = PromptCounter(model)
    whole, estimate = counter.count(messages, tools=tools, schema=output)
    found = list(_sections(messages, counter, text_tokenizer(model)))
    bare = counter.count(messages).tokens
    found.append(("around messages", bare - sum(tokens for _, tokens in found)))
    before = bare
    for number, tool in enumerate(tools):
        with_tool = counter.count(messages, tools=tools[: number + 1]).tokens
        found.append((f"tool {tool.name}", with_tool - before))
        before = with_tool
    if output is not None:
        found.append(("output schema", whole - before))
    provider, _, bare_name = model.rpartition(":")
    usd = cost_usd(provider or "openai", bare_name, Usage(input_tokens=whole), prices=prices)
    sections = tuple(Section(title, tokens, tokens / whole if whole else 0.0) for title, tokens in found if tokens)
    return TokenReport(name, model, sections, whole, usd, estimate)


def text_tokenizer(model: str) -> Tokenizer:
    """The tokenizer of a model, or one that stands in for it."""
    try:
        return Tokenizer.for_model(model)
    except ConfigError:
        return Tokenizer.named(_STANDS_IN)


def sample(schema: Mapping[str, Any]) -> Any:
    """The smallest value that fits a schema of variables, for looking at a prompt without having any."""
    if "default" in schema:
        return schema["default"]
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return sample(schema[name][0])
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else cast("Sequence[str]", kinds)[0]
    match kind:
        case "object":
            properties: Mapping[str, Any] = schema.get("properties", {})
            return {name: sample(properties.get(name, {})) for name in schema.get("required", ())}
        case "array":
            return [sample(schema.get("items", {}))] * schema.get("minItems", 0)
        case "integer" | "number":
            return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "x" * schema.get("minLength", 0)


def _samples(prompt: PromptTemplate) -> dict[str, Any]:
    if prompt.schema is None:
        return {}
    made: dict[str, Any] = sample(prompt.schema)
    return made


def _named(name: str) -> Tool:
    from inferail.types.tools import Tool

    return Tool(name)


def _sections(messages: Sequence[Message], counter: PromptCounter, tokenizer: Tokenizer) -> Iterator[tuple[str, int]]:
    seen: dict[str, int] = {}
    for message in messages:
        seen[message.role] = seen.get(message.role, 0) + 1
        title = message.role if seen[message.role] == 1 else f"{message.role} {seen[message.role]}"
        text = message.text
        begins, name, counted = 0, title, 0
        for found in [*_HEADING.finditer(text), None]:
            end = len(text) if found is None else found.start()
            # By what the text has up to here: pieces counted alone would not add up to the whole.
            until = tokenizer.count(text[:end])
            if end > begins and until > counted:
                yield name, until - counted
            counted = max(until, counted)
            if found is not None:
                words = found["words"] or found["tag"]
                begins, name = end, f"{title} › {words.strip()[:40]}"
        others = tuple(part for part in message.parts if not isinstance(part, Text))
        for part in others:
            alone = counter.cost(Message("user", (Text("x"), part))) - counter.cost(Message("user", (Text("x"),)))
            if isinstance(part, Image | Audio | File) and alone:
                yield f"{title} › {type(part).__name__.lower()}", alone

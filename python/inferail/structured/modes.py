"""How one provider is asked for JSON of a schema: native schema, tool, JSON mode or prompt; and a tool's answer as text.

The rest of the house knows none of this: a Model is given a Request with `output`, and its Response has the JSON as text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.structured.compiling import Compiled, Inexpressible, compile_schema
from inferail.structured.subsets import Provider, WireMode, modes_of
from inferail.structured.words import INSTRUCTION, TOOL_DESCRIPTION
from inferail.types.message import Message, Text
from inferail.types.request import OutputSchema, Request
from inferail.types.tools import Tool

if TYPE_CHECKING:
    from inferail.types.response import Response

__all__ = ["Plan", "as_text", "plan"]

_TITLES: Final = {
    "native": "native schema",
    "tool": "tool mode: the arguments of a call are the answer",
    "json": "JSON mode and an instruction",
    "prompt": "prompt mode: an instruction alone",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one model is asked.

    Attributes:
        request: What its codec writes: the schema in the provider's subset, or a tool, or an instruction.
        mode: Which way.
        tool: The tool whose arguments are the answer, in tool mode; else empty.
        left_out: What only the check of the answer enforces.
        strict: Whether the provider is asked to enforce the schema.
    """

    request: Request
    mode: WireMode
    tool: str = ""
    left_out: tuple[str, ...] = ()
    strict: bool = False

    @property
    def title(self) -> str:
        """The way in words, for `explain`."""
        loose = ", not enforced by the provider" if self.mode == "native" and not self.strict else ""
        checked = f"; only checked afterwards: {', '.join(self.left_out)}" if self.left_out else ""
        return f"{_TITLES[self.mode]}{loose}{checked}"


def plan(request: Request, provider: str, model: str) -> Plan:
    """How a provider's model is asked for the output of `request`, which has one.

    Raises:
        ConfigError: It was to be asked in a mode that it does not have, or whose schemas cannot say this one.
    """
    output = request.output
    if output is None:
        raise AssertionError("plan() of a request without an output schema")
    known, modes = modes_of(provider, model, with_tools=bool(request.tools))
    if output.mode != "auto":
        if output.mode not in known.modes:
            raise ConfigError(f"{provider} has no {output.mode} mode for output: it has {', '.join(known.modes)}")
        modes = (output.mode,)
    refusal: Inexpressible | None = None
    for mode in modes:
        try:
            return _planned(request, output, mode, known)
        except Inexpressible as error:
            refusal = error
    raise ConfigError(
        f"{provider} cannot enforce {refusal and refusal.feature} (at {(refusal and refusal.place) or 'the root'}) in a "
        "native schema: pass ir.Output(…, mode='tool'), or leave the mode to inferail"
    )


def _planned(request: Request, output: OutputSchema, mode: WireMode, known: Provider) -> Plan:
    if mode == "native":
        compiled, strict = _native(output, known)
        if compiled.schema is output.schema and strict == output.strict:
            return Plan(request, mode, "", (), strict)
        written = OutputSchema(compiled.schema, output.name, strict, "native", output.nulls)
        return Plan(replace(request, output=written), mode, "", compiled.left_out, strict)
    if mode == "tool":
        tool = _tool(output, request)
        tools = (*request.tools, tool)
        choice = request.tool_choice
        if choice == "none":
            choice = tool.name
        elif choice in (None, "auto"):  # of one tool this is the choice of it, which not every provider can be told
            choice = "required"
        return Plan(replace(request, tools=tools, tool_choice=choice, output=None), mode, tool.name)
    instruction = Message("system", (Text(INSTRUCTION.replace("{schema}", _dumped(output))),))
    place = sum(message.role == "system" for message in request.messages)
    messages = (*request.messages[:place], instruction, *request.messages[place:])
    kept = replace(output, mode="json", strict=False) if mode == "json" else None
    return Plan(replace(request, messages=messages, output=kept), mode)


def _native(output: OutputSchema, known: Provider) -> tuple[Compiled, bool]:
    """The schema in the provider's subset, and whether it is to be enforced.

    Raises:
        Inexpressible: The subset has no such schema, and the provider takes no other one.
    """
    if known.subset is None or not (output.strict or not known.loose):
        return Compiled(output.schema), output.strict
    try:
        compiled = compile_schema(output.schema, known.subset, nulls=output.nulls)
    except Inexpressible as refusal:
        if not known.loose or output.mode == "native":
            raise
        return Compiled(output.schema, (str(refusal),)), False
    return (Compiled(output.schema) if compiled.schema == output.schema else compiled), output.strict


def _tool(output: OutputSchema, request: Request) -> Tool:
    name = output.name if output.name[:1].isalpha() else f"answer_{output.name}"[:64]
    taken = {"auto", "none", "required", *(tool.name for tool in request.tools)}
    while name in taken:
        name = f"answer_{name}"[:64]
    described = output.schema.get("description")
    description = f"{TOOL_DESCRIPTION} {described}" if isinstance(described, str) else TOOL_DESCRIPTION
    return Tool(name, description, output.schema, side_effects=False)


def _dumped(output: OutputSchema) -> str:
    import json

    try:
        return json.dumps(output.schema, ensure_ascii=False, separators=(",", ":"), default=dict)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("the output schema holds what is not JSON") from None


def as_text(response: Response[Any], tool: str) -> Response[Any]:
    """A response in tool mode as one in any other: the arguments of `tool` are its text."""
    message = answer_in(response.message, tool)
    if message is None:
        return response
    warnings = response.warnings
    beside = [part for part in response.message.parts if isinstance(part, Text) and part.text.strip()]
    if beside or len(response.tool_calls) > 1:
        warnings = (*warnings, "what the model wrote beside its answer was left out")
    reason = "stop" if response.finish_reason == "tool_calls" else response.finish_reason
    return replace(response, message=message, finish_reason=reason, warnings=warnings)


def answer_in(message: Message, tool: str) -> Message | None:
    """The turn with the first call of `tool` as its text; None where it has no such call."""
    call = next((call for call in message.tool_calls if call.name == tool), None)
    if call is None:
        return None
    others = [part for part in message.parts if part is not call and not isinstance(part, Text | type(call))]
    return replace(message, parts=(*others, Text(call.arguments)))

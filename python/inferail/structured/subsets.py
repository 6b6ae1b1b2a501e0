"""What of JSON Schema each provider can enforce, and which of its models can be held to a schema at all.

What is known of the providers' pages about structured outputs as of November 2026: Gemini's rules for references and Groq's list of
models were looked up, the others come from memory, and none was tried on a provider. What is not known is sent as it is: a
server that refuses it says so. Everything left out here is enforced by the check of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["PROVIDERS", "Provider", "Subset", "WireMode", "modes_of"]

WireMode: TypeAlias = Literal["native", "tool", "json", "prompt"]


@dataclass(frozen=True, slots=True)
class Subset:
    """What of JSON Schema a provider can enforce.

    Attributes:
        name: The key of the compiled schemas.
        keywords: Assertions that it knows, besides types, enums, properties, items and alternatives.
        formats: Values of `format` that it knows; the others are said in the description.
        min_items: The largest `minItems` that it knows.
        closed: Whether every object must list all its properties (`additionalProperties: false`), so that no map is possible.
        required: Whether every property must be required; what may be left out may be null instead.
        references: Whether it knows `$ref`; it is written out otherwise.
        siblings: Whether other keywords may stand beside `$ref`.
        recursion: Whether a schema may contain itself: not at all, where each circle has an optional property, or anyhow.
        const: Whether it knows `const`; it is an `enum` of one otherwise.
        tuples: Whether it knows `prefixItems`.
        anchored: Whether a pattern must match the whole string (`^…$`).
        untyped: Whether a schema may leave the type open.
    """

    name: str
    keywords: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    min_items: int | None = None
    closed: bool = True
    required: bool = False
    references: bool = True
    siblings: bool = True
    recursion: Literal["no", "optional", "yes"] = "yes"
    const: bool = True
    tuples: bool = False
    anchored: bool = False
    untyped: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider can be asked for JSON of a schema.

    Attributes:
        modes: What it has, the best first.
        subset: What its native mode can enforce; None where the schema is sent as it is.
        loose: Whether its native mode takes a schema outside of the subset as well, without enforcing it (`strict: false`).
        models: Modes of models that have others than the rest: the first pattern that matches the name decides.
        with_tools: Patterns of models whose native mode cannot be had beside tools.
    """

    modes: tuple[WireMode, ...] = ("native", "tool", "json", "prompt")
    subset: Subset | None = None
    loose: bool = False
    models: tuple[tuple[str, tuple[WireMode, ...]], ...] = ()
    with_tools: str | None = None


_NO_NATIVE: Final[tuple[WireMode, ...]] = ("tool", "json", "prompt")
_JSON: Final[tuple[WireMode, ...]] = ("json", "tool", "prompt")
_NO_JSON: Final[tuple[WireMode, ...]] = ("native", "tool", "prompt")
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

# Structured outputs: all properties required, objects closed; string lengths, `allOf`, `not`, `if` and maps are not supported.
_OPENAI: Final = Subset(
    "openai",
    _NUMBERS | {"pattern", "minItems", "maxItems"},
    _FORMATS,
    required=True,
    siblings=False,
)
# As Groq's page has it: the shape of OpenAI's without its bounds.
_GROQ: Final = Subset("groq", required=True, siblings=False)
# Structured outputs: no recursion, no bounds of numbers and lengths, `minItems` of 0 and 1 only.
_ANTHROPIC: Final = Subset(
    "anthropic", frozenset({"pattern", "minItems"}), _FORMATS | {"uri"}, min_items=1, recursion="no"
)
# The fields of `responseJsonSchema` in the API's reference; nothing may stand beside a `$ref`.
_GEMINI: Final = Subset(
    "gemini",
    frozenset({"minimum", "maximum", "minItems", "maxItems"}),
    frozenset({"date-time", "date", "time"}),
    closed=False,
    siblings=False,
    recursion="optional",
    const=False,
    tuples=True,
    untyped=True,
)
# "JSON Schema support" on Cohere's page: at least one required property, no bounds, no schemas that contain themselves.
_COHERE: Final = Subset(
    "cohere",
    frozenset({"pattern"}),
    frozenset({"date-time", "uuid", "date", "time"}),
    closed=False,
    required=True,
    references=False,
    recursion="no",
)
# llama.cpp's conversion of schemas to grammars.
_OLLAMA: Final = Subset(
    "ollama",
    frozenset({"minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum"}),
    frozenset({"date", "time", "date-time", "uuid"}),
    closed=False,
    siblings=False,
    tuples=True,
    anchored=True,
    untyped=True,
)

PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": Provider(
        subset=_OPENAI,
        loose=True,
        models=(
            (r"gpt-3\.5|gpt-4(?:-|\Z)|gpt-4o-2024-05-13", _NO_NATIVE),
            (r"o1-(?:mini|preview)", ("prompt",)),
        ),
    ),
    "openai_responses": Provider(
        subset=_OPENAI, loose=True, models=((r"gpt-3\.5|gpt-4(?:-|\Z)|gpt-4o-2024-05-13", _NO_NATIVE),)
    ),
    "openrouter": Provider(subset=_OPENAI, loose=True),
    "anthropic": Provider(
        modes=_NO_JSON,
        subset=_ANTHROPIC,
        models=((r"claude-(?:2|3|instant)|claude-(?:sonnet|opus)-4(?:-0|-2025\d+)?\Z", ("tool", "prompt")),),
    ),
    "bedrock": Provider(modes=_NO_JSON, subset=_ANTHROPIC),
    "gemini": Provider(
        subset=_GEMINI,
        models=((r"(?:models/)?gemma", ("prompt",)), (r"(?:models/)?gemini-1\.0", ("tool", "prompt"))),
        with_tools=r"(?:models/)?gemini-[12]\.",
    ),
    "groq": Provider(
        subset=_GROQ,
        loose=True,
        models=((r"(?!openai/gpt-oss|moonshotai/kimi|meta-llama/llama-4)", _JSON),),
        with_tools=r"",
    ),
    "deepseek": Provider(modes=_JSON),
    # Few of its models enforce a schema, all have JSON mode.
    "qwen": Provider(modes=(*_JSON, "native")),
    "mistral": Provider(loose=True, models=((r"open-mi[sx]tral-|mistral-tiny", _JSON),)),
    "cohere": Provider(subset=_COHERE),
    "ollama": Provider(modes=("native", "json", "prompt"), subset=_OLLAMA),  # no call can be forced
    "tgi": Provider(modes=_NO_JSON),
}
_OTHER: Final = Provider()


def modes_of(provider: str, model: str, *, with_tools: bool) -> tuple[Provider, tuple[WireMode, ...]]:
    """A provider, and the modes that one of its models has, the best first."""
    known = PROVIDERS.get(provider, _OTHER)
    modes: tuple[WireMode, ...] = next(
        (each for pattern, each in known.models if re.match(pattern, model)), known.modes
    )
    if with_tools and known.with_tools is not None and re.match(known.with_tools, model):
        modes = tuple(mode for mode in modes if mode == "tool") or modes
    return known, modes

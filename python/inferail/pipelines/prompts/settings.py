"""What the head of a prompt file says besides its schemas: model, version, sampling, tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from inferail.errors import ConfigError, FormatError
from inferail.types.registry import schemes
from inferail.types.request import NO_SAMPLING, Sampling

__all__ = ["Settings", "settings_of"]

_SEMVER: Final = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?\Z")
# The names of dotprompt, as Google's libraries have them, and ours.
_SAMPLING: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "topK": "top_k",
    "top_k": "top_k",
    "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxTokens": "max_tokens",
    "max_tokens": "max_tokens",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "stop": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "presence_penalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "frequency_penalty": "frequency_penalty",
}
_PROVIDERS: Final = {"googleai": "gemini", "vertexai": "gemini", "google": "gemini", "google-ai": "gemini"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the head of a prompt file says besides its schemas.

    Attributes:
        model: As `provider:model`, or None.
        version: The version that a person gave it, or None.
        description: What it is for.
        sampling: How tokens are drawn.
        provider_options: Under `config`, what stands under a provider's name.
        tools: Names of tools.
        metadata: Everything in the head that means nothing here.
    """

    model: str | None = None
    version: str | None = None
    description: str = ""
    sampling: Sampling = NO_SAMPLING
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    tools: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


_READ: Final = frozenset({"model", "version", "description", "config", "tools", "input", "output", "name", "variant"})


def settings_of(head: Mapping[str, Any]) -> Settings:
    """The settings in a head.

    Raises:
        FormatError: Something of it has the wrong type, or means nothing.
    """
    sampling, options = _config(head.get("config"))
    return Settings(
        _model(head.get("model")),
        _version(head.get("version")),
        str(head.get("description") or ""),
        sampling,
        options,
        _tools(head.get("tools")),
        {name: value for name, value in head.items() if name not in _READ},
    )


def _model(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given:
        raise FormatError("model in the head is a text: openai/gpt-5-mini, or openai:gpt-5-mini")
    if ":" in given and given.partition(":")[0] in schemes():
        return given
    provider, slash, model = given.partition("/")
    return f"{_PROVIDERS.get(provider, provider)}:{model}" if slash else given


def _version(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not _SEMVER.match(given):
        raise FormatError("version in the head is a semantic version of three numbers: 1.2.0")
    return given


def _tools(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in cast("list[object]", given)):
        raise FormatError("tools in the head is a list of names")
    return tuple(cast("list[str]", given))


def _config(given: object) -> tuple[Sampling, dict[str, Mapping[str, Any]]]:
    if given is None:
        return NO_SAMPLING, {}
    if not isinstance(given, Mapping):
        raise FormatError("config in the head is a mapping")
    chosen: dict[str, Any] = {}
    options: dict[str, Mapping[str, Any]] = {}
    for name, value in cast("Mapping[str, Any]", given).items():
        if name in _SAMPLING:
            is_list = isinstance(value, Sequence) and not isinstance(value, str)
            chosen[_SAMPLING[name]] = tuple(cast("Sequence[Any]", value)) if is_list else value
        elif isinstance(value, Mapping) and _PROVIDERS.get(name, name) in schemes():
            options[_PROVIDERS.get(name, name)] = cast("Mapping[str, Any]", value)
        else:
            raise FormatError(
                f"config in the head has {name[:40]}, which is no way to draw tokens: put what is a provider's own under "
                f"its name, config: {{gemini: {{{name[:40]}: …}}}}"
            )
    try:
        return Sampling(**chosen), options
    except ConfigError as error:
        raise FormatError(f"config in the head: {error.message}") from None

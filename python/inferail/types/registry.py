"""`"scheme:name"` to a Model. Schemes are lazy import strings, open to other packages through entry points."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from inferail.errors import ConfigError
from inferail.types.embedding import EmbeddingModel
from inferail.types.model import Model

__all__ = [
    "codec_class",
    "embedder_schemes",
    "register",
    "register_embedder",
    "resolve",
    "resolve_embedder",
    "schemes",
    "split",
]

_PROVIDERS = "inferail.providers.target:Target"
_SCHEMES: dict[str, str] = {
    "openai": _PROVIDERS,
    "tgi": _PROVIDERS,
    "anthropic": _PROVIDERS,
    "gemini": _PROVIDERS,
    "ollama": _PROVIDERS,
    "openai_responses": _PROVIDERS,
    "mistral": _PROVIDERS,
    "deepseek": _PROVIDERS,
    "qwen": _PROVIDERS,
    "groq": _PROVIDERS,
    "openrouter": _PROVIDERS,
    "vllm": _PROVIDERS,
    "compatible": _PROVIDERS,
    "bedrock": _PROVIDERS,
    "cohere": _PROVIDERS,
    "alias": "inferail.governance.aliased:Aliased",
}

_EMBEDDING_TARGET = "inferail.providers.embedding:EmbeddingTarget"
_EMBEDDERS: dict[str, str] = dict.fromkeys(
    ("openai", "mistral", "openrouter", "qwen", "vllm", "compatible", "gemini", "cohere", "ollama"), _EMBEDDING_TARGET
)
_EMBEDDERS["local"] = "inferail.engine.local:LocalEmbedder"
_EMBEDDERS["lexical"] = "inferail.engine.lexical:LexicalEmbedder"


def register(scheme: str, factory: str) -> None:
    """Makes `scheme:` known: `factory` is `"module:callable"`, called with the whole string and keyword options."""
    _register(_SCHEMES, scheme, factory)


def register_embedder(scheme: str, factory: str) -> None:
    """The same for an EmbeddingModel."""
    _register(_EMBEDDERS, scheme, factory)


def _register(homes: dict[str, str], scheme: str, factory: str) -> None:
    if not scheme.isidentifier():
        raise ConfigError(f"a scheme is an identifier such as 'openai', not {scheme!r}")
    if not all(factory.partition(":")):
        raise ConfigError(f"a factory is 'module:callable', not {factory!r}")
    homes[scheme] = factory


def schemes() -> list[str]:
    """Every known scheme, sorted."""
    return sorted({**_plugins("inferail.models"), **_SCHEMES})


def codec_class(scheme: str) -> type[Any] | None:
    """The codec class that another package has for `scheme`; None where it has a factory of Models, or nothing."""
    home = {**_plugins("inferail.models"), **_SCHEMES}.get(scheme, _PROVIDERS)
    loaded: object = None if home == _PROVIDERS else _load(home)
    return loaded if isinstance(loaded, type) and hasattr(loaded, "stream_decoder") else None


def embedder_schemes() -> list[str]:
    """Every scheme that embeds, sorted."""
    return sorted({**_plugins("inferail.embedders"), **_EMBEDDERS})


def split(model: str, known: list[str] | None = None) -> tuple[str, str]:
    """`"openai:gpt-5-mini"` to its scheme and name.

    Args:
        model: The string.
        known: The schemes it may have; by default those of the Models.

    Raises:
        ConfigError: No colon form, an unknown scheme, or no name; the message has the likely spelling.
    """
    if not isinstance(model, str):
        raise ConfigError(f"expected 'provider:model', not {type(model).__name__}")
    scheme, colon, name = model.partition(":")
    known = schemes() if known is None else known
    if not colon or scheme not in known:
        head, slash, tail = model.partition("/")
        if slash and head in known:
            raise ConfigError(f"write {head}:{tail} instead of {model}: provider and model are joined by a colon")
        if not colon:
            raise ConfigError(
                f"{model!r} names no provider: write provider:model, for example openai:{model or 'gpt-5-mini'}"
            )
        near = difflib.get_close_matches(scheme, known, n=1)
        hint = f"did you mean {near[0]}:{name}?" if near else f"known: {', '.join(known)}"
        raise ConfigError(f"unknown provider {scheme!r}: {hint}")
    if name != name.strip():
        raise ConfigError(f"write {scheme}:{name.strip()} without the blanks")
    if not name:
        raise ConfigError(f"{model!r} names no model: write {scheme}:model-name")
    return scheme, name


def resolve(model: str | Model, **options: Any) -> Model:
    """A Model from its string; a Model is given back as it is.

    Raises:
        ConfigError: An unknown string, a wrong type, or options together with a ready Model.
    """
    if isinstance(model, str):
        scheme, _ = split(model)
        home = _PROVIDERS if codec_class(scheme) else {**_plugins("inferail.models"), **_SCHEMES}[scheme]
        resolved: Model = _load(home)(model, **options)
        return resolved
    if isinstance(model, type) or not isinstance(model, Model):
        raise ConfigError(f"expected 'provider:model' or a Model, not {type(model).__name__}")
    if options:
        raise ConfigError(f"{', '.join(options)} can only be given with a 'provider:model' string")
    return model


def resolve_embedder(model: str | EmbeddingModel, **options: Any) -> EmbeddingModel:
    """An EmbeddingModel from its string; an EmbeddingModel is given back as it is.

    Raises:
        ConfigError: An unknown string, a wrong type, or options together with a ready EmbeddingModel.
    """
    if isinstance(model, str):
        scheme, _ = split(model, embedder_schemes())
        resolved: EmbeddingModel = _load({**_plugins("inferail.embedders"), **_EMBEDDERS}[scheme])(model, **options)
        return resolved
    if isinstance(model, type) or not isinstance(model, EmbeddingModel):
        raise ConfigError(f"expected 'provider:model' or an EmbeddingModel, not {type(model).__name__}")
    if options:
        raise ConfigError(f"{', '.join(options)} can only be given with a 'provider:model' string")
    return model


@cache
def _plugins(group: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=group)}


def _load(factory: str) -> Callable[..., Any]:
    module, _, attribute = factory.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return loaded

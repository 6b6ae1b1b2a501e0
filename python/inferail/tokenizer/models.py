"""Models and their tokenizers: which one counts for a model, exactly or as an estimate.

Three kinds of models:

* those of OpenAI that tiktoken names: their own tokenizer ships with the package;
* those whose tokenizer is public, but not ours to ship: it is taken from the Hugging Face cache if it is there;
* all others that are listed here: `o200k_base` stands in, and `Tokenizer.estimate` says for what and why.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.tokenizer import pretrained

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encoding_for_model", "for_model"]

# As tiktoken 0.14.0 has them. The first match wins, so what is fine-tuned comes before what it was made from.
_OPENAI: Final[tuple[tuple[str, str], ...]] = (
    ("o200k_harmony", "gpt-oss-*"),
    ("o200k_base", "o1 o1-* o3 o3-* o4-mini o4-mini-*"),
    ("o200k_base", "gpt-5* gpt-4.5-* gpt-4.1 gpt-4.1-* gpt-4o gpt-4o-* chatgpt-4o-* ft:gpt-4o*"),
    ("cl100k_base", "gpt-4 gpt-4-* gpt-3.5 gpt-3.5-turbo gpt-3.5-turbo-* gpt-35-turbo gpt-35-turbo-*"),
    ("cl100k_base", "ft:gpt-4* ft:gpt-3.5-turbo* ft:davinci-002* ft:babbage-002* davinci-002 babbage-002"),
    ("cl100k_base", "text-embedding-ada-002 text-embedding-3-small text-embedding-3-large"),
    ("p50k_edit", "text-davinci-edit-001 code-davinci-edit-001"),
    ("p50k_base", "text-davinci-003 text-davinci-002 code-davinci-00[12] code-cushman-00[12]"),
    ("p50k_base", "davinci-codex cushman-codex"),
    ("r50k_base", "text-davinci-001 text-curie-001 text-babbage-001 text-ada-001 davinci curie babbage ada"),
    ("r50k_base", "text-similarity-davinci-001 text-similarity-curie-001 text-similarity-babbage-001"),
    ("r50k_base", "text-similarity-ada-001 text-search-davinci-doc-001 text-search-curie-doc-001"),
    ("r50k_base", "text-search-babbage-doc-001 text-search-ada-doc-001"),
    ("r50k_base", "code-search-babbage-code-001 code-search-ada-code-001"),
    ("gpt2", "gpt2 gpt-2"),
)

# The repository that has the tokenizer of all models of a family.
_PUBLIC: Final[tuple[tuple[str, str], ...]] = (
    ("deepseek-ai/DeepSeek-V3", "deepseek-v3* deepseek-r1 deepseek-r1-0528*"),
    ("Qwen/Qwen3-8B", "qwen3-[0-9]* qwen3:*"),
    ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-[0-9]* qwen2.5:*"),
    ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.[123]* llama3.[123]* meta-llama-3.[123]*"),
    ("google/gemma-3-1b-it", "gemma-3-* gemma3:*"),
    ("mistralai/Mistral-Nemo-Instruct-2407", "open-mistral-nemo* mistral-nemo*"),
)

# Whose tokenizer is not public, or not known for this name.
_ESTIMATED: Final[tuple[tuple[str, str], ...]] = (
    ("Anthropic has published no tokenizer since Claude 2", "claude-* anthropic.claude-* *.anthropic.claude-*"),
    ("Google has published no tokenizer of Gemini", "gemini-*"),
    ("which tokenizer of xAI this model has is not known", "grok-*"),
    ("Amazon has published no tokenizer of Nova", "nova-* amazon.nova-* *.amazon.nova-*"),
    (
        "tiktoken does not name the encoding of this model",
        "o[1-9]* gpt-* chatgpt-* codex-* computer-use-* omni-* text-embedding-*",
    ),
    (
        "Mistral publishes tokenizers by version, and which one this model has is not known",
        "mistral-* ministral-* magistral-* codestral-* devstral-* pixtral-* voxtral-* open-mi[sx]tral-*",
    ),
    ("which tokenizer of Cohere this model has is not known", "command-* command embed-*-v[0-9]* c4ai-*"),
    ("which tokenizer of Qwen this model has is not known", "qwen* qwq* qvq*"),
    ("which tokenizer of Meta this model has is not known", "llama* meta-llama* meta.llama* *.meta.llama*"),
    ("which tokenizer of DeepSeek this model has is not known", "deepseek*"),
    ("which tokenizer of Google this model has is not known", "gemma*"),
)

_STAND_IN: Final = "o200k_base"


def for_model(model: str) -> Tokenizer:
    """The tokenizer that counts for `model`, without any network.

    Args:
        model: A name as the provider writes it, with or without the scheme or the vendor before it: `gpt-5-mini`,
            `openai:gpt-5-mini`, `anthropic/claude-sonnet-4-5`.

    Returns:
        One whose `estimate` is None if it is that model's own, and otherwise says what stands in for what.

    Raises:
        ConfigError: Nothing is known about the model.
    """
    names = list(_names(model))
    encoding = _first(_OPENAI, names)
    if encoding is not None:
        return Tokenizer.named(encoding)
    lowered = [name.lower() for name in names]
    repository = _first(_PUBLIC, lowered)
    if repository is not None:
        cached = pretrained.cached(repository)
        if cached is not None:
            return cached
        advice = f'Tokenizer.from_pretrained("{repository}") fetches the tokenizer of this model'
        return _estimate(model, f"it is not in the Hugging Face cache; {advice}")
    reason = _first(_ESTIMATED, lowered)
    if reason is not None:
        return _estimate(model, reason)
    raise ConfigError(
        f"no tokenizer is known for the model {model!r}: use Tokenizer.named, Tokenizer.from_file or "
        "Tokenizer.from_pretrained"
    )


def encoding_for_model(model: str) -> str | None:
    """The name tiktoken gives to the tokenizer of a model of OpenAI, or None if it has none for it."""
    return _first(_OPENAI, list(_names(model)))


def _estimate(model: str, reason: str) -> Tokenizer:
    basis = f"{_STAND_IN} stands in for the tokenizer of {model}: {reason}"
    return Tokenizer.named(_STAND_IN).as_estimate(basis)


def _first(table: tuple[tuple[str, str], ...], names: list[str]) -> str | None:
    """What `table` has for the first pattern that matches the first name, or else the next name."""
    rows = [(found, pattern) for found, patterns in table for pattern in patterns.split()]
    return next((found for name in names for found, pattern in rows if fnmatchcase(name, pattern)), None)


def _names(model: str) -> Iterator[str]:
    """`model`, then what is left without the scheme, then without each vendor before a slash."""
    yield model
    scheme, colon, rest = model.partition(":")
    if colon and scheme.replace("_", "").isalnum():
        model = rest
        yield model
    while "/" in model:
        model = model.partition("/")[2]
        yield model

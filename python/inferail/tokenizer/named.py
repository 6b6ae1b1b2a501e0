"""The tokenizers that ship with the package, and what tiktoken defines beside their ranks: patterns and special tokens.

The ranks are in `data/`, in a compact format of our own; `scripts/generate_vocabularies.py` makes them from the files that
OpenAI publishes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENCODINGS", "Encoding", "load"]

_DATA: Final = Path(__file__).parent / "data"

_R50K_PATTERN: Final = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K_PATTERN: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_O200K_CONTRACTION: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN: Final = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    + _O200K_CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    + _O200K_CONTRACTION
    + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_END_OF_TEXT: Final = "<|endoftext|>"
_END_OF_PROMPT: Final = "<|endofprompt|>"
_HARMONY: Final = {
    199_998: "<|startoftext|>",
    199_999: _END_OF_TEXT,
    200_002: "<|return|>",
    200_003: "<|constrain|>",
    200_005: "<|channel|>",
    200_006: "<|start|>",
    200_007: "<|end|>",
    200_008: "<|message|>",
    200_012: "<|call|>",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a name of tiktoken stands for.

    Attributes:
        ranks: The file of ranks in `data/`.
        pattern: The regular expression that cuts a text.
        special_tokens: Their spelling and ids. Two of `o200k_harmony` share an id, as they do in tiktoken.
    """

    ranks: str
    pattern: str
    special_tokens: Mapping[str, int] = field(repr=False)


def _in_the_middle(first: int) -> dict[str, int]:
    """The three tokens of a model that fills in the middle."""
    return {f"<|fim_{part}|>": first + at for at, part in enumerate(("prefix", "middle", "suffix"))}


def _harmony() -> dict[str, int]:
    names = {f"<|reserved_{token_id}|>": token_id for token_id in range(200_000, 201_088) if token_id not in _HARMONY}
    return {_END_OF_PROMPT: 200_018, **{name: token_id for token_id, name in _HARMONY.items()}, **names}


ENCODINGS: Final[Mapping[str, Encoding]] = {
    "gpt2": Encoding("r50k_base", _R50K_PATTERN, {_END_OF_TEXT: 50_256}),
    "r50k_base": Encoding("r50k_base", _R50K_PATTERN, {_END_OF_TEXT: 50_256}),
    "p50k_base": Encoding("p50k_base", _R50K_PATTERN, {_END_OF_TEXT: 50_256}),
    "p50k_edit": Encoding("p50k_base", _R50K_PATTERN, {_END_OF_TEXT: 50_256, **_in_the_middle(50_281)}),
    "cl100k_base": Encoding(
        "cl100k_base", _CL100K_PATTERN, {_END_OF_TEXT: 100_257, **_in_the_middle(100_258), _END_OF_PROMPT: 100_276}
    ),
    "o200k_base": Encoding("o200k_base", _O200K_PATTERN, {_END_OF_TEXT: 199_999, _END_OF_PROMPT: 200_018}),
    "o200k_harmony": Encoding("o200k_base", _O200K_PATTERN, _harmony()),
}


# A tokenizer cannot be changed and is asked for by name before every call: it is made once in a process.
@cache
def load(name: str) -> Tokenizer:
    """The tokenizer that tiktoken has under `name`, without any network. The same object every time.

    Raises:
        ConfigError: There is none of this name.
        FormatError: The file that was installed with the package is damaged.
    """
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ConfigError(f"there is no tokenizer named {name!r}: the names are {', '.join(ENCODINGS)}")
    path = _DATA / f"{encoding.ranks}.vocabulary"
    try:
        return Tokenizer.from_tiktoken(
            path, pattern=encoding.pattern, special_tokens=encoding.special_tokens, name=name
        )
    except OSError as error:
        message = f"the vocabulary {encoding.ranks} of this package cannot be read: install inferail again"
        raise FormatError(message, path=str(path)) from error

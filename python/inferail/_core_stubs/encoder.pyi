"""The part of `_core.pyi` that describes encoders. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Iterable
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_DType: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]

@final
class Encoder:
    """Texts to vectors with a model of the BERT family, on the CPU.

    Texts of a call are computed together, one behind the other and without padding. Each vector is the same, bit for bit,
    whatever stands beside its text and however many threads there are; with `int8` and `float32` also on every CPU.
    Read-only and safe to use from several threads at once; the GIL is released.
    """

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str], *, dtype: _DType = "auto", threads: int = 1) -> Encoder:
        """The model in a folder as sentence-transformers writes it.

        Read are `config.json`, `tokenizer.json` and `model.safetensors` and, where they are there, `modules.json`,
        `1_Pooling/config.json` and `sentence_bert_config.json`: mean or CLS pooling, normalisation, the most tokens. A
        folder without `modules.json` is a plain model: the mean, not normalised. Padding and truncation that the tokenizer's
        file has are left aside: lengths are exact.

        Args:
            path: The folder.
            dtype: How weights are kept. `float32`: as they are. `bfloat16`: half as large. `int8`: a quarter, with a scale
                for each output and each input, exact integer sums and inputs of up to 14 bits. `auto` is `int8`: the fastest,
                at a cosine of 0.999 or more to `float32`.
            threads: How many threads a call may use, 1 to 1024. A single text always takes one.

        Raises:
            ConfigError: A file is missing, or a wrong option.
            FormatError: A file is broken, or asks for something that is not supported, by name; `.path`, `.offset`.
            OSError: A file cannot be read.
        """

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """The vector of each text: float32 `[texts, dim]`.

        A text with more than `max_tokens` tokens is cut there. Special tokens that are spelled out in a text are found, as
        sentence-transformers finds them.

        Raises:
            TypeError: `texts` is a single string, or something in it is none.
            ConfigError: A text cannot be encoded.
            EngineError: A vector is not finite: the weights cannot be right.
        """

    def encode_detailed(self, texts: Iterable[str]) -> tuple[NDArray[np.float32], NDArray[np.uint32], list[int]]:
        """The same, with how many tokens were read of each text (uint32 `[texts]`) and the indices of texts that were cut."""

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has, special ones included, also if they are more than `max_tokens`."""

    @property
    def dim(self) -> int:
        """Numbers of a vector."""

    @property
    def max_tokens(self) -> int:
        """The most tokens that are read of a text, special ones included."""

    @property
    def dtype(self) -> Literal["float32", "bfloat16", "int8"]:
        """How weights are kept."""

    @property
    def threads(self) -> int:
        """How many threads a call may use."""

    @property
    def instructions(self) -> str:
        """The instruction set that is used: `scalar`, `avx2`, `avx512` or `avx512bf16`."""

@final
class LexicalEncoder:
    """Texts to vectors by the words and letters they are made of, without a model.

    Each word, pair of neighbouring words and sequence of three to five characters of a word adds to one number of the
    vector or takes away from it; a hash says which. The vectors are the same on every machine. Safe to use from several
    threads at once.
    """

    def __new__(cls, dim: int = 512) -> LexicalEncoder:
        """One whose vectors have `dim` numbers, 8 to 65536.

        Raises:
            ConfigError: Another number.
        """

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """The vector of each text: float32 `[texts, dim]`, each 1 long, or zeros for an empty text.

        Raises:
            TypeError: `texts` is a single string, or something in it is none.
        """

    @property
    def dim(self) -> int:
        """Numbers of a vector."""

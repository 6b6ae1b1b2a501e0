"""LocalEmbedder: an embedding model in this process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inferail.core import Encoder
from inferail.engine.packages import model_folder
from inferail.engine.working import beside_the_loop, check_scope
from inferail.errors import ConfigError
from inferail.types.embedding import Embeddings
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.embedding import EmbeddingRequest

__all__ = ["LocalEmbedder"]

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]

# Between so many texts a deadline or a cancellation is seen; that many take a tenth of a second.
_TEXTS_AT_ONCE = 64


class LocalEmbedder:
    """A model of the BERT family in this process, as an EmbeddingModel. Thread-safe.

    It computes in the calling thread, without the GIL; where an event loop runs there, in a worker thread. It costs
    nothing, sends nothing and leaves no Records.
    """

    def __init__(
        self, model: str = "local:all-minilm-l6-v2", *, dtype: DType = "auto", threads: int = 1, **unknown: Any
    ) -> None:
        """Loads the model, which takes a few tenths of a second.

        Args:
            model: `local:` and `all-minilm-l6-v2`, which comes as a package, or the path of a folder as
                sentence-transformers writes it: `config.json`, `tokenizer.json`, `model.safetensors`.
            dtype: How weights are kept. `auto` is `int8`: the fastest and smallest, at a cosine of 0.999 or more to
                `float32`, which is exact.
            threads: How many threads a call may use. A single text always takes one.
            unknown: None; options of providers are refused by name.

        Raises:
            ConfigError: There is no such model here (the message says how to get it), or a wrong option.
            FormatError: A file of the folder is broken, or asks for something that is not supported.
        """
        if unknown:
            raise ConfigError(f"a local embedder has no option {min(unknown)!r}; known: dtype, threads")
        self._model = model.removeprefix("local:")
        self._encoder = Encoder.from_directory(model_folder(self._model), dtype=dtype, threads=threads)

    def __repr__(self) -> str:
        return f"LocalEmbedder({self.name!r}, dtype={self._encoder.dtype!r}, threads={self._encoder.threads})"

    @property
    def name(self) -> str:
        """`local:` and the model."""
        return f"local:{self._model}"

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self._encoder.dim

    @property
    def max_tokens(self) -> int:
        """The most tokens that are read of a text, special ones included."""
        return self._encoder.max_tokens

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has, special ones included, also if they are more than are read."""
        return self._encoder.count_tokens(text)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """One vector of length 1 for each text, if the model normalises.

        A text with more tokens than the model reads is cut; `warnings` says how many were. What `usage` counts are the
        tokens that were read.

        Raises:
            ConfigError: The request asks for other dimensions than the model's, or has options for it.
            BudgetError: The Scope's budget is spent.
            DeadlineError: The Scope's deadline has passed.
        """
        import numpy as np

        if request.dimensions not in (None, self.dimensions):
            raise ConfigError(f"{self.name} gives {self.dimensions} dimensions, not {request.dimensions}")
        if request.provider_options.get("local"):
            raise ConfigError("local models take no provider_options")
        vectors = np.empty((len(request.texts), self.dimensions), np.float32)
        tokens = truncated = 0
        step = _TEXTS_AT_ONCE * self._encoder.threads
        for first in range(0, len(request.texts), step):
            check_scope("local", self._model)
            texts = request.texts[first : first + step]
            rows, counts, cut = await beside_the_loop(partial(self._encoder.encode_detailed, texts))
            vectors[first : first + step] = rows
            tokens += int(counts.sum())
            truncated += len(cut)
        usage = Usage(input_tokens=tokens, cost_usd=0.0)
        budget = current_scope().budget
        if budget is not None:
            budget.spend(usage)
        warning = f"{truncated} of {len(request.texts)} texts were cut to the {self.max_tokens} tokens the model reads"
        return Embeddings(
            vectors, usage=usage, provider="local", model=self._model, warnings=(warning,) if truncated else ()
        )

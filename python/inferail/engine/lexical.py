"""LexicalEmbedder: vectors that compare the words of texts, without a model."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from inferail.core import LexicalEncoder
from inferail.engine.working import beside_the_loop, check_scope
from inferail.errors import ConfigError
from inferail.types.embedding import Embeddings
from inferail.types.usage import Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inferail.types.embedding import EmbeddingRequest

__all__ = ["LexicalEmbedder"]

_NAME = re.compile(r"hashing(?:-([0-9]{1,6}))?")
_WARNING = "lexical vectors: near are texts of the same words, not of the same meaning"
_TEXTS_AT_ONCE = 4096


class LexicalEmbedder:
    """Hashed words, pairs of words and character sequences of a text, as an EmbeddingModel. Thread-safe.

    It needs no weights and nothing installed, takes microseconds, and gives the same vectors in every process and on every
    machine. It is lexical: texts that share words and letters are near, a paraphrase in other words is not, and "Paris to
    London" is nearly the same as "London to Paris". Every answer says so in its `warnings`.
    """

    def __init__(self, model: str = "lexical:hashing-512", **unknown: Any) -> None:
        """Sets it up.

        Args:
            model: `lexical:hashing`, or with the number of dimensions: `lexical:hashing-1024`. More of them keep more words
                apart.
            unknown: None; options of providers are refused by name.

        Raises:
            ConfigError: Another name, or fewer than 8 or more than 65536 dimensions.
        """
        if unknown:
            raise ConfigError(f"a lexical embedder has no option {min(unknown)!r}: its dimensions are in its name")
        found = _NAME.fullmatch(model.removeprefix("lexical:"))
        if found is None:
            raise ConfigError(
                f"unknown lexical model {model!r}: write lexical:hashing-512, with a number of dimensions"
            )
        self._encoder = LexicalEncoder(int(found[1] or 512))
        self._model = f"hashing-{self._encoder.dim}"

    def __repr__(self) -> str:
        return f"LexicalEmbedder({self.name!r})"

    @property
    def name(self) -> str:
        """`lexical:hashing-` and the number of dimensions."""
        return f"lexical:{self._model}"

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self._encoder.dim

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """One vector of length 1 for each text. There are no tokens, so none are counted.

        Raises:
            ConfigError: The request asks for other dimensions, or has options for it.
            CancelledError: The Scope was cancelled.
            DeadlineError: The Scope's deadline has passed.
        """
        import numpy as np

        if request.dimensions not in (None, self.dimensions):
            wanted = f"lexical:hashing-{request.dimensions}"
            raise ConfigError(f"{self.name} gives {self.dimensions} dimensions: for others, name it {wanted}")
        if request.provider_options.get("lexical"):
            raise ConfigError("lexical models take no provider_options")
        parts: list[NDArray[np.float32]] = []
        for first in range(0, len(request.texts), _TEXTS_AT_ONCE):
            check_scope("lexical", self._model)
            texts = request.texts[first : first + _TEXTS_AT_ONCE]
            encode = partial(self._encoder.encode, texts)
            # A few texts take less than a thread takes to be woken.
            parts.append(encode() if len(texts) <= 16 else await beside_the_loop(encode))
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Embeddings(
            vectors, usage=Usage(cost_usd=0.0), provider="lexical", model=self._model, warnings=(_WARNING,)
        )

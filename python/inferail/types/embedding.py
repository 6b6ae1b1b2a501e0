"""Texts to vectors: what is asked, what comes back, and the protocol of whatever does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from inferail.errors import ConfigError
from inferail.types.usage import Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inferail.types.response import Attempt

__all__ = ["EmbeddingModel", "EmbeddingRequest", "Embeddings", "InputType"]

InputType: TypeAlias = Literal["query", "document"]


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed.

    Attributes:
        texts: One or more, none of them empty. As many as there are: whoever embeds them divides them.
        input_type: Whether they are what is searched for (`query`) or what is searched in (`document`). Some models embed
            the two differently; for others it means nothing.
        dimensions: How many numbers a vector should have; None is the model's own size.
        provider_options: Per provider name, a mapping merged verbatim into that provider's body.
        labels: Carried to the Records.

    Raises:
        ConfigError: No text, an empty text, or a wrong option.
    """

    texts: tuple[str, ...] = field(repr=False)
    input_type: InputType | None = None
    dimensions: int | None = None
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]], repr=False)
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not self.texts:
            raise ConfigError("there is nothing to embed: pass at least one text")
        for number, text in enumerate(self.texts):
            if not isinstance(text, str):
                raise ConfigError(f"texts[{number}] must be a string, not {type(text).__name__}")
            if not text:
                raise ConfigError(f"texts[{number}] is empty, and an empty text has no embedding: leave it out")
        if self.input_type not in (None, "query", "document"):
            raise ConfigError(f"input_type must be 'query' or 'document', not {self.input_type!r}")
        if self.dimensions is not None and (isinstance(self.dimensions, bool) or self.dimensions < 1):
            raise ConfigError(f"dimensions must be a number, 1 or more, not {self.dimensions!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """What texts became. `numpy.asarray` takes it for its `vectors`.

    Attributes:
        vectors: float32 `[texts, dimensions]`, in the order of the texts, as the provider gave them (many are of length 1,
            not all).
        usage: Tokens and cost of every request that answered, together; `estimated` where a provider did not say.
        provider: Who embedded.
        model: With which model.
        attempts: Every attempt, also those that failed and were made again.
        warnings: What was dropped or changed on the way, in words.
    """

    vectors: NDArray[np.float32] = field(repr=False)
    usage: Usage = field(default_factory=Usage)
    provider: str = ""
    model: str = ""
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def dimensions(self) -> int:
        """How many numbers each vector has."""
        dimensions: int = self.vectors.shape[1]
        return dimensions

    def __len__(self) -> int:
        return len(self.vectors)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        import numpy as np

        return np.array(self.vectors, dtype=dtype, copy=copy)


@runtime_checkable
class EmbeddingModel(Protocol):
    """Embeds texts: a provider, the local engine, a test double.

    It is to `Embedder` what a Model is to `Client`, and like a Model it takes the transport, the deadline, the budget
    and the recorder of the Scope around it.
    """

    @property
    def name(self) -> str:
        """For people and records: `openai:text-embedding-3-small`."""
        ...

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """One vector for each text, in their order."""
        ...

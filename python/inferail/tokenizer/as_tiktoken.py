"""A tokenizer in the shape of `tiktoken.Encoding`: the same names, arguments, results and exceptions.

What tiktoken does with a pool of Python threads, one call of the Rust core does. A wrong argument raises a `ConfigError`,
which is a `ValueError`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    import numpy as np
    from numpy.typing import NDArray

    from inferail.core import Tokenizer

__all__ = ["Encoding"]


class Encoding:
    """What `Tokenizer.as_tiktoken` gives.

    Attributes:
        tokenizer: The tokenizer that does the work.
        name: Its name.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.name = tokenizer.name or ""

    def __repr__(self) -> str:
        return f"<Encoding {self.name!r}>"

    def encode(
        self,
        text: str,
        *,
        allowed_special: Literal["all"] | AbstractSet[str] = frozenset(),
        disallowed_special: Literal["all"] | Collection[str] = "all",
    ) -> list[int]:
        """The ids of `text`; `ValueError` where it has a special token that is not allowed."""
        return self.tokenizer.encode(
            text, allowed_special=allowed_special, disallowed_special=disallowed_special, as_list=True
        )

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of `text`, special tokens in it being text."""
        return self.tokenizer.encode_ordinary(text, as_list=True)

    def encode_to_numpy(
        self,
        text: str,
        *,
        allowed_special: Literal["all"] | AbstractSet[str] = frozenset(),
        disallowed_special: Literal["all"] | Collection[str] = "all",
    ) -> NDArray[np.uint32]:
        """The ids of `text` as an array."""
        return self.tokenizer.encode(text, allowed_special=allowed_special, disallowed_special=disallowed_special)

    def encode_batch(
        self,
        text: list[str],
        *,
        num_threads: int = 8,
        allowed_special: Literal["all"] | AbstractSet[str] = frozenset(),
        disallowed_special: Literal["all"] | Collection[str] = "all",
    ) -> list[list[int]]:
        """The ids of each text."""
        return self.tokenizer.encode_batch(
            text,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            as_list=True,
            threads=num_threads,
        )

    def encode_ordinary_batch(self, text: list[str], *, num_threads: int = 8) -> list[list[int]]:
        """The ids of each text, special tokens in it being text."""
        return self.tokenizer.encode_batch(text, disallowed_special=(), as_list=True, threads=num_threads)

    def encode_with_unstable(
        self,
        text: str,
        *,
        allowed_special: Literal["all"] | AbstractSet[str] = frozenset(),
        disallowed_special: Literal["all"] | Collection[str] = "all",
    ) -> tuple[list[int], list[list[int]]]:
        """The ids that stay if `text` goes on, and every way the rest may come out, in the order of ids."""
        return self.tokenizer.encode_unstable(
            text, allowed_special=allowed_special, disallowed_special=disallowed_special
        )

    def encode_single_token(self, text_or_bytes: str | bytes) -> int:
        """The id of the token that is written so; `KeyError` where there is none."""
        token = text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes
        return self._ids[token]

    def decode(self, tokens: Sequence[int], errors: str = "replace") -> str:
        """The text of ids."""
        return self.decode_bytes(tokens).decode("utf-8", errors)

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of ids; `KeyError` where one is no token."""
        try:
            return self.tokenizer.decode_bytes(tokens)
        except ConfigError as error:
            raise KeyError(error.message) from error

    def decode_single_token_bytes(self, token: int) -> bytes:
        """The bytes of one id; `KeyError` where it is no token."""
        try:
            return self.tokenizer.token_bytes(token)
        except ConfigError as error:
            raise KeyError(token) from error

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each id."""
        return [self.decode_single_token_bytes(token) for token in tokens]

    def decode_with_offsets(self, tokens: Sequence[int]) -> tuple[str, list[int]]:
        """The text of ids, and at which of its characters each token begins; one that begins inside, where that begins."""
        pieces = self.decode_tokens_bytes(tokens)
        return b"".join(pieces).decode("utf-8", "strict"), list(_beginnings(pieces))

    def decode_batch(
        self,
        batch: Sequence[Sequence[int]],
        *,
        errors: str = "replace",
        num_threads: int = 8,  # noqa: ARG002
    ) -> list[str]:
        """The text of each row of ids. It is copying, not work to share: `num_threads` is not read."""
        return [self.decode(tokens, errors) for tokens in batch]

    def decode_bytes_batch(self, batch: Sequence[Sequence[int]], *, num_threads: int = 8) -> list[bytes]:  # noqa: ARG002
        """The bytes of each row of ids."""
        return [self.decode_bytes(tokens) for tokens in batch]

    def token_byte_values(self) -> list[bytes]:
        """The bytes of every token that is not special, sorted."""
        special = set(self.tokenizer.special_tokens.values())
        tokens = enumerate(self.tokenizer.vocabulary())
        return sorted(token for number, token in tokens if token is not None and number not in special)

    def is_special_token(self, token: int) -> bool:
        """Whether the id is that of a special token."""
        return token in self._special_ids

    @property
    def eot_token(self) -> int:
        """The id of `<|endoftext|>`; `KeyError` where there is none."""
        return self.tokenizer.special_tokens["<|endoftext|>"]

    @property
    def n_vocab(self) -> int:
        """One more than the highest id."""
        return self.tokenizer.vocabulary_size

    @property
    def max_token_value(self) -> int:
        """The highest id."""
        return self.tokenizer.vocabulary_size - 1

    @cached_property
    def special_tokens_set(self) -> set[str]:
        """The special tokens."""
        return set(self.tokenizer.special_tokens)

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer.special_tokens.values())

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        tokens = enumerate(self.tokenizer.vocabulary())
        known = {token: number for number, token in tokens if token is not None}
        return known | {token.encode(): number for token, number in self.tokenizer.special_tokens.items()}


def _beginnings(pieces: list[bytes]) -> Iterator[int]:
    characters = 0
    for piece in pieces:
        # A piece that begins with a continuation byte begins inside the character before.
        yield max(0, characters - (1 if piece and 0x80 <= piece[0] < 0xC0 else 0))
        characters += sum(not 0x80 <= byte < 0xC0 for byte in piece)

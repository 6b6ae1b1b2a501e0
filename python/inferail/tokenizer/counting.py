"""What `Tokenizer.count_messages` gives."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TokenCount"]


class TokenCount(NamedTuple):
    """How many tokens a conversation has, and how sure that is.

    Attributes:
        tokens: How many, the beginning of the answer included.
        estimate: Why the number can be off and on what basis it was made; None where it is exact.
    """

    tokens: int
    estimate: str | None = None

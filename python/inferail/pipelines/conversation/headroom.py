"""How much of its window a conversation takes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Headroom"]


@dataclass(frozen=True, slots=True)
class Headroom:
    """How much of its window a conversation takes, before anything is left out of it.

    Attributes:
        tokens: What the whole conversation would have as a prompt.
        limit: The most tokens of a prompt; None is no limit.
        warn: The share from which on `is_low` holds.
        estimate: Why `tokens` can be off; None where the number is exact.
    """

    tokens: int
    limit: int | None
    warn: float = 0.8
    estimate: str | None = None

    @property
    def left(self) -> int | None:
        """Tokens that are free, below 0 where it does not fit; None without a limit."""
        return None if self.limit is None else self.limit - self.tokens

    @property
    def share(self) -> float | None:
        """Tokens in parts of the limit: 1.0 is full; None without a limit."""
        return None if self.limit is None else self.tokens / self.limit

    @property
    def is_low(self) -> bool:
        """Whether the share has reached `warn`."""
        return self.share is not None and self.share >= self.warn

    @property
    def sentence(self) -> str:
        """The same for people."""
        if self.limit is None:
            return f"the conversation has {self.tokens} tokens, and its window has no limit"
        about = "about " if self.estimate is not None else ""
        return (
            f"the conversation has {about}{self.tokens} of the {self.limit} tokens of its window ({self.share:.0%}): "
            f"{max(0, self.limit - self.tokens)} are left"
        )

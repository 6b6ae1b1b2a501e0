"""The part of `_core.pyi` that describes the sampler. There is no such module: import from `inferail.core`."""

from collections.abc import Iterable
from typing import Any, Literal, SupportsIndex, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Ids: TypeAlias = Iterable[SupportsIndex] | NDArray[np.integer[Any]]

def verify_draft(
    draft: _Ids,
    targets: ArrayLike,
    drafts: ArrayLike | None = None,
    *,
    seed: SupportsIndex,
    position: SupportsIndex | None = None,
    sample: SupportsIndex | None = None,
) -> NDArray[np.uint32]:
    """The drafted tokens that a model accepts, and one more token of its own: uint32 `[accepted + 1]`.

    Exact rejection sampling: at every position the tokens are distributed as if nothing had been drafted. A drafted token
    `d` is accepted if `u * q(d) < p(d)`; the first that is not is replaced by a draw from `max(p - q, 0)`, normalised. If
    all are accepted, the last row of `targets` adds one.

    Args:
        draft: Drafted token ids, `[tokens]`; may be empty.
        targets: What the model finds likely at each of them and behind the last: probabilities, not logits, with everything
            applied that a sampler applies; float32 or float64 `[tokens + 1, vocabulary]`, row after row. A tensor of torch
            on a CPU is read where it is.
        drafts: What each drafted token was drawn from, `[tokens, vocabulary]`; None where it could be no other, as from
            `PromptLookup` or from a model that always takes the likeliest.
        seed: That of the request.
        position: The place in its sequence of the first drafted token; None is 0.
        sample: Which of the sequences of a request it is; None is 0.

    Raises:
        ConfigError: The shapes do not fit, an id has no column, or the arrays are of another kind.
        SamplingError: A row has a probability that is negative or not a number, or does not sum to 1 within 0.001; `.row`.
            Rows behind the first rejected token are not read.

    The random numbers depend on `seed`, `sample` and the position of each token only. Releases the GIL for more than 64 KiB.
    """

@final
class PromptLookup:
    """Drafts from what a sequence has said before: the tokens that followed where it was the same the last time.

    Takes as long for a long sequence as for a short one, and at most 88 bytes of memory a token with the default lengths.
    Safe to use from several threads, which wait for each other.
    """

    def __new__(
        cls,
        tokens: _Ids | None = None,
        *,
        max_ngram: SupportsIndex | None = None,
        min_ngram: SupportsIndex | None = None,
    ) -> PromptLookup:
        """A sequence that begins with `tokens`.

        Args:
            tokens: The prompt.
            max_ngram: How many tokens at the end are looked for at most, up to 16; None is 5.
            min_ngram: And at least; None is 2.

        Raises:
            ConfigError: The lengths are out of range, or a token is none.
        """
    def append(self, token: SupportsIndex, /) -> None:
        """Adds a token."""
    def extend(self, tokens: _Ids, /) -> None:
        """Adds tokens."""
    def truncate(self, length: SupportsIndex, /) -> None:
        """Keeps the first `length` tokens, as if no other had ever been added."""
    def draft(self, max_tokens: SupportsIndex, /) -> NDArray[np.uint32]:
        """At most `max_tokens` tokens that may follow, or none: uint32.

        They followed the longest n-gram that ends the sequence and was in it before; of several places the most recent.
        Where they reach the end of the sequence they go on with themselves: what repeats goes on repeating.
        """
    @property
    def tokens(self) -> NDArray[np.uint32]:
        """Every token, a new array every time."""
    def __len__(self) -> int: ...

@final
class StopStrings:
    """Stop strings, compiled once for many sequences. Immutable."""

    def __new__(cls, strings: str | Iterable[str], /) -> StopStrings:
        """Compiles one string or several.

        Raises:
            ConfigError: One is empty, there are more than 1,024, or they have more than 16,384 bytes together.
        """
    @property
    def strings(self) -> tuple[str, ...]:
        """What was compiled, in its order."""

@final
class StopScanner:
    """Text of one sequence up to a stop string, while it arrives in pieces of any size.

    The stop string that ends first ends the text; of several that end together, the one that begins first. No character of
    it is ever shown, and what is held back is the longest end of the text with which a stop string begins, no more.
    """

    def __new__(cls, stop: str | Iterable[str] | StopStrings, *, include_stop: bool = False) -> StopScanner:
        """At the beginning of a text.

        Args:
            stop: Stop strings.
            include_stop: Whether the one that was found is shown too.

        Raises:
            ConfigError: As `StopStrings`.
        """
    def feed(self, text: str, /) -> str:
        """The text that may be shown now that `text` has come; nothing after a stop string."""
    def finish(self) -> str:
        """What was held back, when no more text comes."""
    @property
    def held(self) -> str:
        """What is held back."""
    @property
    def stopped(self) -> str | None:
        """The stop string that was found, if one was."""

@final
class StopCheck:
    """What of one sequence may be shown, and why it ends: stop strings, stop tokens and limits, for the loop that makes it.

    Args:
        stop: Stop strings.
        stop_tokens: Ids that end the sequence. Such a token is one of the sequence, and its text is not shown.
        max_tokens: Most tokens, 1 or more.
        min_tokens: Nothing ends a sequence before it has so many; until then stop strings and stop tokens are text.
        include_stop: Whether the stop string that was found is shown too.

    Raises:
        ConfigError: As `StopStrings`; or `max_tokens` is 0 or less than `min_tokens`.
    """

    def __new__(
        cls,
        *,
        stop: str | Iterable[str] | StopStrings | None = None,
        stop_tokens: _Ids | None = None,
        max_tokens: SupportsIndex | None = None,
        min_tokens: SupportsIndex | None = None,
        include_stop: bool = False,
    ) -> StopCheck: ...
    def feed(self, token: SupportsIndex, text: str, /) -> str:
        """The text that may be shown now that `token` has come, which made `text` certain.

        With the last token comes what was held back. After the end nothing changes and nothing is shown, so a draft that
        was accepted beyond it may be fed whole.
        """
    def finish(self) -> str:
        """What is held back, where the sequence is ended from outside."""
    @property
    def finish_reason(self) -> Literal["stop", "length"] | None:
        """Why it has ended, in the words of `Response.finish_reason`; None before."""
    @property
    def stopped(self) -> str | int | None:
        """The stop string, or the id of the stop token, that ended it."""
    @property
    def num_tokens(self) -> int:
        """How many tokens it has, a stop token included."""
    @property
    def remaining(self) -> int | None:
        """How many tokens it may still have: no use in drafting more. None without `max_tokens`."""

"""The part of `_core.pyi` that describes the sampler. There is no such module: import from `inferail.core`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Ids: TypeAlias = Iterable[SupportsIndex] | NDArray[np.integer[Any]]
_PerRow: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]
_Mask: TypeAlias = NDArray[np.uint32] | NDArray[np.int32]
# Any array, buffer or tensor: what it holds is asked when it is read.
_Logits: TypeAlias = Any

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

@final
class Sampler:
    """Chooses tokens from logits: the parameters of one request, or of many that have the same.

    What is drawn depends on the logits, the parameters, the history and on (seed, position, sample index) only: not on the
    row in a batch, its size, the number of threads or the CPU. Safe to use from several threads.

    The order is that of vLLM unless `compat` says otherwise: allowed and banned tokens and the mask, `min_tokens`, logit bias,
    repetition, frequency and presence penalties, DRY; then, unless the temperature is 0, temperature, min-p, top-k, top-p,
    typical, epsilon, eta, top-n-sigma, XTC. `docs/sampling.md` defines each with its source and has the table of differences.
    """

    def __new__(
        cls,
        *,
        temperature: float = 1.0,
        top_k: int | None = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        typical_p: float = 1.0,
        top_n_sigma: float | None = None,
        epsilon: float = 0.0,
        eta: float = 0.0,
        xtc_probability: float = 0.0,
        xtc_threshold: float = 0.1,
        xtc_protected: _Ids = (),
        dry_multiplier: float = 0.0,
        dry_base: float = 1.75,
        dry_allowed_length: int = 2,
        dry_window: int | None = None,
        dry_breakers: _Ids = (),
        repetition_penalty: float = 1.0,
        frequency_penalty: float = 0.0,
        presence_penalty: float = 0.0,
        penalty_window: int | None = None,
        logit_bias: Mapping[int, float] | None = None,
        allowed: _Ids | None = None,
        banned: _Ids | None = (),
        min_tokens: int = 0,
        stop_tokens: _Ids | None = (),
        dynamic_temperature_range: float = 0.0,
        dynamic_temperature_exponent: float = 1.0,
        mirostat: Literal[0, 1, 2] = 0,
        mirostat_tau: float = 5.0,
        mirostat_eta: float = 0.1,
        mirostat_m: int = 100,
        seed: int | None = None,
        compat: Literal["openai", "vllm", "hf", "llamacpp", "sglang", "mlx"] = "openai",
        logprobs: int | None = None,
        logprobs_mode: Literal["raw", "processed"] = "raw",
        strict: bool = False,
        threads: int | None = None,
    ) -> Sampler:
        """Parameters, each off by default.

        Args:
            temperature: Logits are divided by it; 0 takes the largest, of equal ones the first.
            top_k: Keeps so many of the largest logits, and what equals the last of them; 0 and None keep all.
            top_p: Keeps the most likely tokens until their probabilities reach it, one at least; 0 to 1.
            min_p: Keeps tokens at least so many times as likely as the most likely; 0 to 1.
            typical_p: Keeps tokens whose surprise is nearest to the entropy until their probabilities reach it; 0 to 1.
            top_n_sigma: Keeps logits within so many standard deviations of the largest.
            epsilon: Drops less likely tokens; 0 to 1.
            eta: Drops tokens less likely than min(eta, sqrt(eta) * exp(-entropy)); 0 to 1.
            xtc_probability: How often XTC excludes top choices; 0 to 1.
            xtc_threshold: How likely a top choice is; all of them but the least likely are excluded.
            xtc_protected: Tokens that are not excluded.
            dry_multiplier: DRY takes multiplier * base ** (length - allowed length) from a token that goes on with a repetition.
            dry_base: 1 or more.
            dry_allowed_length: Shorter repetitions are free.
            dry_window: Of so many last tokens; None is what `compat` says.
            dry_breakers: Tokens at which a repetition ends.
            repetition_penalty: Positive logits of tokens in prompt and output are divided by it, others multiplied.
            frequency_penalty: Taken from a logit for each time that the token is in the output.
            presence_penalty: Taken from a logit if the token is in the output.
            penalty_window: The three look at so many last tokens; None is what `compat` says.
            logit_bias: Added to logits.
            allowed: Only these can be drawn; None is all.
            banned: These cannot.
            min_tokens: Until the output has so many, `stop_tokens` cannot be drawn.
            stop_tokens: See there.
            dynamic_temperature_range: The temperature follows the entropy, so far to both sides.
            dynamic_temperature_exponent: How: (entropy / ln tokens) ** exponent.
            mirostat: 1 or 2: the cut follows the surprise of what was drawn, which the history keeps. Takes the place of filters.
            mirostat_tau: Surprise to aim at, bits.
            mirostat_eta: How fast it is followed.
            mirostat_m: Tokens from which version 1 estimates.
            seed: None is a random one, with which the rows of a batch are drawn independently.
            compat: Whose order and definitions apply.
            logprobs: Log probabilities of so many most likely tokens; 0 is of the drawn token alone, None of none.
            logprobs_mode: "raw" is of the logits as they come, "processed" of what could be drawn.
            strict: A logit that is NaN or +inf is an error, not a flag.
            threads: Rows of a batch are shared by so many; None is as many as the process may use.

        Raises:
            ConfigError: A value is out of its range.
        """
    @property
    def seed(self) -> int:
        """The seed, also where it was not given: with it, a run can be repeated."""
    def history(self, prompt: _Ids | None = None) -> History:
        """A sequence that is `prompt` so far, for penalties, DRY, `min_tokens` and Mirostat."""
    def sample(
        self,
        logits: _Logits,
        *,
        histories: History | Sequence[History] | None = None,
        positions: _PerRow | None = None,
        seeds: _PerRow | None = None,
        sample_indices: _PerRow | None = None,
        mask: _Mask | None = None,
        dtype: Literal["float16", "bfloat16"] | None = None,
    ) -> NDArray[np.uint32]:
        """A token for each row: uint32 `[rows]`.

        Args:
            logits: float32, float16 or bfloat16 `[vocabulary]` or `[rows, vocabulary]`, on the CPU; they are only read, and where
                they are. The numbers of a row lie side by side. Arrays, buffers and tensors (DLPack).
            histories: One for each row; a drawn token is appended by the caller.
            positions: Of the tokens in their sequences, one number or one for each row; None is that of the histories, and
                without them the number of this call.
            seeds: None is that of the sampler.
            sample_indices: Which of the sequences of its request a row is; None is 0, or the row if no seed was given.
            mask: Tokens that may follow, uint32 or int32 `[words]` or `[rows, words]`: bit `id % 32` of word `id // 32`.
            dtype: What 16 bits are, if the array says uint16.

        Raises:
            SamplingError: Nothing can be drawn from a row, because everything is masked or -inf (or, with `strict`, because a
                logit is not finite); `.row` is the first such.
            ConfigError: The logits, or what belongs to them, have another type or shape, or a parameter names a token that
                they do not have.

        Releases the GIL for more than 16,384 logits.
        """
    def sample_detailed(
        self,
        logits: _Logits,
        *,
        histories: History | Sequence[History] | None = None,
        positions: _PerRow | None = None,
        seeds: _PerRow | None = None,
        sample_indices: _PerRow | None = None,
        mask: _Mask | None = None,
        dtype: Literal["float16", "bfloat16"] | None = None,
    ) -> Samples:
        """The same tokens, with log probabilities and flags."""
    def distribution(
        self,
        logits: _Logits,
        *,
        history: History | None = None,
        position: int | None = None,
        seed: int | None = None,
        sample_index: int | None = None,
        mask: _Mask | None = None,
        dtype: Literal["float16", "bfloat16"] | None = None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """What can be drawn from one row: ascending ids, uint32 `[kept]`, and their probabilities, float64 `[kept]`.

        Position, seed and sample index matter for XTC alone. Arguments and errors are those of `sample`.
        """

def sample_each(
    samplers: Sequence[Sampler],
    logits: _Logits,
    *,
    histories: History | Sequence[History] | None = None,
    positions: _PerRow | None = None,
    sample_indices: _PerRow | None = None,
    mask: _Mask | None = None,
    dtype: Literal["float16", "bfloat16"] | None = None,
) -> NDArray[np.uint32]:
    """A token for each row, each row with a sampler of its own: requests with different parameters in one batch.

    Every row gets the token that its sampler alone would give. Without histories and positions, calls are counted by the first
    sampler, whose `threads` count too. Arguments and errors are those of `Sampler.sample`.
    """

@final
class History:
    """The tokens of one sequence, and what penalties, DRY and Mirostat have to know about them.

    Made by `Sampler.history`, and for samplers with the same `compat` and `penalty_window`. Counts are kept up
    to date, not made anew; DRY reads its window for every row. Safe to use from several threads, which wait for each other.
    """

    def append(self, token: SupportsIndex, /) -> None:
        """Adds a token to the output."""
    def extend(self, tokens: _Ids, /) -> None:
        """Adds tokens to the output."""
    def truncate(self, position: SupportsIndex, /) -> None:
        """Keeps the first `position` tokens of the output, as if no other had been added.

        Raises:
            ConfigError: There are fewer.
        """
    def fork(self) -> History:
        """A copy that goes its own way."""
    @property
    def position(self) -> int:
        """How many tokens the output has."""
    @property
    def tokens(self) -> NDArray[np.uint32]:
        """Prompt and output, a new array every time."""
    def __len__(self) -> int: ...

@final
class Samples:
    """Tokens of a batch and what is known about them; each property makes a new array."""

    @property
    def tokens(self) -> NDArray[np.uint32]:
        """`[rows]`."""
    @property
    def logprobs(self) -> NDArray[np.float64] | None:
        """Natural logarithms of the probabilities of the tokens, `[rows]`, with an error below 2e-6; None if not asked for."""
    @property
    def ranks(self) -> NDArray[np.uint64] | None:
        """How many tokens are at least as likely, the drawn one included, `[rows]`."""
    @property
    def top_ids(self) -> NDArray[np.uint32] | None:
        """The most likely tokens, best first, `[rows, logprobs]`; 2**32 - 1 where there are fewer."""
    @property
    def top_logprobs(self) -> NDArray[np.float64] | None:
        """Of `top_ids`; -inf where there are fewer."""
    @property
    def flags(self) -> NDArray[np.uint8]:
        """`[rows]`: 1 if a logit was not a number (it counts as -inf), 2 if one was +inf (the token is one of those)."""
    def __len__(self) -> int: ...

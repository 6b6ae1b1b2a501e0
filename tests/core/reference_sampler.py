"""The sampler as it is defined, in float64, whole sorts and loops: slow, obvious, and what the compiled one is compared with.

`Reference` takes the arguments of `core.Sampler`. The filters are in `reference_filters.py`; here are their order, the
histories they see, and the draw.

The row. float32, float16 and bfloat16 are converted exactly; all that follows is float64. NaN counts as −inf (with `strict`
it raises ValueError, and so does +inf). What may not be
drawn is set to −inf first: tokens outside `allowed`, `banned` ones, cleared bits of the mask (bit i of word w is token
32·w + i), and `stop_tokens` while fewer than `min_tokens` have been put out. If nothing is left, `NothingLeftError` is raised. If a
+inf is left, every +inf is equally likely and nothing below is applied (at temperature 0: the first of them).

Order, for every preset:

| step | what | seen tokens |
|---|---|---|
| 1 | logit bias (sglang: after step 3) | |
| 2 | repetition penalty | prompt and output; sglang: output |
| 3 | frequency, presence penalty | output; llamacpp, mlx: prompt and output |
| 4 | DRY | prompt and output |
| 5 | temperature 0: the first greatest is the only one left, the end (llamacpp: see below) | |
| 6 | the chain of the preset | |

| preset | chain | penalty window | DRY window |
|---|---|---|---|
| vllm, openai | temperature, min-p, top-k, top-p, typical, epsilon, eta, top-n-sigma, XTC | whole | whole |
| hf | temperature, top-k, top-p, min-p, typical, epsilon, eta, top-n-sigma, XTC | whole | whole |
| sglang | temperature, top-k and top-p jointly, min-p, typical, epsilon, eta, top-n-sigma, XTC | whole | whole |
| llamacpp | top-n-sigma, top-k, typical, top-p, min-p, XTC, epsilon, eta, temperature | last 64 | last 64 |
| mlx | top-p, min-p, XTC, top-k, typical, epsilon, eta, top-n-sigma, temperature | last 20 | whole |

A window is of the last tokens of prompt and output together; a step that sees the output alone sees what of it is inside.
`penalty_window` and `dry_window` replace the preset's, 0 means nothing is seen. A preset changes meanings and never the
neutral defaults. What an engine has not got stands at the end of its chain, before a temperature that comes last.

| rule | vllm, openai, hf | sglang | llamacpp | mlx |
|---|---|---|---|---|
| top-k among equals | all that equal the k-th | exactly k | exactly k | exactly k |
| top-p keeps a token while the mass above it is | < p | ≤ p | < p | < p |
| top_p = 0 | one token | one token | one token | off |
| typical | sum ≥ mass, equals stay | as left | sum > mass, exactly so many | as left |
| XTC | p ≥ threshold, the last stays | as left | as left | p > threshold, equals of the last stay |

Among equals the lowest id comes first, also where the boundary of top-p, typical or top-k falls between them. Top-p, min-p,
typical, epsilon, eta and XTC see the probabilities renormalised over what the steps before left; top-k with top-p in sglang
see the row as it was before both. Top-n-sigma takes its maximum and deviation over the row after step 4 (a temperature does
not change what it keeps). The vLLM form of top-p (ascending: out while the running sum is ≤ 1 − p) is the descending one
in exact arithmetic.

Dynamic temperature (range > 0) takes the place of the temperature; its entropy is of the row as it stands at that step.
Temperature 0 is greedy whatever the range. In llamacpp it is a step of the chain as any temperature: the first greatest of
what the filters left. Mirostat (1 or 2) takes the place of all filters: the chain is temperature, mirostat in every preset.
Its mu starts at 2·tau and becomes mu − eta·(−log2 p − tau), p being that of the drawn token among those that were left.

XTC is applied if its number is < its probability. `distribution` gives the mixture of both cases, as a draw without a
known seed sees it, or one of them (`excluded`).

Draw: the number is 53 bits of Philox 4x32-10, counter (position, purpose, sample), key the seed; the token is the first one by
id at which the running sum of probabilities exceeds number · sum. The output of a request is what stands in the history
after the prompt; its position is the caller's.

Where an engine does otherwise than it says, or than its kind of numbers allows, this does not follow it: top-p of mlx keeps
all that equal the last token, and of vLLM and transformers whichever equal ones their sort puts there; llama.cpp leaves what
top-n-sigma takes out among the candidates, where typical-p and the dynamic temperature stumble over it; its mirostat 1
overflows an int where values are almost equal, its DRY a float32, which then is −inf. Otherwise the presets were found to leave
the same probabilities as transformers 5.23.0, mlx-lm 0.32.2 and llama-cpp-python 0.3.36 on thousands of random rows,
histories and settings.

Log-probabilities, raw: log-softmax of the row as it came, before any mask. Processed: ln of the distribution; at temperature 0
log-softmax after step 4. The rank of a token is how many have a value ≥ its own. The top n are by value, then by id.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tests.core import reference_filters as filters
from tests.core.logit_rows import numbers
from tests.core.reference_filters import Row

TOKEN, EXCLUSION = 0, 1
AFTER = ("typical", "epsilon", "eta", "top_n_sigma")


class NothingLeftError(ValueError):
    """Every token of a row is masked."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Where engines differ.

    Attributes:
        chain: The steps after the penalties.
        repetition_sees_prompt: Whether the repetition penalty looks at the prompt.
        counts_see_prompt: Whether the frequency and presence penalties do.
        penalty_window: Of how many last tokens; None is all.
        dry_window: The same for DRY.
        bias_after_penalties: Whether the logit bias is added after them.
        top_k_keeps_ties: Whether everything that equals the k-th stays.
        zero_top_p_is_off: Whether 0 means no top-p.
        typical_keeps_ties: The form of typical.
        xtc_is_strict: The form of XTC.
        greedy_after_filters: Whether temperature 0 chooses among what the filters left.
    """

    chain: tuple[str, ...]
    repetition_sees_prompt: bool = True
    counts_see_prompt: bool = False
    penalty_window: int | None = None
    dry_window: int | None = None
    bias_after_penalties: bool = False
    top_k_keeps_ties: bool = False
    zero_top_p_is_off: bool = False
    typical_keeps_ties: bool = True
    xtc_is_strict: bool = False
    greedy_after_filters: bool = False


VLLM = Preset(("temperature", "min_p", "top_k", "top_p", *AFTER, "xtc"), top_k_keeps_ties=True)
PRESETS = {
    "vllm": VLLM,
    "openai": VLLM,
    "hf": Preset(("temperature", "top_k", "top_p", "min_p", *AFTER, "xtc"), top_k_keeps_ties=True),
    "sglang": Preset(
        ("temperature", "joint", "min_p", *AFTER, "xtc"), repetition_sees_prompt=False, bias_after_penalties=True
    ),
    "llamacpp": Preset(
        ("top_n_sigma", "top_k", "typical", "top_p", "min_p", "xtc", "epsilon", "eta", "temperature"),
        counts_see_prompt=True,
        penalty_window=64,
        dry_window=64,
        typical_keeps_ties=False,
        greedy_after_filters=True,
    ),
    "mlx": Preset(
        ("top_p", "min_p", "xtc", "top_k", *AFTER, "temperature"),
        counts_see_prompt=True,
        penalty_window=20,
        zero_top_p_is_off=True,
        xtc_is_strict=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Logprobs:
    """What is said of a token.

    Attributes:
        logprob: Its own.
        rank: How many tokens have a value ≥ its own; 1 is the best.
        top_ids: The most likely tokens, best first.
        top_logprobs: As long as `top_ids`.
    """

    logprob: float
    rank: int
    top_ids: tuple[int, ...]
    top_logprobs: tuple[float, ...]


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox 4x32-10 (Salmon et al., SC 2011): four random words."""
    word = 0xFFFF_FFFF
    for turn in range(10):
        low, high = (key[0] + turn * 0x9E37_79B9) & word, (key[1] + turn * 0xBB67_AE85) & word
        first, second = counter[0] * 0xD251_1F53, counter[2] * 0xCD9E_8D57
        counter = ((second >> 32) ^ counter[1] ^ low, second & word, (first >> 32) ^ counter[3] ^ high, first & word)
    return counter


def uniform(seed: int, position: int, purpose: int = TOKEN, sample: int = 0) -> float:
    """A number in [0, 1) with 53 random bits."""
    word = 0xFFFF_FFFF
    low, high, _, _ = philox((position & word, position >> 32, purpose, sample), (seed & word, seed >> 32))
    return (((high << 32) | low) >> 11) / 2**53


def converted(logits: NDArray[Any]) -> Row:
    """The row in float64; uint16 is bfloat16; NaN is −inf."""
    row = numbers(logits).astype(np.float64)
    row[np.isnan(row)] = -np.inf
    return row


def log_softmax(x: Row) -> Row:
    """ln of the softmax; of a row with +inf, evenly among those."""
    if np.isposinf(x).any():
        return np.where(np.isposinf(x), -math.log(np.count_nonzero(np.isposinf(x))), -np.inf)
    return x - x.max() - math.log(filters.weights(x).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The arguments of `core.Sampler` that change what is drawn; see the module for their order and meaning."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    top_n_sigma: float | None = None
    epsilon: float = 0.0
    eta: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    xtc_protected: Collection[int] = ()
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_window: int | None = None
    dry_breakers: Collection[int] = ()
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int | None = None
    logit_bias: Mapping[int, float] | None = None
    allowed: Collection[int] | None = None
    banned: Collection[int] = ()
    min_tokens: int = 0
    stop_tokens: Collection[int] = ()
    dynamic_temperature_range: float = 0.0
    dynamic_temperature_exponent: float = 1.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    mirostat_m: int = 100
    compat: str = "vllm"
    strict: bool = False

    @property
    def preset(self) -> Preset:
        """What `compat` names."""
        return PRESETS[self.compat]

    def masked(self, x: Row, output: Sequence[int] = (), mask: NDArray[np.uint32] | None = None) -> Row:
        """The row without what may not be drawn; raises NothingLeftError, and IndexError for ids that the row has not got."""
        out = np.zeros(len(x), dtype=bool)
        if self.allowed is not None:
            out[:] = True
            out[list(self.allowed)] = False
        if mask is not None:
            out |= np.array([not (int(mask[token // 32]) >> (token % 32)) & 1 for token in range(len(x))])
        out[list(self.banned)] = True
        if len(output) < self.min_tokens:
            out[list(self.stop_tokens)] = True
        left = np.where(out, -np.inf, x)
        if not len(filters.candidates(left)):
            raise NothingLeftError("every token is masked")
        return left

    def penalised(self, x: Row, prompt: Sequence[int] = (), output: Sequence[int] = ()) -> Row:
        """The row after bias, penalties and DRY."""
        preset = self.preset
        window = preset.penalty_window if self.penalty_window is None else self.penalty_window
        seen = _last([*prompt, *output], window)
        answered = _last(output, window)
        repeated = seen if preset.repetition_sees_prompt else answered
        counted = seen if preset.counts_see_prompt else answered
        bias = self.logit_bias or {}
        if not preset.bias_after_penalties:
            x = filters.biased(x, bias)
        if self.repetition_penalty != 1:
            x = filters.repetition(x, repeated, self.repetition_penalty)
        x = filters.frequency_and_presence(x, counted, self.frequency_penalty, self.presence_penalty)
        if preset.bias_after_penalties:
            x = filters.biased(x, bias)
        if self.dry_multiplier > 0:
            window = preset.dry_window if self.dry_window is None else self.dry_window
            history = _last([*prompt, *output], window)
            x = filters.dry(
                x,
                history,
                self.dry_breakers,
                multiplier=self.dry_multiplier,
                base=self.dry_base,
                allowed_length=self.dry_allowed_length,
            )
        return x

    def _step(self, name: str, x: Row, whole: Row, *, excluded: bool) -> Row:
        """One step of the chain, if it is on."""
        preset = self.preset
        top_p_is_on = self.top_p < 1 and not (preset.zero_top_p_is_off and self.top_p == 0)
        if name == "temperature":
            if self.temperature == 0:
                return filters.tempered(x, 0)
            spread, exponent = self.dynamic_temperature_range, self.dynamic_temperature_exponent
            return filters.tempered(x, filters.dynamic_temperature(x, self.temperature, spread, exponent))
        if name == "top_k" and self.top_k > 0:
            return filters.top_k(x, self.top_k, keep_ties=preset.top_k_keeps_ties)
        if name == "top_p" and top_p_is_on:
            return filters.top_p(x, self.top_p)
        if name == "joint":
            return filters.joint_top_k_top_p(x, self.top_k, self.top_p)
        if name == "xtc" and excluded:
            return filters.xtc(x, self.xtc_threshold, self.xtc_protected, strict=preset.xtc_is_strict)
        return self._further_step(name, x, whole)

    def _further_step(self, name: str, x: Row, whole: Row) -> Row:
        if name == "min_p" and self.min_p > 0:
            return filters.min_p(x, self.min_p)
        if name == "typical" and self.typical_p < 1:
            return filters.typical(x, self.typical_p, keep_ties=self.preset.typical_keeps_ties)
        if name == "epsilon" and self.epsilon > 0:
            return filters.epsilon(x, self.epsilon)
        if name == "eta" and self.eta > 0:
            return filters.eta(x, self.eta)
        if name == "top_n_sigma" and self.top_n_sigma is not None and self.top_n_sigma > 0:
            return filters.top_n_sigma(x, self.top_n_sigma, whole)
        return x

    def kept(self, x: Row, *, excluded: bool = False, mu: float | None = None) -> Row:
        """The chain, over a row that is masked and penalised: what may be drawn, as logits.

        Args:
            x: The row, without NaN.
            excluded: Whether XTC takes top choices out this time.
            mu: Of mirostat; None is its start.
        """
        if np.isposinf(x).any():
            x = np.where(np.isposinf(x), 0.0, -np.inf)
            return filters.tempered(x, 0) if self.temperature == 0 else x
        if self.temperature == 0 and (self.mirostat or not self.preset.greedy_after_filters):
            return filters.tempered(x, 0)
        if self.mirostat:
            x = self._step("temperature", x, x, excluded=False)
            mu = 2 * self.mirostat_tau if mu is None else mu
            return filters.mirostat_1(x, mu, self.mirostat_m) if self.mirostat == 1 else filters.mirostat_2(x, mu)
        whole = x
        for name in self.preset.chain:
            x = self._step(name, x, whole, excluded=excluded)
        return x

    def processed(
        self,
        logits: NDArray[Any],
        prompt: Sequence[int] = (),
        output: Sequence[int] = (),
        mask: NDArray[np.uint32] | None = None,
    ) -> Row:
        """The row after steps 1 to 4."""
        if self.strict and not (numbers(logits) < np.inf).all():
            raise ValueError("a logit is NaN or +inf")
        x = self.masked(converted(logits), output, mask)
        return x if np.isposinf(x).any() else self.penalised(x, prompt, output)

    def distribution(
        self,
        logits: NDArray[Any],
        prompt: Sequence[int] = (),
        output: Sequence[int] = (),
        mask: NDArray[np.uint32] | None = None,
        *,
        excluded: bool | None = None,
        mu: float | None = None,
    ) -> tuple[NDArray[np.uint32], Row]:
        """Ids, ascending, and probabilities of what the filters left, even where float64 makes a probability 0.

        Args:
            logits: float32, float16 or (as uint16) bfloat16 `[vocab]`.
            prompt: Tokens before the output.
            output: Tokens drawn so far.
            mask: uint32 `[ceil(vocab / 32)]`, set bits may be drawn.
            excluded: Whether XTC takes top choices out; None mixes both cases by its probability.
            mu: Of mirostat; None is its start.
        """
        x = self.processed(logits, prompt, output, mask)
        chance = self.xtc_probability if excluded is None else float(excluded)
        left = np.zeros(len(x), dtype=bool)
        probabilities = np.zeros(len(x))
        for case, share in ((False, 1 - chance), (True, chance)):
            if share > 0:
                row = self.kept(x, excluded=case, mu=mu)
                left |= row > -np.inf
                probabilities += share * filters.softmax(row)
        ids = np.flatnonzero(left)
        return ids.astype(np.uint32), probabilities[ids]

    def is_excluded(self, seed: int, position: int, sample: int = 0) -> bool:
        """Whether XTC takes top choices out of this draw."""
        return uniform(seed, position, EXCLUSION, sample) < self.xtc_probability

    def draw(
        self,
        logits: NDArray[Any],
        prompt: Sequence[int] = (),
        output: Sequence[int] = (),
        mask: NDArray[np.uint32] | None = None,
        *,
        seed: int,
        position: int,
        sample: int = 0,
        mu: float | None = None,
    ) -> int:
        """The token."""
        excluded = self.is_excluded(seed, position, sample)
        ids, probabilities = self.distribution(logits, prompt, output, mask, excluded=excluded, mu=mu)
        return inverse(ids, probabilities, uniform(seed, position, TOKEN, sample))

    def next_mu(self, mu: float, probability: float) -> float:
        """Mirostat's mu after a token that was drawn with `probability`."""
        return mu - self.mirostat_eta * (-math.log2(probability) - self.mirostat_tau)

    def logprobs(
        self,
        logits: NDArray[Any],
        token: int,
        prompt: Sequence[int] = (),
        output: Sequence[int] = (),
        mask: NDArray[np.uint32] | None = None,
        *,
        top: int = 0,
        mode: Literal["raw", "processed"] = "raw",
        excluded: bool = False,
        mu: float | None = None,
    ) -> Logprobs:
        """What is said of `token` and of the `top` most likely ones."""
        values = converted(logits)
        if mode == "processed":
            values = self.processed(logits, prompt, output, mask)
            if self.temperature > 0:
                values = self.kept(values, excluded=excluded, mu=mu)
        all_logprobs = log_softmax(values)
        best = np.argsort(-values, kind="stable")[:top]
        return Logprobs(
            logprob=float(all_logprobs[token]),
            rank=int(np.count_nonzero(values >= values[token])),
            top_ids=tuple(best.tolist()),
            top_logprobs=tuple(all_logprobs[best].tolist()),
        )


def inverse(ids: NDArray[np.uint32], probabilities: Row, number: float) -> int:
    """The first id at which the running sum exceeds `number` of the whole; the last that has a probability if none does."""
    running = np.cumsum(probabilities)
    above = np.flatnonzero(running > number * running[-1])
    return int(ids[above[0] if len(above) else np.flatnonzero(probabilities > 0)[-1]])


def _last(tokens: Sequence[int], window: int | None) -> list[int]:
    return list(tokens) if window is None else list(tokens[max(len(tokens) - window, 0) :])

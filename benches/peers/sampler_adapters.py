"""Every sampler behind the same function: rows of logits in, a token per row out.

numpy and torch have no samplers of their own: what is measured is how one writes it with them, torch in the way of vLLM's
sampler for CPUs and in that of transformers' generate(). llama.cpp is driven through the C functions that llama-cpp-python
exports; filling its array of candidates belongs to the work. Every one truncates the tempered probabilities.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

TEMPERATURE, TOP_K, TOP_P, MIN_P, TOP_LOGPROBS = 0.8, 50, 0.9, 0.05, 20
REPETITION, FREQUENCY, PRESENCE = 1.1, 0.5, 0.5
WORKLOADS = ("greedy", "top-k", "top-p", "min-p", "penalties", "logprobs")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step gave.

    Attributes:
        tokens: One per row.
        top_ids: The most likely ones `[rows, 20]`, best first, where log-probabilities were asked for.
        logprobs: Of the tokens.
    """

    tokens: Any
    top_ids: Any = None
    logprobs: Any = None


Step = Callable[[], Answer]
Prepare = Callable[[str, np.ndarray, Sequence[int]], Step]


@dataclass(frozen=True, slots=True)
class Listed:
    """A sampler in the tables.

    Attributes:
        module: What is imported.
        distribution: Its name on PyPI.
        title: Of its column.
        prepare: Takes a workload, logits float32 `[rows, vocab]` and the tokens put out so far, and makes what is measured;
            raises LookupError for what it cannot do.
    """

    module: str
    distribution: str
    title: str
    prepare: Prepare

    def version(self) -> str:
        """Of what is installed; a ModuleNotFoundError without it."""
        found = importlib.import_module(self.module)
        return str(getattr(found, "__version__", "")) or metadata.version(self.distribution)


def inferail(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """`core.Sampler`, one thread."""
    from inferail.core import Sampler

    settings: dict[str, dict[str, Any]] = {
        "greedy": {"temperature": 0.0},
        "top-k": {"temperature": TEMPERATURE, "top_k": TOP_K},
        "top-p": {"temperature": TEMPERATURE, "top_p": TOP_P},
        "min-p": {"temperature": TEMPERATURE, "min_p": MIN_P},
        "penalties": {
            "temperature": TEMPERATURE,
            "top_p": TOP_P,
            "repetition_penalty": REPETITION,
            "frequency_penalty": FREQUENCY,
            "presence_penalty": PRESENCE,
        },
        "logprobs": {"temperature": 0.0, "logprobs": TOP_LOGPROBS},
    }
    sampler = Sampler(seed=1, threads=1, **settings[workload])
    if workload == "penalties":
        histories = [sampler.history() for _ in logits]
        for one in histories:
            one.extend(history)
        return lambda: Answer(sampler.sample(logits, histories=histories))
    if workload == "logprobs":

        def detailed() -> Answer:
            found = sampler.sample_detailed(logits)
            return Answer(found.tokens, found.top_ids, found.logprobs)

        return detailed
    if len(logits) == 1:
        row = logits[0]
        return lambda: Answer([sampler.sample(row)])
    return lambda: Answer(sampler.sample(logits))


def one_read(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """numpy's maximum of each row, the cheapest look at all of it that numpy has: 13 GB/s from memory."""
    del history
    if workload != "greedy":
        raise LookupError("it only reads")
    return lambda: Answer([row.max() for row in logits])


class Numpy:
    """Row by row, so that what a row needs stays in the cache; argpartition and never a sort of the whole if it can be helped."""

    def __init__(self, history: Sequence[int], *, penalised: bool) -> None:
        self.random = np.random.default_rng(1)
        self.penalised = penalised
        # Kept from step to step by one who writes it well, so that counting is no part of the work.
        self.ids, self.counts = np.unique(np.array(history, dtype=np.int64), return_counts=True)
        self.amounts = (FREQUENCY * self.counts + PRESENCE).astype(np.float32)

    def greedy(self, row: np.ndarray) -> int:
        """The argmax."""
        return int(row.argmax())

    def _drawn(self, ids: np.ndarray, weights: np.ndarray) -> int:
        running = weights.cumsum()
        return int(ids[min(running.searchsorted(self.random.random() * running[-1], "right"), len(ids) - 1)])

    def top_k(self, row: np.ndarray) -> int:
        """argpartition, softmax of fifty."""
        ids = row.argpartition(len(row) - TOP_K)[len(row) - TOP_K :]
        values = row[ids]
        return self._drawn(ids, np.exp((values - values.max()) / TEMPERATURE))

    def top_p(self, row: np.ndarray) -> int:
        """The first 256 in order, eight times as many while they do not hold enough, then the whole."""
        if self.penalised:
            row = row.copy()
            values = row[self.ids]
            row[self.ids] = np.where(values > 0, values / REPETITION, values * REPETITION) - self.amounts
        weights = row - row.max()
        weights /= TEMPERATURE
        np.exp(weights, out=weights)
        needed = TOP_P * float(weights.sum(dtype=np.float64))
        count = 256
        while True:
            whole = count >= len(row)
            ids = np.arange(len(row)) if whole else weights.argpartition(len(row) - count)[len(row) - count :]
            if whole or float(weights[ids].sum(dtype=np.float64)) >= needed:
                break
            count *= 8
        ids = ids[weights[ids].argsort()[::-1]]
        kept = weights[ids]
        size = int(kept.cumsum(dtype=np.float64).searchsorted(needed)) + 1
        return self._drawn(ids[:size], kept[:size])

    def min_p(self, row: np.ndarray) -> int:
        """A threshold in logits, softmax of what is above it."""
        greatest = row.max()
        ids = (row >= greatest + TEMPERATURE * np.log(MIN_P)).nonzero()[0]
        return self._drawn(ids, np.exp((row[ids] - greatest) / TEMPERATURE))

    def logprobs(self, row: np.ndarray) -> tuple[int, np.ndarray, float, int]:
        """The token, the first twenty in order, its log-probability and its rank."""
        token = int(row.argmax())
        greatest = row[token]
        total = float(np.exp(row - greatest).sum(dtype=np.float64))
        ids = row.argpartition(len(row) - TOP_LOGPROBS)[len(row) - TOP_LOGPROBS :]
        ids = ids[row[ids].argsort()[::-1]]
        rank = int(np.count_nonzero(row >= row[token]))
        return token, ids, float(row[token] - greatest - np.log(total)), rank


def numpy(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """The class above."""
    made = Numpy(history, penalised=workload == "penalties")
    if workload == "logprobs":

        def detailed() -> Answer:
            found = [made.logprobs(row) for row in logits]
            return Answer([one[0] for one in found], [one[1] for one in found], [one[2] for one in found])

        return detailed
    ways = {
        "greedy": made.greedy,
        "top-k": made.top_k,
        "top-p": made.top_p,
        "min-p": made.min_p,
        "penalties": made.top_p,
    }
    way = ways[workload]
    return lambda: Answer([way(row) for row in logits])


def _torch() -> Any:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    return torch


def _ascending_nucleus(torch: Any, x: Any) -> Any:
    """Sorted upwards, the head whose sum stays within 1 − p is out, scattered back: both engines do it so."""
    ordered, at = x.sort(dim=-1, descending=False)
    out = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - TOP_P
    out[:, -1] = False
    return torch.empty_like(x).scatter_(-1, at, ordered.masked_fill_(out, float("-inf")))


def _torch_logprobs(torch: Any, x: Any, *, ranked: bool) -> Answer:
    tokens = x.argmax(dim=-1)
    logprobs = torch.log_softmax(x, dim=-1, dtype=torch.float32)
    _, top_ids = logprobs.topk(TOP_LOGPROBS, dim=-1)
    own = logprobs.gather(-1, tokens[:, None])
    if ranked:
        (logprobs >= own).sum(dim=-1)
    return Answer(tokens.numpy(), top_ids.numpy(), own[:, 0].numpy())


def torch_vllm(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """vLLM's sampler without custom kernels: whole rows at a time, the draw as argmax of p over exponential noise."""
    torch = _torch()
    given = torch.from_numpy(logits)
    rows, vocab = given.shape
    output = torch.tensor(list(history), dtype=torch.int64).expand(rows, -1)

    def penalised(x: Any) -> Any:
        counts = torch.zeros((rows, vocab + 1), dtype=torch.int64)
        counts.scatter_add_(1, output, torch.ones_like(output))
        counts = counts[:, :vocab]
        seen = counts > 0
        factor = torch.where(seen, REPETITION, 1.0)
        x *= torch.where(x > 0, 1.0 / factor, factor)
        x -= FREQUENCY * counts
        x -= PRESENCE * seen
        return x

    def step() -> Answer:
        x = given.to(torch.float32, copy=True)  # it works in place, on a row that the model made
        if workload == "greedy":
            return Answer(x.argmax(dim=-1).numpy())
        if workload == "logprobs":
            return _torch_logprobs(torch, x, ranked=True)
        if workload == "penalties":
            x = penalised(x)
        x.div_(TEMPERATURE)
        if workload == "top-k":
            least = x.topk(TOP_K, dim=-1).values[:, -1:]
            x.masked_fill_(x < least, float("-inf"))
        elif workload == "min-p":
            p = x.softmax(dim=-1)
            x.masked_fill_(p < p.amax(dim=-1, keepdim=True) * MIN_P, float("-inf"))
        else:
            x = _ascending_nucleus(torch, x)
        p = x.softmax(dim=-1, dtype=torch.float32)
        noise = torch.empty_like(p).exponential_()
        return Answer(p.div_(noise).argmax(dim=-1).numpy())

    return step


def torch_hf(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """transformers' warpers, each of which makes a new row, and multinomial."""
    del history
    torch = _torch()
    given = torch.from_numpy(logits)
    if workload == "penalties":
        raise LookupError("transformers has no frequency and presence penalties")

    def step() -> Answer:
        x = given.to(torch.float32, copy=True)
        if workload == "greedy":
            return Answer(x.argmax(dim=-1).numpy())
        if workload == "logprobs":
            return _torch_logprobs(torch, x, ranked=False)
        x = x / TEMPERATURE
        if workload == "top-k":
            x = x.masked_fill(x < x.topk(TOP_K, dim=-1).values[:, -1:], float("-inf"))
        elif workload == "min-p":
            p = x.softmax(dim=-1)
            out = p < p.amax(dim=-1, keepdim=True) * MIN_P
            x = x.masked_fill(out.scatter_(-1, p.topk(1, dim=-1).indices, value=False), float("-inf"))
        else:
            x = _ascending_nucleus(torch, x)
        p = x.softmax(dim=-1)
        return Answer(torch.multinomial(p, num_samples=1)[:, 0].numpy())

    return step


def llama_cpp(workload: str, logits: np.ndarray, history: Sequence[int]) -> Step:
    """A chain of its samplers: penalties, temperature, the filter, the draw."""
    import ctypes

    import llama_cpp as library

    if workload == "logprobs":
        raise LookupError("its samplers give no log-probabilities")
    chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
    vocab = logits.shape[1]
    made: list[Any] = []
    if workload == "penalties":
        made.append(library.llama_sampler_init_penalties(vocab, len(history), REPETITION, FREQUENCY, PRESENCE))
    if workload != "greedy":
        made.append(library.llama_sampler_init_temp(TEMPERATURE))
    last = {
        "greedy": lambda: [library.llama_sampler_init_greedy()],
        "top-k": lambda: [library.llama_sampler_init_top_k(TOP_K)],
        "min-p": lambda: [library.llama_sampler_init_min_p(MIN_P, 1)],
    }
    made += last.get(workload, lambda: [library.llama_sampler_init_top_p(TOP_P, 1)])()
    if workload != "greedy":
        made.append(library.llama_sampler_init_dist(1))
    for sampler in made:
        library.llama_sampler_chain_add(chain, sampler)
    for token in history if workload == "penalties" else ():
        library.llama_sampler_accept(chain, token)
    candidates = np.zeros(vocab, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    ids = np.arange(vocab, dtype=np.int32)
    data = candidates.ctypes.data_as(ctypes.POINTER(library.llama_token_data))

    def one(row: np.ndarray) -> int:
        candidates["id"] = ids  # the chain puts them into another order
        candidates["logit"] = row
        array = library.llama_token_data_array(data, vocab, -1, False)  # noqa: FBT003 - fields of a C structure
        library.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    return lambda: Answer([one(row) for row in logits])


PEERS = {
    "inferail": Listed("inferail.core", "inferail", "inferail", inferail),
    "one-read": Listed("numpy", "numpy", "one read", one_read),
    "numpy": Listed("numpy", "numpy", "numpy", numpy),
    "llama-cpp": Listed("llama_cpp", "llama-cpp-python", "llama.cpp", llama_cpp),
    "torch-vllm": Listed("torch", "torch", "torch, vLLM's way", torch_vllm),
    "torch-hf": Listed("torch", "torch", "torch, HF's way", torch_hf),
}
# Not samplers: what others are seen against.
FLOORS = ("one-read",)

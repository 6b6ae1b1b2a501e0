"""`PagedCache`: a stock model of `transformers` decodes on the pages of a `KVCache`, and skips what an earlier prompt left.

    pages = KVCache(blocks=4_096, layers=16, kv_heads=8, head_dim=64, format="bf16")
    with PagedCache(pages, model, input_ids) as cache:
        output = model.generate(input_ids, cache=cache)

Needs torch and transformers 5.24 or newer: `pip install "inferail[transformers]"`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict, Unpack

import numpy as np

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from inferail.core import KVCache, Sequence

    # What is used of the two libraries, so that types are checked where they are not installed.
    Tensor: TypeAlias = Any
    torch: Any

    class Cache:
        def __init__(self, layers: list[Any]) -> None: ...
        def get_seq_length(self, layer_idx: int = 0) -> int: ...

    class CacheLayerMixin:
        is_initialized: bool

        def __init__(self) -> None: ...

    class DynamicLayer(CacheLayerMixin): ...

    class DynamicCache(Cache):
        layers: list[Any]

        def __init__(self, *, config: Any) -> None: ...

else:
    try:
        import torch
        from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer
    except ModuleNotFoundError as error:
        raise ConfigError(
            'a cache for transformers needs torch and transformers: pip install "inferail[transformers]"'
        ) from error

__all__ = ["OpenOptions", "PagedCache"]


class OpenOptions(TypedDict, total=False):
    """What `KVCache.open` takes besides the ids."""

    salt: str | bytes | None
    adapter: str | bytes | None
    media: Iterable[str | bytes] | None
    priority: int
    ttl: float | None


class PagedCache(Cache):
    """The `cache` of one call of `generate` (`past_key_values` until 5.23), or of several that go on from each other.

    What the pages have of the prompt is not computed again: `generate` is given the whole prompt and runs on the rest.
    Prompts and answers are committed while they grow, so the next prompt finds them. Sampling, chunked prefill and assisted
    decoding work as with a `DynamicCache`; rows of a batch have to be of equal length, without padding. Beams, several
    answers to one prompt, and layers that do not attend to everything are refused.

    The pages hold K and V of one model: another model, or other weights, needs another `KVCache`, an adapter the option
    `adapter`. Use it in a `with` block, or call `close`. For one thread at a time; the `KVCache` may be shared.
    """

    def __init__(self, pages: KVCache, model: Any, input_ids: Tensor, /, **options: Unpack[OpenOptions]) -> None:
        """Looks up what is there of the prompt, and takes blocks for the rest.

        Args:
            pages: The cache, with the layers, heads and head size of the model.
            model: The model that will run. It is told about the ids it runs on by hooks, which `close` removes.
            input_ids: Ids of the prompts, `[rows, tokens]`, or `[tokens]` of one.
            **options: As for `KVCache.open`, for all rows.

        Raises:
            ConfigError: The model does not fit, there is no token, or a wrong option.
            OutOfBlocksError: There is no room for the prompts.
        """
        layers = _count_layers(pages, model)
        self._run = _Run(pages, layers, _rows(input_ids), options)
        super().__init__(layers=[PagedLayer(self._run, layer) for layer in range(layers)])
        self._hooks = _hook(model, self, self._run)

    @property
    def cached_tokens(self) -> int:
        """How many tokens of each row had K and V in the pages when it was opened: those of the row that had fewest."""
        return self._run.cached

    def crop(self, tokens_to_remove: int) -> None:
        """Forgets the last `-tokens_to_remove` tokens: drafts that were rejected.

        Raises:
            ConfigError: The number is positive, or the model has gone on from some of them.
        """
        self._run.crop(tokens_to_remove)

    def reset(self) -> None:
        """Refused, always: another prompt needs another `PagedCache`."""
        raise ConfigError("a PagedCache belongs to its prompt and cannot be reset: make another one")

    def reorder_cache(self, *_arguments: Any) -> None:
        """Refused, always: there are no beams."""
        raise _no_beams()

    def batch_repeat_interleave(self, *_arguments: Any) -> None:
        """Refused, always: there are no beams."""
        raise _no_beams()

    def batch_select_indices(self, *_arguments: Any) -> None:
        """Refused, always: there are no beams."""
        raise _no_beams()

    def close(self) -> None:
        """Commits what was computed, gives the blocks back and removes the hooks. Closing twice is closing once."""
        self._hooks()
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class PagedLayer(CacheLayerMixin):
    """One layer of a `PagedCache`; it has no tensors of its own."""

    is_compileable = False
    is_croppable = True
    is_sliding = False
    supports_early_init = False

    def __init__(self, run: _Run, layer: int) -> None:
        super().__init__()
        self._run = run
        self._layer = layer
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the pages are there."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_arguments: Any, **_options: Any
    ) -> tuple[Tensor, Tensor]:
        """Writes K and V of the new tokens, `[rows, kv_heads, new, head_dim]`; those of all tokens come back."""
        return self._run.exchange(self._layer, key_states, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many tokens are attended to, and from which on."""
        return self._run.computed + query_length, 0

    def get_seq_length(self) -> int:
        """How many tokens have K and V."""
        return self._run.computed

    def get_max_length(self) -> int:
        """-1: it grows as long as there are blocks."""
        return -1

    def offload(self) -> None:
        """Nothing to do: there are no tensors."""

    def prefetch(self) -> None:
        """Nothing to do: there are no tensors."""


class _Run:
    """The sequences of a batch, and how far the model has come.

    Tokens are committed when the model goes on from them, one step late: until then a draft can be taken back.
    """

    def __init__(self, pages: KVCache, layers: int, ids: NDArray[np.int64], options: OpenOptions) -> None:
        self._pages = pages
        # The pages themselves, [keys and values, kv_heads, blocks, block_size, head_dim]: read here, never written.
        self._views = [torch.from_dlpack(pages.pages(layer)).permute(1, 2, 0, 3, 4) for layer in range(layers)]
        self._ids = ids  # of every token that the sequences have
        self._pending = 0  # tokens of the step that is under way
        self._sequences: list[Sequence] = []
        self.computed = 0
        try:
            for row in ids:
                self._sequences.append(pages.open(row, **options))
        except BaseException:
            self.close()
            raise
        self.cached = self.computed = min(sequence.cached_tokens for sequence in self._sequences)

    def begin(self, ids: NDArray[np.int64]) -> None:
        """A step starts: the model runs on these ids, `[rows, new]`."""
        self._check_open()
        if len(ids) != len(self._sequences):
            raise ConfigError(
                f"the cache was opened for {len(self._sequences)} rows and the model runs on {len(ids)}: "
                "beams and several answers to one prompt are not supported"
            )
        self._commit()
        known = self._ids[:, self.computed : self.computed + ids.shape[1]]
        if not np.array_equal(known, ids[:, : known.shape[1]]):
            raise ConfigError("the model runs on other tokens than those that the cache was opened with")
        self._append(ids[:, known.shape[1] :])
        self._pending = ids.shape[1]

    def exchange(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes K and V of the step to a layer, and reads those of all tokens."""
        if self._pending == 0 or tuple(keys.shape[::2]) != (len(self._sequences), self._pending):
            raise ConfigError(
                "the cache does not know what the model runs on: call the model it was made for, "
                "with input_ids and with the cache as a keyword"
            )
        stop = self.computed + self._pending
        for row, sequence in enumerate(self._sequences):
            # Rows may have found more than the one that had fewest; others may use those blocks.
            start = max(self.computed, sequence.committed_tokens)
            if start < stop:
                new = slice(start - self.computed, None)
                slots = sequence.slots(start, stop)
                self._pages.write(layer, slots, _to_numpy(keys[row, :, new]), _to_numpy(values[row, :, new]))
        found_keys, found_values = self._gather(layer, stop, keys.dtype)
        return found_keys.to(keys), found_values.to(values)

    def finish(self) -> None:
        """The step has come to its end: every layer has been written."""
        self.computed += self._pending
        self._pending = 0

    def crop(self, change: int) -> None:
        """Takes back the last `-change` tokens."""
        if change > 0:
            raise ConfigError(f"crop({change}): a negative number of tokens is removed from the end")
        if change == 0:
            return
        self._check_open()
        left = self.computed + change
        if left < max(sequence.committed_tokens for sequence in self._sequences):
            raise ConfigError(f"crop({change}): the model has gone on from these tokens, and others may use them")
        for sequence in self._sequences:
            sequence.truncate(left)
        self._ids = self._ids[:, :left]
        self.computed = left

    def close(self) -> None:
        """Commits what was computed, and ends the sequences."""
        self._pending = 0
        self._commit()
        while self._sequences:
            self._sequences.pop().release()

    def _gather(self, layer: int, stop: int, dtype: Any) -> tuple[Tensor, Tensor]:
        """K and V of the first `stop` tokens of every row, `[rows, kv_heads, stop, head_dim]` each."""
        view, rows = self._views[layer], len(self._sequences)
        heads, block_size, dim = view.shape[1], view.shape[3], view.shape[4]
        tables = np.stack([sequence.block_table[: -(-stop // block_size)] for sequence in self._sequences])
        if view.dtype == dtype and tables.min() >= 0:
            # 0.28 ms for 2,048 tokens of 2 heads of 64 float32, where `read` and its transposition take 1.3 ms.
            both = view.index_select(2, torch.from_numpy(tables.reshape(-1)).to(view.device))
            keys, values = both.reshape(2, heads, rows, -1, dim)[:, :, :, :stop].transpose(1, 2)
            return keys, values
        # Formats that torch does not compute with, and the error for a block that was given back.
        read = [self._pages.read(layer, sequence, stop) for sequence in self._sequences]
        keys, values = (torch.from_numpy(np.stack(arrays)).transpose(1, 2) for arrays in zip(*read, strict=True))
        return keys, values

    def _append(self, ids: NDArray[np.int64]) -> None:
        if ids.shape[1] == 0:
            return
        length = self._ids.shape[1]
        for number, (sequence, row) in enumerate(zip(self._sequences, ids, strict=True)):
            try:
                sequence.append(row)
            except BaseException:
                for longer in self._sequences[:number]:
                    longer.truncate(length)
                raise
        self._ids = np.concatenate((self._ids, ids), axis=1)

    def _commit(self) -> None:
        for sequence in self._sequences:
            if sequence.committed_tokens < self.computed:
                sequence.commit(self.computed)

    def _check_open(self) -> None:
        if not self._sequences:
            raise ConfigError("the PagedCache was closed: make another one, which finds what this one has computed")


def _hook(model: Any, cache: PagedCache, run: _Run) -> weakref.finalize[..., PagedCache]:
    """Tells the run of every step that the model makes with the cache; calling what comes back ends that.

    A cache is told keys and values only; the ids, by which the next prompt finds them, go by its side.
    """
    owner = weakref.ref(cache)

    def before(_module: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        if any(value is owner() for value in options.values() if value is not None):
            _check_mask(options.get("attention_mask"))
            run.begin(_rows(options.get("input_ids", arguments[0] if arguments else None)))

    def after(_module: Any, _arguments: tuple[Any, ...], options: Mapping[str, Any], _output: Any) -> None:
        if any(value is owner() for value in options.values() if value is not None):
            run.finish()

    handles = (
        model.register_forward_pre_hook(before, with_kwargs=True),
        model.register_forward_hook(after, with_kwargs=True),
    )
    return weakref.finalize(cache, lambda: [handle.remove() for handle in handles])


def _count_layers(pages: KVCache, model: Any) -> int:
    """How many layers the model has, if pages can stand for all of them."""
    layers = DynamicCache(config=model.config).layers
    others = sorted({type(layer).__name__ for layer in layers if type(layer) is not DynamicLayer})
    if others or not layers:
        raise ConfigError(f"pages are for models whose layers all attend to every token; this one needs {others}")
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    needed = f"this model needs KVCache(layers={len(layers)}, kv_heads={heads}, head_dim={dim})"
    if not _has_layer(pages, len(layers) - 1) or _has_layer(pages, len(layers)):
        raise ConfigError(f"the cache has pages for another number of layers: {needed}")
    shape = pages.pages(0).shape
    if (shape[2], shape[4]) != (heads, dim):
        raise ConfigError(f"the cache has pages for {shape[2]} heads of {shape[4]}: {needed}")
    return len(layers)


def _has_layer(pages: KVCache, layer: int) -> bool:
    try:
        pages.pages(layer)
    except ConfigError:
        return False
    return True


def _rows(ids: Tensor) -> NDArray[np.int64]:
    """Ids as int64 `[rows, tokens]`."""
    if ids is None:
        raise ConfigError("a PagedCache needs input_ids: embeddings do not say which prompts are alike")
    found = torch.as_tensor(ids)
    if found.dim() == 1:
        found = found.unsqueeze(0)
    if found.dim() != 2 or found.numel() == 0 or found.is_floating_point():
        raise ConfigError(f"input_ids are integers [rows, tokens], at least one; these are {tuple(found.shape)}")
    return np.ascontiguousarray(found.detach().cpu().numpy(), np.int64)


def _check_mask(mask: Tensor | None) -> None:
    if mask is not None and mask.dim() == 2 and not bool(mask.all()):
        raise ConfigError("a PagedCache has no padding: open one for each prompt, or give prompts of equal length")


def _to_numpy(states: Tensor) -> NDArray[Any]:
    """K or V of a row, `[kv_heads, new, head_dim]`, as `KVCache.write` takes it: `[new, kv_heads, head_dim]`."""
    rows = states.detach().transpose(0, 1).contiguous().cpu()
    bits = rows.dtype == torch.bfloat16  # which numpy has not
    found: NDArray[Any] = (rows.view(torch.int16) if bits else rows).numpy()
    return found.view(np.uint16) if bits else found


def _no_beams() -> ConfigError:
    return ConfigError("a PagedCache has no beams: generate with num_beams=1")

"""A stock model of transformers on our pages (`make test-transformers`): equal tokens, with and without a prefix."""

from __future__ import annotations

import importlib
import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inferail.core import KVCache
from inferail.errors import ConfigError, OutOfBlocksError

pytestmark = pytest.mark.torch

LAYERS, HEADS, BLOCK, NEW = 2, 2, 8, 24
SHAPES = {"dim 16": {"hidden_size": 64}, "dim 32, tied": {"hidden_size": 128, "tie_word_embeddings": True}}


@pytest.fixture(scope="module")
def lib() -> SimpleNamespace:
    """What is used of torch and transformers, and of ours that needs them."""
    return SimpleNamespace(
        torch=importlib.import_module("torch"),
        transformers=importlib.import_module("transformers"),
        PagedCache=importlib.import_module("inferail.integrations.transformers").PagedCache,
    )


@pytest.fixture(scope="module")
def make_model(lib):
    """A small Llama with random weights, always the same, and the list of how many tokens it ran on at each step."""

    def made(dtype: str = "float32", device: str = "cpu", **shape: Any) -> Any:
        lib.torch.manual_seed(7)
        options = {
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": HEADS,
            "hidden_size": 64,
            "intermediate_size": 128,
            "vocab_size": 256,
            "initializer_range": 0.4,  # so that answers differ from prompt to prompt
            "eos_token_id": None,
            "pad_token_id": 0,
        }
        model = lib.transformers.LlamaForCausalLM(lib.transformers.LlamaConfig(**(options | shape))).eval()
        model = model.to(device=device, dtype=getattr(lib.torch, dtype))
        model.steps = []
        model.register_forward_pre_hook(
            lambda module, args, kwargs: module.steps.append(kwargs["input_ids"].shape[1]), with_kwargs=True
        )
        return model

    return made


@pytest.fixture
def model(make_model):
    return make_model()


def make_pages(model: Any, **options: Any) -> KVCache:
    dim = model.config.hidden_size // model.config.num_attention_heads
    given: dict[str, Any] = {"blocks": 64, "block_size": BLOCK, "format": "f32"}
    return KVCache(layers=LAYERS, kv_heads=HEADS, head_dim=dim, **(given | options))


def prompt(lib: Any, tokens: int = 45, *, seed: int = 1, rows: int = 1, device: str = "cpu") -> Any:
    ids = np.random.default_rng(seed).integers(1, 256, (rows, tokens))
    return lib.torch.from_numpy(ids).to(device)


def generate(model: Any, ids: Any, cache: Any = None, **options: Any) -> list[list[int]]:
    given = {"max_new_tokens": NEW, "do_sample": False} | options
    model.steps.clear()
    return model.generate(ids, cache=cache, **given).tolist()


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_are_those_of_a_dynamic_cache(lib, make_model, shape):
    model = make_model(**SHAPES[shape])
    pages, ids = make_pages(model), prompt(lib)

    with lib.PagedCache(pages, model, ids) as cache:
        paged = generate(model, ids, cache)

    assert paged == generate(model, ids)
    assert len(set(paged[0][45:])) > NEW // 2
    pages.check_integrity()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prefix_is_not_computed_again(lib, make_model, shape):
    model = make_model(**SHAPES[shape])
    pages, first = make_pages(model), prompt(lib)
    second = lib.torch.cat((first[:, :30], prompt(lib, 20, seed=2)), 1)
    expected = generate(model, second)
    assert model.steps == [50] + [1] * (NEW - 1)
    with lib.PagedCache(pages, model, first) as cache:
        generate(model, first, cache)

    with lib.PagedCache(pages, model, second) as cache:
        assert cache.cached_tokens == 30
        paged = generate(model, second, cache)

    assert model.steps == [20] + [1] * (NEW - 1)
    assert paged == expected


@pytest.mark.parametrize(
    ("family", "kind", "heads", "dim"),
    [("GPT2", "LMHeadModel", 4, 16), ("GPTNeoX", "ForCausalLM", 4, 16), ("Qwen3", "ForCausalLM", 2, 32)],
)
def test_tokens_of_other_architectures_are_equal(lib, family, kind, heads, dim):
    lib.torch.manual_seed(7)
    size = {"hidden_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "vocab_size": 256}
    own = {"num_key_value_heads": 2, "head_dim": 32} if family == "Qwen3" else {}
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    config = getattr(lib.transformers, f"{family}Config")(**size, **own, **special, initializer_range=0.4)
    model = getattr(lib.transformers, f"{family}{kind}")(config).eval()
    model.steps = []
    pages = KVCache(blocks=64, block_size=BLOCK, layers=LAYERS, kv_heads=heads, head_dim=dim, format="f32")
    ids = prompt(lib)
    expected = generate(model, ids)

    for cached in (0, 44):
        with lib.PagedCache(pages, model, ids) as cache:
            assert cache.cached_tokens == cached
            assert generate(model, ids, cache) == expected


def test_an_answer_is_a_prefix_of_what_follows(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    with lib.PagedCache(pages, model, ids) as cache:
        answered = lib.torch.tensor(generate(model, ids, cache))
    following = lib.torch.cat((answered, prompt(lib, 5, seed=3)), 1)

    with lib.PagedCache(pages, model, following) as cache:
        # The full blocks of all but the last token of the answer, on which the model has not run.
        assert cache.cached_tokens == (45 + NEW - 1) // BLOCK * BLOCK
        paged = generate(model, following, cache)

    assert paged == generate(model, following)


def test_a_cache_goes_on_with_the_next_turn(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    with lib.PagedCache(pages, model, ids) as cache:
        answered = lib.torch.tensor(generate(model, ids, cache))
        following = lib.torch.cat((answered, prompt(lib, 5, seed=3)), 1)

        paged = generate(model, following, cache)

        assert model.steps[0] == 6
    assert paged == generate(model, following)


def test_a_prompt_finds_another_while_that_is_answered(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    with lib.PagedCache(pages, model, ids) as first, lib.torch.no_grad():
        model(input_ids=ids, cache=first)
        model(input_ids=ids[:, :1], cache=first)

        with lib.PagedCache(pages, model, ids) as second:
            assert second.cached_tokens == 40
            assert generate(model, ids, second) == generate(model, ids)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_the_same_to_the_bit(lib, make_model, dtype):
    """The steps of both caches are equal: a product over more rows may be rounded otherwise."""
    model = make_model(dtype)
    pages, ids = make_pages(model, format={"bfloat16": "bf16", "float16": "f16"}[dtype]), prompt(lib)
    with lib.PagedCache(pages, model, ids) as cache:
        assert generate(model, ids, cache) == generate(model, ids)

    with lib.PagedCache(pages, model, ids) as paged, lib.torch.no_grad():
        start = paged.cached_tokens
        assert start == 44
        dynamic = lib.transformers.DynamicCache(config=model.config)
        model(input_ids=ids, cache=dynamic)
        dynamic.crop(-1)
        expected = model(input_ids=ids[:, start:], cache=dynamic).logits
        found = model(input_ids=ids[:, start:], cache=paged).logits

    assert found.dtype == getattr(lib.torch, dtype)
    assert lib.torch.equal(found, expected)


@pytest.mark.parametrize(("number", "bound"), [("bf16", 0.02), ("int8", 0.05), ("fp8", 0.2)])
def test_smaller_numbers_give_logits_that_are_close(lib, model, number, bound):
    pages, ids = make_pages(model, format=number), prompt(lib, rows=2)

    with lib.torch.no_grad(), lib.PagedCache(pages, model, ids) as cache:
        found = model(input_ids=ids, cache=cache).logits
        expected = model(input_ids=ids).logits

    error = (found - expected).norm() / expected.norm()
    assert 0 < error < bound


def test_tokens_are_equal_after_eviction(lib, model):
    pages = make_pages(model, blocks=12)
    prompts = [prompt(lib, seed=seed) for seed in range(6)]
    expected = [generate(model, ids) for ids in prompts]

    for _ in range(2):
        for ids, tokens in zip(prompts, expected, strict=True):
            with lib.PagedCache(pages, model, ids) as cache:
                assert generate(model, ids, cache) == tokens

    assert pages.stats()["evictions"] > 0
    pages.check_integrity()


def test_rows_of_a_batch_find_what_each_of_them_has(lib, model):
    pages, ids = make_pages(model), prompt(lib, rows=3)
    expected = generate(model, ids)
    with lib.PagedCache(pages, model, ids[:1]) as cache:
        generate(model, ids[:1], cache)
    with lib.PagedCache(pages, model, ids[1:2, :20]) as cache:
        generate(model, ids[1:2, :20], cache)

    with lib.PagedCache(pages, model, ids) as cache:
        assert cache.cached_tokens == 0  # the third is new
        assert generate(model, ids, cache) == expected

    with lib.PagedCache(pages, model, ids) as cache:
        assert cache.cached_tokens == 44
        assert generate(model, ids, cache) == expected
    pages.check_integrity()


def test_blocks_that_others_may_have_are_not_written(lib, model):
    pages, ids = make_pages(model), prompt(lib, rows=2)
    with lib.PagedCache(pages, model, ids[:1]) as cache:
        generate(model, ids[:1], cache)
    with pages.open(ids[0].numpy()) as sequence:
        (block, *_) = sequence.block_table
    view = pages.pages(1).numpy()
    view[block] += 1

    marked = view[block].copy()
    with lib.PagedCache(pages, model, ids) as cache:
        assert cache.cached_tokens == 0
        generate(model, ids, cache)

    np.testing.assert_array_equal(view[block], marked)


def test_a_batch_that_found_no_room_goes_on_when_there_is(lib, model):
    pages, ids = make_pages(model, blocks=18), prompt(lib, 48, rows=2)
    expected = generate(model, ids)
    holding = pages.open(list(range(40)))  # 5 blocks, and each row needs one more than its 6: one is left

    with lib.PagedCache(pages, model, ids) as cache, lib.torch.no_grad():
        tokens = model(input_ids=ids, cache=cache).logits[:, -1:].argmax(-1)
        with pytest.raises(OutOfBlocksError):
            model(input_ids=tokens, cache=cache)
        holding.release()
        for _ in range(NEW - 1):
            ids = lib.torch.cat((ids, tokens), 1)
            tokens = model(input_ids=tokens, cache=cache).logits[:, -1:].argmax(-1)
    ids = lib.torch.cat((ids, tokens), 1)

    assert ids.tolist() == expected
    for row in ids:
        with pages.open(row.numpy()) as sequence:
            assert sequence.cached_tokens == (48 + NEW - 1) // BLOCK * BLOCK
    pages.check_integrity()


def test_assisted_decoding_takes_drafts_back(lib, model):
    pages, ids = make_pages(model), prompt(lib, 8, seed=4).repeat(1, 5)

    with lib.PagedCache(pages, model, ids) as cache:
        paged = generate(model, ids, cache, prompt_lookup_num_tokens=4)
        assert max(model.steps[1:]) > 1

    assert paged == generate(model, ids)
    with lib.PagedCache(pages, model, lib.torch.tensor(paged)) as cache:
        assert cache.cached_tokens == (40 + NEW - 1) // BLOCK * BLOCK
        assert generate(model, lib.torch.tensor(paged), cache) == generate(model, lib.torch.tensor(paged))
    pages.check_integrity()


def test_only_the_last_step_is_taken_back(lib, model):
    pages, ids = make_pages(model), prompt(lib, rows=2)
    with lib.PagedCache(pages, model, ids) as cache, lib.torch.no_grad():
        model(input_ids=ids[:, :40], cache=cache)
        model(input_ids=ids[:, 40:], cache=cache)
        with pytest.raises(ConfigError, match="negative"):
            cache.crop(1)
        with pytest.raises(ConfigError, match=r"crop\(-6\): the model has gone on"):
            cache.crop(-6)
        assert cache.get_seq_length() == 45

        cache.crop(-5)

        assert cache.get_seq_length() == 40
        assert generate(model, ids, cache) == generate(model, ids)


def test_a_prompt_may_be_computed_in_chunks(lib, model):
    pages, ids = make_pages(model), prompt(lib)

    with lib.PagedCache(pages, model, ids) as cache:
        paged = generate(model, ids, cache, prefill_chunk_size=16)

    assert model.steps[:3] == [16, 16, 13]
    assert paged == generate(model, ids)


def test_sampling_sees_the_same_logits(lib, model):
    ids = prompt(lib)
    lib.torch.manual_seed(11)
    expected = generate(model, ids, do_sample=True)

    with lib.PagedCache(make_pages(model), model, ids) as cache:
        lib.torch.manual_seed(11)
        assert generate(model, ids, cache, do_sample=True) == expected


def test_salts_do_not_share(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    with lib.PagedCache(pages, model, ids, salt="a") as cache:
        generate(model, ids, cache)

    for salt, cached in (("b", 0), ("a", 44)):
        with lib.PagedCache(pages, model, ids, salt=salt) as cache:
            assert cache.cached_tokens == cached


def test_a_step_that_fails_is_made_again(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    expected = generate(model, ids)
    fail = model.model.layers[1].register_forward_pre_hook(lambda *_: 1 / 0)

    with lib.PagedCache(pages, model, ids) as cache:
        with pytest.raises(ZeroDivisionError):
            generate(model, ids, cache)
        fail.remove()
        assert cache.get_seq_length() == 0

        assert generate(model, ids, cache) == expected


def test_closing_gives_everything_back(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    hooks = len(model._forward_pre_hooks), len(model._forward_hooks)
    cache = lib.PagedCache(pages, model, ids)
    generate(model, ids, cache)
    cache.close()
    cache.close()

    assert pages.stats()["sequences"] == 0
    assert hooks == (len(model._forward_pre_hooks), len(model._forward_hooks))
    with pytest.raises(ConfigError):
        generate(model, ids, cache)


def test_a_cache_that_nobody_has_is_closed(lib, model):
    pages, ids = make_pages(model), prompt(lib)
    hooks = len(model._forward_pre_hooks)

    cache = lib.PagedCache(pages, model, ids)
    del cache

    assert pages.stats()["sequences"] == 0
    assert len(model._forward_pre_hooks) == hooks


def test_no_room_is_an_error_and_leaves_nothing_behind(lib, model):
    pages, ids = make_pages(model, blocks=7), prompt(lib)

    with pytest.raises(OutOfBlocksError), lib.PagedCache(pages, model, ids) as cache:
        generate(model, ids, cache)
    with pytest.raises(OutOfBlocksError):
        lib.PagedCache(pages, model, prompt(lib, rows=2))

    assert pages.stats()["sequences"] == 0
    pages.check_integrity()


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 2}, {"do_sample": True, "num_return_sequences": 2}],
    ids=["beams", "several answers"],
)
def test_what_needs_more_rows_is_refused(lib, model, options):
    ids = prompt(lib)

    with lib.PagedCache(make_pages(model), model, ids) as cache, pytest.raises(ConfigError, match="beams"):
        generate(model, ids, cache, **options)


def test_padding_other_tokens_and_embeddings_are_refused(lib, model):
    ids = prompt(lib)
    mask = lib.torch.ones_like(ids)
    mask[0, 0] = 0

    with lib.PagedCache(make_pages(model), model, ids) as cache:
        with pytest.raises(ConfigError, match="padding"):
            generate(model, ids, cache, attention_mask=mask)
        with pytest.raises(ConfigError, match="other tokens"):
            generate(model, prompt(lib, seed=9), cache)
        with pytest.raises(ConfigError, match="reset"):
            cache.reset()
        with pytest.raises(ConfigError, match="keyword"):
            model.model(input_ids=ids, cache=cache)
        assert generate(model, ids, cache) == generate(model, ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layers": 3}, "layers=2"), ({"kv_heads": 4}, "kv_heads=2"), ({"head_dim": 32}, "head_dim=16")],
)
def test_pages_of_another_model_are_refused(lib, model, options, message):
    given = {"layers": LAYERS, "kv_heads": HEADS, "head_dim": 16, "blocks": 8} | options

    with pytest.raises(ConfigError, match=message):
        lib.PagedCache(KVCache(**given), model, prompt(lib))


def test_a_sliding_window_is_refused(lib):
    config = lib.transformers.MistralConfig(
        num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=HEADS, hidden_size=64, sliding_window=8
    )

    with pytest.raises(ConfigError, match="attend to every token"):
        lib.PagedCache(KVCache(blocks=8), SimpleNamespace(config=config), prompt(lib))


@pytest.mark.parametrize("ids", [[], [[1.5]], [[[1]]]])
def test_ids_that_are_none_are_refused(lib, model, ids):
    with pytest.raises(ConfigError, match="input_ids"):
        lib.PagedCache(make_pages(model), model, lib.torch.tensor(ids))


def test_public_names_are_documented(lib):
    module = importlib.import_module("inferail.integrations.transformers")

    names = [getattr(module, name) for name in module.__all__]
    methods = [member for name, member in vars(lib.PagedCache).items() if not name.startswith("_")]

    assert all(inspect.getdoc(value) for value in [module, *names, *methods])


@pytest.mark.gpu
def test_tokens_are_equal_on_a_gpu(lib, make_model):
    if not lib.torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = make_model(device="cuda")
    pages, ids = make_pages(model), prompt(lib, device="cuda")
    expected = generate(model, ids)

    for cached in (0, 44):
        with lib.PagedCache(pages, model, ids) as cache:
            assert cache.cached_tokens == cached
            assert generate(model, ids, cache) == expected

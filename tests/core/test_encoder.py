"""core.Encoder against a float64 reference: models, texts, batches, truncation, threads, folders."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.core import Encoder
from inferail.errors import ConfigError, EngineError, FormatError
from tests.core.encoder_models import Model, Numbers, packaged_model, random_model
from tests.core.reference_encoder import read_safetensors, write_safetensors

DTYPES: Final[tuple[Literal["float32", "bfloat16", "int8"], ...]] = ("float32", "bfloat16", "int8")
# What the nearest vector has to be for each: the cosine to the exact one.
# A processor with products of bf16 rounds the inputs as well; without them bfloat16 is at 0.9999.
NEAR = {"float32": 0.999999, "bfloat16": 0.999, "int8": 0.999, "auto": 0.999}

SENTENCES = (
    "How do I reset my password?",
    "The rail is clear.",
    "flights from Paris to London",
    "flights from London to Paris",
    "Is it safe to take ibuprofen with alcohol?",
    "Is it not safe to take ibuprofen with alcohol?",
    "What is 17 x 23?",
    "Die Straße ist gesperrt, naïve Café-Besucher warten.",
    "東京の天気はどうですか",
    "def main() -> int:\n    return 0",
    "a",
    "!?",
    "[SEP] and [MASK] are tokens of their own here",
    "🚂 🚃 🚄",
    "The committee postponed the decision until the next meeting because two members were ill. " * 3,
)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


@pytest.fixture(scope="module")
def packaged() -> Model:
    return packaged_model()


@pytest.fixture(scope="module")
def encoders(packaged) -> dict[str, Encoder]:
    made: dict[str, Encoder] = {"auto": Encoder.from_directory(packaged.folder)}
    for dtype in DTYPES:
        made[dtype] = Encoder.from_directory(packaged.folder, dtype=dtype)
    return made


@pytest.fixture(scope="module")
def exact(packaged) -> np.ndarray:
    return np.stack([packaged.reference(text) for text in SENTENCES])


@pytest.mark.parametrize("dtype", [*DTYPES, "auto"])
def test_encoder_gives_what_the_reference_gives_of_the_packaged_model(encoders, exact, dtype):
    """Serves R127."""
    vectors = encoders[dtype].encode(SENTENCES)

    assert (vectors.dtype, vectors.shape) == (np.float32, (len(SENTENCES), 384))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(SENTENCES)), abs=1e-6)
    cosines = [cosine(one, other) for one, other in zip(vectors, exact, strict=True)]
    assert min(cosines) >= NEAR[dtype] - 0.001
    # A text of punctuation alone, which int8 is a little further from, is no text to search for.
    worded = [near for near, text in zip(cosines, SENTENCES, strict=True) if any(map(str.isalnum, text))]
    assert min(worded) >= NEAR[dtype]


def test_encoder_finds_the_nearer_text_of_the_packaged_model(encoders):
    """Serves R127."""
    query, near, far = encoders["auto"].encode(
        ["How can I change my password?", "Steps to reset a forgotten password", "The recipe needs two eggs"]
    )

    assert query @ near > query @ far + 0.3


@pytest.mark.parametrize("dtype", DTYPES)
def test_encoder_gives_a_text_the_same_bits_alone_and_in_a_batch(encoders, dtype):
    together = encoders[dtype].encode(SENTENCES)

    alone = np.concatenate([encoders[dtype].encode([text]) for text in SENTENCES])

    assert (together == alone).all()


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_encoder_gives_the_same_bits_on_several_threads(encoders, packaged, threads):
    several = Encoder.from_directory(packaged.folder, threads=threads)

    assert (several.encode(SENTENCES * 3) == encoders["auto"].encode(SENTENCES * 3)).all()


def test_encoder_reads_as_many_tokens_as_the_model_does(encoders, packaged):
    long = "rail " * 400
    encoder = encoders["float32"]

    vectors, tokens, truncated = encoder.encode_detailed(["rail", long, "rail " * 254, "rail " * 255])

    assert (encoder.max_tokens, encoder.count_tokens(long)) == (256, 402)
    assert (tokens.dtype, tokens.tolist(), truncated) == (np.uint32, [3, 256, 256, 256], [1, 3])
    assert (vectors[1] == vectors[2]).all()
    assert cosine(vectors[1], packaged.reference(long)) >= NEAR["float32"]


def test_encoder_says_what_it_is(encoders, packaged):
    encoder = encoders["auto"]

    assert (encoder.dim, encoder.dtype, encoder.threads) == (384, "int8", 1)
    assert encoder.instructions in {"scalar", "avx2", "avx512", "avx512bf16"}
    assert repr(encoder) == "Encoder(\"model\", dim=384, dtype='int8')"


def test_encoder_gives_no_rows_of_no_texts(encoders):
    vectors, tokens, truncated = encoders["auto"].encode_detailed([])

    assert (vectors.shape, tokens.shape, truncated) == ((0, 384), (0,), [])


def test_encoder_takes_any_iterable_of_texts_but_no_text(encoders):
    assert encoders["auto"].encode(text for text in ("a", "b")).shape == (2, 384)
    with pytest.raises(TypeError, match="several texts"):
        encoders["auto"].encode("a text")
    with pytest.raises(TypeError):
        encoders["auto"].encode(["a", 1])


def test_encoder_serves_threads_at_once(encoders):
    expected = encoders["auto"].encode(SENTENCES)
    results: list[np.ndarray] = []

    def work() -> None:
        results.extend(encoders["auto"].encode(SENTENCES) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 20
    assert all((result == expected).all() for result in results)


@st.composite
def sizes(draw):
    """A random model's numbers."""
    heads, size = draw(st.sampled_from([(1, 3), (2, 8), (3, 5), (4, 16), (5, 33)]))
    return Numbers(
        hidden=heads * size,
        heads=heads,
        layers=draw(st.integers(1, 3)),
        intermediate=draw(st.integers(1, 70)),
        activation=draw(st.sampled_from(["gelu", "gelu_new"])),
        pooling=draw(st.sampled_from(["mean", "cls"])),
        normalizes=draw(st.booleans()),
        prefix=draw(st.sampled_from(["", "bert."])),
        seed=draw(st.integers(0, 2**32)),
    )


@settings(max_examples=40)
@given(numbers=sizes(), batch=st.lists(st.text("abcdefgh xyz.?É東", max_size=60), min_size=1, max_size=6))
def test_encoder_gives_what_the_reference_gives_of_random_models(tmp_path_factory, numbers, batch):
    model = random_model(tmp_path_factory.mktemp("model"), numbers)

    vectors, tokens, _ = Encoder.from_directory(model.folder, dtype="float32").encode_detailed(batch)

    expected = np.stack([model.reference(text) for text in batch])
    assert tokens.tolist() == [len(model.ids(text)) for text in batch]
    assert np.abs(vectors - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("length", [1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 510, 511, 600])
@pytest.mark.parametrize("dtype", DTYPES)
def test_encoder_gives_what_the_reference_gives_at_every_length(tmp_path, length, dtype):
    model = random_model(tmp_path, Numbers(hidden=32, heads=4, intermediate=64, positions=512))
    text = " ".join("abcdefgh"[at * at % 8] for at in range(length))

    vectors, tokens, truncated = Encoder.from_directory(tmp_path, dtype=dtype).encode_detailed([text])

    assert (tokens.tolist(), truncated) == ([min(length + 2, 512)], [0] if length > 510 else [])
    assert cosine(vectors[0], model.reference(text)) >= NEAR[dtype]


def test_encoder_encodes_an_empty_text_as_its_special_tokens(tmp_path):
    model = random_model(tmp_path)

    (vector,) = Encoder.from_directory(tmp_path, dtype="float32").encode([""])

    assert vector == pytest.approx(model.reference(""), abs=1e-6)


@pytest.mark.parametrize("form", ["F16", "BF16"])
def test_encoder_reads_weights_of_half_precision(tmp_path, form):
    model = random_model(tmp_path)
    halves = {}
    for name, array in model.weights.items():
        if array.dtype == np.int64:
            halves[name] = array
        elif form == "F16":
            halves[name] = array.astype(np.float16)
        else:
            halves[name] = (array.view(np.uint32) >> 16).astype(np.uint16)
    write_safetensors(tmp_path / "model.safetensors", halves)
    model = Model(tmp_path, read_safetensors(tmp_path / "model.safetensors"), model.shape, model.max_tokens)

    (vector,) = Encoder.from_directory(tmp_path, dtype="float32").encode(["a bcd e"])

    assert cosine(vector, model.reference("a bcd e")) >= NEAR["float32"]


def test_encoder_reads_normalisations_by_their_old_names(tmp_path):
    model = random_model(tmp_path)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in model.weights.items()
    }
    write_safetensors(tmp_path / "model.safetensors", old)

    (vector,) = Encoder.from_directory(tmp_path, dtype="float32").encode(["a bcd e"])

    assert cosine(vector, model.reference("a bcd e")) >= NEAR["float32"]


def test_encoder_takes_the_mean_of_a_folder_without_modules(tmp_path):
    model = random_model(tmp_path, Numbers(normalizes=False))
    (tmp_path / "modules.json").unlink()
    (tmp_path / "1_Pooling" / "config.json").unlink()

    (vector,) = Encoder.from_directory(tmp_path, dtype="float32").encode(["a b"])

    assert vector == pytest.approx(model.reference("a b"), abs=1e-5)


def test_encoder_reads_no_more_than_sentence_bert_config_says(tmp_path):
    random_model(tmp_path)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 5, "do_lower_case": true}')

    encoder = Encoder.from_directory(tmp_path)

    assert encoder.max_tokens == 5
    assert encoder.encode_detailed(["a b c d e"])[1].tolist() == [5]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        pytest.param({"dtype": "float16"}, "dtype must be", id="dtype"),
        pytest.param({"threads": 0}, "threads must be", id="no-threads"),
        pytest.param({"threads": -1}, "threads must be", id="negative-threads"),
        pytest.param({"threads": 5000}, "threads must be", id="many-threads"),
    ],
)
def test_encoder_refuses_options_that_mean_nothing(tmp_path, option, said):
    random_model(tmp_path)

    with pytest.raises(ConfigError, match=said):
        Encoder.from_directory(tmp_path, **option)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_encoder_says_which_file_a_folder_lacks(tmp_path, missing):
    random_model(tmp_path)
    (tmp_path / missing).unlink()

    with pytest.raises(ConfigError, match=f"has no {missing}"):
        Encoder.from_directory(tmp_path)


@pytest.mark.parametrize(
    ("beside", "said"),
    [("pytorch_model.bin", "safe_serialization"), ("model.safetensors.index.json", "several files")],
)
def test_encoder_says_what_to_do_about_weights_of_another_kind(tmp_path, beside, said):
    random_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / beside)

    with pytest.raises(ConfigError, match=said):
        Encoder.from_directory(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_type": "roberta"}, "model_type roberta"),
        ({"model_type": None}, "model_type missing"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_act": "relu"}, "hidden_act relu"),
        ({"is_decoder": True}, "is_decoder"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
    ],
)
def test_encoder_refuses_by_name_what_is_not_supported(tmp_path, settings, said):
    random_model(tmp_path, Numbers(settings=settings))

    with pytest.raises(FormatError, match=said) as caught:
        Encoder.from_directory(tmp_path)

    assert caught.value.path == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": "16"}, "hidden_size"),
        ({"num_attention_heads": 3}, "equal heads"),
        ({"num_hidden_layers": -1}, "num_hidden_layers"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps"),
        ({"vocab_size": 5}, "the model has 5 tokens"),
        ({"max_position_embeddings": 2}, "puts 2 tokens around"),
        ({"hidden_act": 1}, "hidden_act"),
    ],
)
def test_encoder_refuses_numbers_that_cannot_be(tmp_path, settings, said):
    random_model(tmp_path, Numbers(settings=settings))

    with pytest.raises(FormatError, match=said):
        Encoder.from_directory(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("config.json", "[]", "no object", id="config-list"),
        pytest.param("config.json", "{", "not a valid config.json", id="config-broken"),
        pytest.param("modules.json", "{}", "no list", id="modules-object"),
        pytest.param("modules.json", "[{}]", "no type", id="module-without-type"),
        pytest.param("modules.json", '[{"type": "m.Transformer", "path": ""}]', "no Transformer with", id="no-pooling"),
        pytest.param("modules.json", '[{"type": "m.Transformer", "path": "../x"}]', "out of the folder", id="outside"),
        pytest.param("modules.json", '[{"type": "m.CLIPModel", "path": ""}]', "CLIPModel", id="other-model"),
        pytest.param("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "pooling max_tokens", id="max"),
        pytest.param("1_Pooling/config.json", "{}", "no pooling_mode", id="no-mode"),
        pytest.param("1_Pooling/config.json", '{"pooling_mode_cls_token": 1}', "neither true nor false", id="mode-one"),
        pytest.param("sentence_bert_config.json", '{"max_seq_length": 0}', "max_seq_length", id="no-length"),
        pytest.param("tokenizer.json", "{}", "tokenizer", id="tokenizer-empty"),
    ],
)
def test_encoder_refuses_files_that_are_broken_or_unknown(tmp_path, name, content, said):
    random_model(tmp_path)
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(FormatError, match=said) as caught:
        Encoder.from_directory(tmp_path)

    assert caught.value.path == str(tmp_path / name)


def test_encoder_refuses_a_module_it_does_not_know_by_name(tmp_path):
    random_model(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules.insert(2, {"type": "sentence_transformers.models.Dense", "path": "2_Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))

    with pytest.raises(FormatError, match=r"models\.Dense in place 2"):
        Encoder.from_directory(tmp_path)


def test_encoder_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        Encoder.from_directory(tmp_path / "nothing")


def test_encoder_says_so_when_vectors_are_not_finite(tmp_path):
    model = random_model(tmp_path)
    model.weights["encoder.layer.0.output.dense.bias"][:] = 3e38
    model.weights["encoder.layer.0.output.dense.weight"][:] = 3e38
    write_safetensors(tmp_path / "model.safetensors", model.weights)

    for dtype in DTYPES:
        with pytest.raises(EngineError, match="text 0 is not finite"):
            Encoder.from_directory(tmp_path, dtype=dtype).encode(["a b"])


def test_encoder_refuses_places_that_are_not_counted_from_zero(tmp_path):
    model = random_model(tmp_path)
    model.weights["embeddings.position_ids"] = np.arange(40)[None] + 2
    write_safetensors(tmp_path / "model.safetensors", model.weights)

    with pytest.raises(FormatError, match="not counted from 0"):
        Encoder.from_directory(tmp_path)


def test_encoder_loads_a_folder_of_a_path_or_a_string(tmp_path):
    random_model(tmp_path)

    assert isinstance(tmp_path, Path)
    assert Encoder.from_directory(str(tmp_path)).dim == Encoder.from_directory(tmp_path).dim == 16

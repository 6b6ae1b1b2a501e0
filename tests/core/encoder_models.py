"""Encoder models for tests: small random ones in a folder, and the packaged one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferail.core import Tokenizer
from inferail.engine.packages import model_folder
from inferail.errors import ConfigError
from tests.core.reference_encoder import Shape, encode, exact, read_safetensors, write_safetensors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefgh")]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The size of a random model."""

    hidden: int = 16
    heads: int = 2
    layers: int = 2
    intermediate: int = 24
    positions: int = 40
    activation: str = "gelu"
    pooling: str = "mean"
    normalizes: bool = True
    prefix: str = ""
    seed: int = 1
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Model:
    """A folder, and what is in it for the reference."""

    folder: Path
    weights: dict[str, np.ndarray]
    shape: Shape
    max_tokens: int

    def ids(self, text: str) -> list[int]:
        """The tokens of a text as the model reads them."""
        inside = list(self.tokenizer.encode(text, allowed_special="all"))
        return [*self.around[0], *inside[: self.max_tokens - 2], *self.around[1]]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """That of the folder."""
        return Tokenizer.from_file(self.folder / "tokenizer.json")

    @cached_property
    def exact(self) -> dict[str, np.ndarray]:
        """The weights in float64."""
        return exact(self.weights)

    @property
    def around(self) -> tuple[list[int], list[int]]:
        """What is put before and behind a text."""
        template = json.loads((self.folder / "tokenizer.json").read_text())["post_processor"]
        ids = {name: token["ids"] for name, token in template["special_tokens"].items()}
        return ids["[CLS]"], ids["[SEP]"]

    def reference(self, text: str) -> np.ndarray:
        """The vector of a text, float64."""
        return encode(self.ids(text), self.exact, self.shape)


def tokenizer_json(words: list[str] = WORDS) -> dict[str, Any]:
    """A WordPiece tokenizer whose file pads and truncates, as that of the packaged model does."""
    special = [{"id": at, "content": words[at], "special": True} for at in range(4)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    pieces = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pieces.append({"SpecialToken": {"id": "[SEP]", "type_id": 0}})
    around = {name: {"id": name, "ids": [words.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": [{**token, **flags} for token in special],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": pieces,
            "pair": pieces,
            "special_tokens": around,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: at for at, word in enumerate(words)},
        },
    }


def random_model(folder: Path, numbers: Numbers | None = None) -> Model:
    """A model with random weights, written into `folder`."""
    numbers = numbers or Numbers()
    random = np.random.default_rng(numbers.seed)

    def matrix(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    hidden, wide = numbers.hidden, numbers.intermediate
    weights: dict[str, np.ndarray] = {
        "embeddings.word_embeddings.weight": matrix(len(WORDS), hidden),
        "embeddings.position_embeddings.weight": matrix(numbers.positions, hidden),
        "embeddings.token_type_embeddings.weight": matrix(2, hidden),
        "embeddings.position_ids": np.arange(numbers.positions)[None],
    }

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = (1 + 0.2 * random.standard_normal(hidden)).astype(np.float32)
        weights[f"{name}.bias"] = (0.2 * random.standard_normal(hidden)).astype(np.float32)

    def linear(name: str, width: int, depth: int) -> None:
        weights[f"{name}.weight"] = matrix(width, depth)
        weights[f"{name}.bias"] = matrix(width)

    norm("embeddings.LayerNorm")
    for layer in range(numbers.layers):
        name = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            linear(f"{name}attention.self.{part}", hidden, hidden)
        linear(f"{name}attention.output.dense", hidden, hidden)
        norm(f"{name}attention.output.LayerNorm")
        linear(f"{name}intermediate.dense", wide, hidden)
        linear(f"{name}output.dense", hidden, wide)
        norm(f"{name}output.LayerNorm")
    write_model(folder, numbers, weights)
    shape = Shape(
        numbers.layers, numbers.heads, 1e-12, numbers.activation, numbers.pooling, normalizes=numbers.normalizes
    )
    return Model(folder, weights, shape, numbers.positions)


def write_model(folder: Path, numbers: Numbers, weights: dict[str, np.ndarray]) -> None:
    """Everything that a folder of sentence-transformers has."""
    config = {
        "model_type": "bert",
        "hidden_size": numbers.hidden,
        "num_attention_heads": numbers.heads,
        "num_hidden_layers": numbers.layers,
        "intermediate_size": numbers.intermediate,
        "hidden_act": numbers.activation,
        "layer_norm_eps": 1e-12,
        "vocab_size": len(WORDS),
        "max_position_embeddings": numbers.positions,
        "type_vocab_size": 2,
        "position_embedding_type": "absolute",
        **numbers.settings,
    }
    kinds = ["Transformer", "Pooling", *(["Normalize"] if numbers.normalizes else [])]
    places = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": at, "name": str(at), "path": places[at], "type": f"sentence_transformers.models.{kind}"}
        for at, kind in enumerate(kinds)
    ]
    pooling = {
        "word_embedding_dimension": numbers.hidden,
        "pooling_mode_cls_token": numbers.pooling == "cls",
        "pooling_mode_mean_tokens": numbers.pooling == "mean",
        "pooling_mode_max_tokens": False,
    }
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    written = {
        "config.json": config,
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "tokenizer.json": tokenizer_json(),
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    named = {f"{numbers.prefix}{name}": array for name, array in weights.items()}
    write_safetensors(folder / "model.safetensors", named, format="pt")


def packaged_model() -> Model:
    """all-MiniLM-L6-v2 from its package; without it the test is skipped (on CI: fails)."""
    try:
        folder = model_folder("all-minilm-l6-v2")
    except ConfigError as error:
        pytest.skip(str(error))
    weights = read_safetensors(folder / "model.safetensors")
    return Model(folder, weights, Shape(layers=6, heads=12), 256)

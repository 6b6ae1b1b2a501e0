"""BERT encoders in numpy and float64, one text at a time, read off the definition: what `core.Encoder` has to give.

It takes token ids, not texts, and knows nothing of tokenizers. Weights come from a dict of arrays.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Weights = Mapping[str, np.ndarray]

_erf = np.frompyfunc(math.erf, 1, 1)
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the weights do not say.

    Attributes:
        layers: How many.
        heads: How many.
        epsilon: Of the normalisations.
        activation: `gelu`, or `gelu_new` for the approximation with tanh.
        pooling: `mean` or `cls`.
        normalizes: Whether vectors are made 1 long.
    """

    layers: int
    heads: int
    epsilon: float = 1e-12
    activation: str = "gelu"
    pooling: str = "mean"
    normalizes: bool = True


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a file, as it is; bf16 as float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, told in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = told["data_offsets"]
            data = raw[8 + length + begin : 8 + length + end]
            if told["dtype"] == "BF16":
                halves = np.frombuffer(data, "<u2").astype(np.uint32)
                array = (halves << 16).view(np.float32)
            else:
                array = np.frombuffer(data, _DTYPES[told["dtype"]])
            tensors[name] = array.reshape(told["shape"])
    return tensors


def write_safetensors(path: Path, tensors: Weights, **metadata: str) -> None:
    """A file of float32, float16 and int64 arrays, one behind the other; uint16 arrays are written as BF16."""
    names = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.int64): "I64"}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, array in tensors.items():
        dtype = names.get(array.dtype, "BF16")
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    path.write_bytes(struct.pack("<Q", len(said)) + said + b"".join(array.tobytes() for array in tensors.values()))


def exact(weights: Weights) -> dict[str, np.ndarray]:
    """The weights in float64, without those that are none."""
    return {name: array.astype(np.float64) for name, array in weights.items() if array.dtype.kind == "f"}


def encode(ids: Iterable[int], weights: Weights, shape: Shape) -> np.ndarray:
    """The vector of one text, float64 `[hidden]`; `weights` are what `exact` gives."""
    rows = list(ids)
    states = weights["embeddings.word_embeddings.weight"][rows]
    states = states + weights["embeddings.position_embeddings.weight"][: len(rows)]
    states = states + weights["embeddings.token_type_embeddings.weight"][0]
    states = _normalized(states, "embeddings.LayerNorm", weights, shape)
    for layer in range(shape.layers):
        states = _layer(states, f"encoder.layer.{layer}.", weights, shape)
    pooled = states.mean(axis=0) if shape.pooling == "mean" else states[0]
    return pooled / np.linalg.norm(pooled) if shape.normalizes else pooled


def _layer(states: np.ndarray, name: str, weights: Weights, shape: Shape) -> np.ndarray:
    tokens, hidden = states.shape
    split = (tokens, shape.heads, hidden // shape.heads)
    parts = [
        _linear(states, f"{name}attention.self.{part}", weights).reshape(split) for part in ("query", "key", "value")
    ]
    query, key, value = parts
    scores = np.einsum("qhd,khd->hqk", query, key) / math.sqrt(split[2])
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    context = np.einsum("hqk,khd->qhd", scores, value).reshape(tokens, hidden)
    attended = states + _linear(context, f"{name}attention.output.dense", weights)
    states = _normalized(attended, f"{name}attention.output.LayerNorm", weights, shape)
    wide = _activated(_linear(states, f"{name}intermediate.dense", weights), shape)
    narrow = states + _linear(wide, f"{name}output.dense", weights)
    return _normalized(narrow, f"{name}output.LayerNorm", weights, shape)


def _linear(states: np.ndarray, name: str, weights: Weights) -> np.ndarray:
    return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _normalized(states: np.ndarray, name: str, weights: Weights, shape: Shape) -> np.ndarray:
    centred = states - states.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + shape.epsilon)
    return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _activated(x: np.ndarray, shape: Shape) -> np.ndarray:
    if shape.activation == "gelu":
        return 0.5 * x * (1 + np.asarray(_erf(x / math.sqrt(2)), np.float64))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

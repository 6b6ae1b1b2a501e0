"""Files of weights that are not what they should be: refused with the path and the place, never read wrongly."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferail.core import Encoder
from inferail.errors import FormatError, InferailError
from tests.core.encoder_models import Numbers, random_model
from tests.core.reference_encoder import write_safetensors

SMALL = Numbers(hidden=4, heads=1, layers=1, intermediate=4, positions=4)


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def rewrite(path: Path, header: Any, data: bytes) -> None:
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said + data)


@pytest.fixture
def weights(tmp_path) -> Path:
    random_model(tmp_path, SMALL)
    return tmp_path / "model.safetensors"


def refused(weights: Path, said: str) -> FormatError:
    with pytest.raises(FormatError, match=said) as caught:
        Encoder.from_directory(weights.parent)
    assert caught.value.path == str(weights)
    return caught.value


FIRST = "embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"data_offsets": [0, 2**63]}, "does not fit its offsets", id="end-beyond"),
        pytest.param({"data_offsets": [2**64 - 608, 2**64 - 1]}, "does not fit its offsets", id="near-overflow"),
        pytest.param({"data_offsets": [8, 4]}, "does not fit its offsets", id="end-before-begin"),
        pytest.param({"shape": [2**40, 2**40]}, "does not fit its offsets", id="shape-overflows"),
        pytest.param({"shape": [2**63, 0]}, "does not fit its offsets", id="shape-with-zero"),
        pytest.param({"shape": [-1]}, "in the header", id="shape-negative"),
        pytest.param({"shape": [1.5]}, "in the header", id="shape-fraction"),
        pytest.param({"dtype": "F33"}, "unknown dtype", id="dtype-unknown"),
        pytest.param({"dtype": "F16"}, "does not fit its offsets", id="dtype-smaller"),
        pytest.param({"more": 1}, "unknown field", id="field-unknown"),
        pytest.param({"dtype": 1}, "in the header", id="dtype-number"),
        pytest.param({"data_offsets": [0]}, "in the header", id="one-offset"),
    ],
)
def test_safetensors_refuses_a_header_that_lies(weights, change, said):
    header, data = parts(weights)
    header[FIRST] |= change
    rewrite(weights, header, data)

    assert refused(weights, said).offset is not None


def test_safetensors_refuses_tensors_that_overlap(weights):
    header, data = parts(weights)
    second = header["embeddings.LayerNorm.weight"]
    second["data_offsets"] = [offset - 4 for offset in second["data_offsets"]]
    rewrite(weights, header, data)

    refused(weights, "overlaps")


def test_safetensors_refuses_bytes_that_belong_to_nothing(weights):
    header, data = parts(weights)
    rewrite(weights, header, data + b"\0" * 4)

    assert refused(weights, "its tensors end").offset is not None
    for told in header.values():
        if "data_offsets" in told:
            told["data_offsets"] = [offset + 4 for offset in told["data_offsets"]]
    rewrite(weights, header, b"\0" * 4 + data)
    refused(weights, "belong to nothing")


def test_safetensors_refuses_a_name_that_is_there_twice(weights):
    header, data = parts(weights)
    said = json.dumps(header)
    entry = json.dumps({FIRST: header[FIRST]})[1:-1]
    rewrite(weights, f"{said[:-1]}, {entry}}}".encode(), data)

    refused(weights, "twice")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 1_000_000])
def test_safetensors_refuses_a_header_longer_than_the_file(weights, length):
    raw = weights.read_bytes()
    weights.write_bytes(struct.pack("<Q", length) + raw[8:])

    assert refused(weights, "the header has").offset == 0


@pytest.mark.parametrize("bytes_left", [0, 1, 7, 8, 9, 100])
def test_safetensors_refuses_a_file_that_ends_early(weights, bytes_left):
    weights.write_bytes(weights.read_bytes()[:bytes_left])

    refused(weights, "not a valid safetensors file")


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"{", b"\xff\xff", b'{"a": []}'])
def test_safetensors_refuses_a_header_that_is_no_object_of_tensors(weights, header):
    rewrite(weights, header, b"")

    refused(weights, "in the header")


def test_safetensors_refuses_a_tensor_that_is_missing_or_of_another_shape(weights):
    header, data = parts(weights)
    told = header.pop(FIRST)
    rewrite(weights, {**header, "other": told}, data)
    refused(weights, "has no tensor")

    rewrite(weights, {**header, FIRST: {**told, "shape": told["shape"][::-1]}}, data)
    refused(weights, r"has the shape \[4, 38\] instead of \[38, 4\]")


def test_safetensors_refuses_numbers_of_another_kind_by_name(weights):
    header, data = parts(weights)
    header[FIRST]["dtype"] = "I32"
    rewrite(weights, header, data)

    refused(weights, "dtype I32")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_safetensors_refuses_numbers_that_are_not_finite(tmp_path, wrong):
    model = random_model(tmp_path, SMALL)
    name = "encoder.layer.0.intermediate.dense.weight"
    model.weights[name][1, 2] = wrong
    write_safetensors(tmp_path / "model.safetensors", model.weights)
    header, _ = parts(tmp_path / "model.safetensors")
    length = (tmp_path / "model.safetensors").stat().st_size - header_end(header)

    error = refused(tmp_path / "model.safetensors", "not finite")

    assert error.offset == length + header[name]["data_offsets"][0] + 6 * 4


def header_end(header: dict[str, Any]) -> int:
    """Bytes behind the header."""
    return max(told["data_offsets"][1] for told in header.values() if "data_offsets" in told)


def test_safetensors_survives_changed_bytes_of_the_header(weights):
    """A changed byte is refused with a place, or leaves a model that computes; rust/engine/tests has every byte and value."""
    raw = weights.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    refusals = 0

    for at in range(0, 8 + length, 23):
        weights.write_bytes(raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :])
        try:
            Encoder.from_directory(weights.parent).encode(["a"])
        except InferailError as error:
            assert isinstance(error, FormatError), (at, error)  # noqa: PT017
            assert error.path == str(weights)  # noqa: PT017
            refusals += 1

    assert refusals > length // 23 - 5


def test_safetensors_survives_other_lengths(weights):
    raw = weights.read_bytes()

    for length in range(0, len(raw), 41):
        weights.write_bytes(raw[:length])
        with pytest.raises(FormatError):
            Encoder.from_directory(weights.parent)

"""The numbers of an answer as an array, against a reading number by number."""

import base64
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import inferail as ir
from inferail.providers.embeddings.vectors import vectors

FLOATS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 7)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def malformed(what: str) -> ir.ServerError:
    return ir.ServerError(what)


def packed(row) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def one_by_one(rows: list[str]) -> list[list[float]]:
    """The slow twin: unpacks every number by itself."""
    decoded = [base64.b64decode(row) for row in rows]
    return [[struct.unpack("<f", row[at : at + 4])[0] for at in range(0, len(row), 4)] for row in decoded]


@given(FLOATS)
def test_vectors_are_the_numbers_that_were_packed(values):
    rows = [packed(row) for row in values.tolist()]

    made = vectors(rows, len(rows), None, malformed)

    assert made.dtype == np.float32
    assert made.shape == values.shape
    assert made.tolist() == one_by_one(rows)


@given(FLOATS)
def test_vectors_of_json_are_those_of_base64(values):
    rows = json.loads(json.dumps(values.tolist()))

    made = vectors(rows, len(rows), None, malformed)

    assert np.array_equal(made, values)


def test_vectors_may_be_written_to():
    made = vectors([packed([1.0, 2.0])], 1, None, malformed)

    made *= 2

    assert made.tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize(
    ("rows", "count", "dimensions", "what"),
    [
        pytest.param([[1.0]], 2, None, "1 vectors for 2 texts", id="too-few"),
        pytest.param([[1.0], [2.0]], 1, None, "2 vectors for 1 texts", id="too-many"),
        pytest.param([[1.0], [1.0, 2.0]], 2, None, "several lengths", id="ragged"),
        pytest.param([packed([1.0]), packed([1.0, 2.0])], 2, None, "several lengths", id="ragged-base64"),
        pytest.param([packed([1.0]), [1.0]], 2, None, "not base64", id="mixed"),
        pytest.param([[1.0], packed([1.0])], 2, None, "not lists of numbers", id="mixed-the-other-way"),
        pytest.param(["AAAA"], 1, None, "several lengths", id="three-bytes"),
        pytest.param(["no base64!"], 1, None, "not base64", id="not-base64"),
        pytest.param([""], 1, None, "empty vectors", id="empty-base64"),
        pytest.param([[]], 1, None, "not lists of numbers", id="empty-list"),
        pytest.param([None], 1, None, "not lists of numbers", id="null"),
        pytest.param([{"a": 1}], 1, None, "not lists of numbers", id="object"),
        pytest.param([[1.0, "x"]], 1, None, "not lists of numbers", id="text-among-numbers"),
        pytest.param([[1.0, [2.0]]], 1, None, "not lists of numbers", id="nested"),
        pytest.param([[1.0, None]], 1, None, "not finite", id="null-among-numbers"),
        pytest.param([[1.0, 1e300]], 1, None, "not finite", id="too-large-for-float32"),
        pytest.param([packed([1.0, float("nan")])], 1, None, "not finite", id="nan"),
        pytest.param([packed([float("inf"), float("-inf")])], 1, None, "not finite", id="infinities"),
        pytest.param([[1.0, 2.0]], 1, 3, "2 numbers where 3 were asked for", id="other-dimensions"),
    ],
)
def test_vectors_refuses_what_is_not_one_vector_for_each_text(rows, count, dimensions, what):
    with pytest.raises(ir.ServerError, match=what):
        vectors(rows, count, dimensions, malformed)


def test_vectors_takes_numbers_that_sum_beyond_float32():
    largest = float(np.finfo(np.float32).max)

    assert vectors([[largest] * 8], 1, None, malformed).tolist() == [[largest] * 8]

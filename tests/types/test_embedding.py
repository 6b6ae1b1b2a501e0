"""What is asked of an embedding model."""

from typing import Any

import numpy as np
import pytest

import inferail as ir
from inferail.types.embedding import EmbeddingRequest, Embeddings


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        pytest.param({"texts": ()}, "nothing to embed", id="no-text"),
        pytest.param({"texts": ("a", "")}, r"texts\[1\] is empty", id="empty-text"),
        pytest.param({"texts": ("a", 7)}, r"texts\[1\] must be a string, not int", id="no-string"),
        pytest.param({"texts": ("a",), "input_type": "image"}, "'query' or 'document'", id="unknown-type"),
        pytest.param({"texts": ("a",), "dimensions": 0}, "1 or more", id="no-dimensions"),
        pytest.param({"texts": ("a",), "dimensions": True}, "1 or more", id="flag-for-dimensions"),
    ],
)
def test_request_refuses_what_cannot_be_embedded(arguments: dict[str, Any], what):
    with pytest.raises(ir.ConfigError, match=what):
        EmbeddingRequest(**arguments)


def test_repr_shows_no_text_and_no_numbers():
    request = EmbeddingRequest(("canary",), provider_options={"openai": {"user": "canary"}})
    embeddings = Embeddings(np.full((1, 3), 0.12345, np.float32), model="m")

    assert "canary" not in repr(request)
    assert "12345" not in repr(embeddings)


def test_embeddings_are_an_array_for_numpy():
    embeddings = Embeddings(np.eye(3, dtype=np.float32))

    assert np.asarray(embeddings) is not None
    assert np.asarray(embeddings, dtype=np.float64).dtype == np.float64
    assert (np.asarray(embeddings) @ embeddings.vectors.T).tolist() == np.eye(3).tolist()
    assert (len(embeddings), embeddings.dimensions) == (3, 3)

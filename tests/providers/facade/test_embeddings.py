"""OpenAI's embeddings from the server's side."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.providers import embedding_codec
from inferail.providers.codec import Endpoint
from inferail.providers.facade import EmbeddingsFacade
from inferail.types.embedding import EmbeddingRequest, Embeddings
from inferail.types.usage import Usage

FACADE = EmbeddingsFacade()


def asked(**fields):
    return FACADE.decode_request(json.dumps({"model": "m", "input": ["a"], **fields}).encode())


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4),
    dimensions=st.none() | st.integers(1, 5),
    user=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_request_is_what_the_codec_wrote(texts, dimensions, user):
    options = {} if user is None else {"openai": {"user": user}}
    request = EmbeddingRequest(tuple(texts), None, dimensions, options)

    encoded = embedding_codec("openai").encode(request, Endpoint("m", "http://127.0.0.1:9/v1"))
    incoming = FACADE.decode_request(encoded.wire.body)

    assert (incoming.model, incoming.form, incoming.request) == ("m", "base64", request)


@pytest.mark.parametrize("form", ["float", "base64"])
def test_answer_is_what_the_codec_reads(form):
    vectors = np.array([[0.1, -2.5], [1e-30, 3e38]], np.float32)
    incoming = asked(input=["a", "b"], encoding_format=form)

    served = FACADE.encode_response(Embeddings(vectors, Usage(input_tokens=3), model="m-1"), incoming)
    read = embedding_codec("openai").decode(incoming.request, {}, served.body)

    assert np.array_equal(read.vectors, vectors)
    assert (read.model, read.usage.input_tokens) == ("m-1", 3)


def test_request_may_be_one_text():
    assert asked(input="a rail").request.texts == ("a rail",)


def test_request_carries_the_input_type_and_unknown_fields():
    request = asked(input_type="query", user="7", truncate=True).request

    assert request.input_type == "query"
    assert request.provider_options == {"openai": {"user": "7", "truncate": True}}


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        pytest.param({"input": None}, "input: is required", id="no-input"),
        pytest.param({"input": []}, "input: is required", id="empty-list"),
        pytest.param({"input": ""}, "input: must be", id="empty-text"),
        pytest.param({"input": ["a", ""]}, "input: must be", id="an-empty-text"),
        pytest.param({"input": [1, 2]}, "input: token ids", id="token-ids"),
        pytest.param({"input": [[1, 2]]}, "input: token ids", id="lists-of-token-ids"),
        pytest.param({"input": {"a": 1}}, "input: must be", id="object"),
        pytest.param({"model": ""}, "model: is required", id="no-model"),
        pytest.param({"dimensions": 0}, "dimensions: must be 1 or more", id="no-dimensions"),
        pytest.param({"dimensions": "8"}, "dimensions: must be a number", id="text-for-dimensions"),
        pytest.param({"encoding_format": "int8"}, "encoding_format: must be one of", id="format"),
        pytest.param({"input_type": "passage"}, "input_type: must be one of", id="input-type"),
    ],
)
def test_request_that_is_wrong_is_a_config_error_that_names_the_field(fields, what):
    with pytest.raises(ir.ConfigError, match=what):
        asked(**fields)


def test_request_that_is_no_json_is_a_config_error():
    with pytest.raises(ir.ConfigError, match="not JSON"):
        FACADE.decode_request(b"{")

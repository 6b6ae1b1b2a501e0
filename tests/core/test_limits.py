"""Limits of the parsers, which are numbers of bytes."""

import pytest

from inferail import core
from inferail.errors import ConfigError

PARSERS = {
    "max_event_bytes of SSEParser": lambda limit: core.SSEParser(max_event_bytes=limit),
    "max_line_bytes of NDJSONParser": lambda limit: core.NDJSONParser(max_line_bytes=limit),
    "max_payload_bytes of EventStreamParser": lambda limit: core.EventStreamParser(max_payload_bytes=limit),
    "max_event_bytes of StreamDecoder": lambda limit: core.StreamDecoder("openai_chat", max_event_bytes=limit),
    "max_bytes of PartialJSON": lambda limit: core.PartialJSON(max_bytes=limit),
}


@pytest.mark.parametrize(("name", "make"), PARSERS.items(), ids=PARSERS)
@pytest.mark.parametrize("limit", [0, -1, -(2**63)])
def test_limit_below_one_byte_is_a_config_error_that_says_so(name, make, limit):
    with pytest.raises(ConfigError, match=f"{name.split()[0]} must be a number of bytes, 1 or more, not {limit}"):
        make(limit)


@pytest.mark.parametrize("make", PARSERS.values(), ids=PARSERS)
def test_limit_of_one_byte_is_taken(make):
    make(1)

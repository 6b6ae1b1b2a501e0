"""Text of ids while they arrive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from tests.core.small_tokenizer import END, TOKENIZER


@given(ids=st.lists(st.integers(0, 263)), size=st.integers(1, 4))
def test_streamed_text_is_that_of_the_whole(ids, size):
    """Serves R30."""
    decoder = TOKENIZER.streaming_decoder()

    pieces = [decoder.feed(ids[at : at + size]) for at in range(0, len(ids), size)]
    pieces.append(decoder.finish())

    assert "".join(pieces) == TOKENIZER.decode(ids)


@given(text=st.text())
def test_every_character_comes_with_its_last_byte(text):
    decoder = TOKENIZER.streaming_decoder()

    for character in text.encode("utf-8", "replace").decode():
        *begun, last = character.encode()
        assert [decoder.feed(byte) for byte in begun] == [""] * len(begun)
        assert decoder.feed(last) == character
    assert decoder.finish() == ""


def test_character_that_never_ends_is_replaced_at_the_end():
    decoder = TOKENIZER.streaming_decoder()

    assert decoder.feed([0xF0, 0x9F]) == ""
    assert decoder.finish() == "\ufffd"
    assert decoder.feed(104) == "h"


def test_special_tokens_are_text_unless_they_are_skipped():
    assert TOKENIZER.streaming_decoder().feed(END) == "<|end|>"
    assert TOKENIZER.streaming_decoder(skip_special_tokens=True).feed([104, END, 101]) == "he"


@pytest.mark.parametrize("unknown", [299, -1, 2**40])
def test_unknown_id_leaves_the_decoder_as_it_was(unknown):
    decoder = TOKENIZER.streaming_decoder()
    decoder.feed(0xC3)

    with pytest.raises(ConfigError, match="no token has the id"):
        decoder.feed([104, unknown])

    assert decoder.feed(0xA9) == "é"


@pytest.mark.parametrize("kind", [np.uint32, np.int64, np.uint16])
def test_ids_may_be_numbers_of_numpy(kind):
    decoder = TOKENIZER.streaming_decoder()

    assert decoder.feed(kind(259)) == "hello"
    assert decoder.feed(np.array([32, 259], kind)) == " hello"
    with pytest.raises(TypeError):
        decoder.feed(1.5)  # type: ignore[arg-type]

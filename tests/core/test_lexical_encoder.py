"""core.LexicalEncoder: near are texts of the same words, and vectors are the same everywhere."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import LexicalEncoder
from inferail.errors import ConfigError

MASK = 2**64 - 1


def reference_hash(kind: int, *parts: str) -> int:
    state = 0xCBF29CE484222325 ^ kind
    for part in parts:
        for byte in part.encode() + b"\xff":
            state = ((state ^ byte) * 0x100000001B3) & MASK
    state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ state >> 27) * 0x94D049BB133111EB) & MASK
    return state ^ state >> 31


def reference(text: str, dim: int) -> np.ndarray:
    """The definition, for texts of ASCII."""
    folded = text.lower()
    words = "".join(letter if letter.isalnum() else " " for letter in folded).split()
    if not words and folded:
        words = [folded.strip(" \t\n\r\x0b\x0c") or folded]
    pieces: Counter[tuple[int, float]] = Counter()
    for at, word in enumerate(words):
        pieces[reference_hash(1, word), 1.0] += 1
        if at:
            pieces[reference_hash(2, words[at - 1], word), 0.7] += 1
        whole = f"<{word}>"
        for length in (3, 4, 5):
            for begin in range(len(whole) - length + 1):
                pieces[reference_hash(3, whole[begin : begin + length]), 0.35] += 1
    vector = np.zeros(dim)
    for (code, weight), count in pieces.items():
        vector[(code >> 32) * dim >> 32] += weight * math.sqrt(count) * (1 if code & 1 else -1)
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector


ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80)


@given(text=ascii_texts, dim=st.integers(8, 600))
def test_lexical_encoder_gives_what_the_reference_gives(text, dim):
    (vector,) = LexicalEncoder(dim).encode([text])

    expected = reference(text, dim)
    if expected.any():
        assert vector == pytest.approx(expected, abs=2e-6)


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5))
def test_lexical_encoder_gives_vectors_of_length_one_whatever_the_texts(texts):
    vectors = LexicalEncoder(64).encode(texts)

    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), 64)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert (vectors[0] == LexicalEncoder(64).encode([texts[0]])[0]).all()


def test_lexical_encoder_puts_texts_of_the_same_words_near():
    query, near, far = LexicalEncoder().encode(
        ["How do I reset my password?", "how to reset a password", "The recipe needs two eggs and some flour"]
    )

    assert query @ near > 0.4
    assert abs(query @ far) < 0.2


def test_lexical_encoder_counts_case_and_marks_for_nothing():
    one, other = LexicalEncoder().encode(["Reset, my PASSWORD!", "reset my password"])

    assert one @ other == pytest.approx(1.0)


def test_lexical_encoder_tells_texts_of_marks_apart():
    vectors = LexicalEncoder().encode(["!?", "🚂🚃", "...", " "])

    assert np.abs(vectors @ vectors.T - np.eye(4)).max() < 0.9


def test_lexical_encoder_gives_zeros_of_an_empty_text():
    assert not LexicalEncoder().encode([""]).any()


def test_lexical_encoder_gives_the_same_bits_in_every_process():
    texts = ["How do I reset my password?", "Straße ÉCLAIR 東京 🚂", "a a a a b"]
    program = (
        "import hashlib\nfrom inferail.core import LexicalEncoder\n"
        f"print(hashlib.sha256(LexicalEncoder(96).encode({texts!r}).tobytes()).hexdigest())"
    )
    paths = {"PYTHONPATH": str(Path(__file__).parents[2] / "python"), "PYTHONHASHSEED": "7"}

    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=paths)

    digest = hashlib.sha256(LexicalEncoder(96).encode(texts).tobytes()).hexdigest()
    assert other.stdout.strip() == digest
    # What was written down on another day: no version may change it, for stored vectors would no longer fit.
    assert digest == "4ec6c4db83af42acf451c8463b5d553695d93f486878cd0fa279ccc5a97b38e0"


@pytest.mark.parametrize("dim", [-1, 0, 7, 65_537])
def test_lexical_encoder_refuses_dimensions_that_mean_nothing(dim):
    with pytest.raises(ConfigError, match="dim must be a number from 8 to 65536"):
        LexicalEncoder(dim)


def test_lexical_encoder_takes_no_single_text():
    with pytest.raises(TypeError, match="several texts"):
        LexicalEncoder().encode("a text")


def test_lexical_encoder_says_what_it_is():
    assert (repr(LexicalEncoder(64)), LexicalEncoder().dim) == ("LexicalEncoder(dim=64)", 512)

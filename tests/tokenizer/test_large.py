"""Prompts as long as models read, texts that are longer, and how much memory they take."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken

from inferail.core import Tokenizer

PROMPT_TOKENS = 32_768
BENCH = Path(__file__).parents[2] / "benches" / "python" / "bench_tokenizer.py"
WORDS = "The quick brown fox jumps over the lazy dog; naïve café, 12345 — Привет, мир! 你好。 x = {'a': [1]}\n"
MEGABYTES_100 = 100 * 1024 * 1024

# Prints by how many MiB the most memory that was used grew.
MEASURED = """
import resource
from inferail.core import Tokenizer
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
{prepare}
before = most()
{work}
print(most() - before)
"""


def grown(prepare: str, work: str) -> int:
    """MiB by which the most memory of a process of its own grew during `work`, which asserts what it does."""
    code = MEASURED.format(prepare=prepare, work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base"])
def test_prompt_of_32k_tokens_has_the_ids_of_tiktoken(name, tiktoken_cache):
    """Serves R202.

    How long it takes is measured by `bench_tokenizer_prompt_of_32k_tokens`, in benches/python/bench_tokenizer.py.
    """
    ours, theirs = Tokenizer.named(name), tiktoken.get_encoding(name)
    first = ours.encode(WORDS * 4000, max_tokens=PROMPT_TOKENS - 1, as_list=True)
    prompt = ours.decode(first) + " end"

    ids = ours.encode(prompt, as_list=True)

    assert ids == theirs.encode(prompt)
    assert len(ids) == ours.count(prompt) == PROMPT_TOKENS
    assert ours.count_till_limit(prompt, PROMPT_TOKENS) == PROMPT_TOKENS
    assert ours.count_till_limit(prompt, PROMPT_TOKENS - 1) is None


def test_time_of_such_a_prompt_is_measured():
    """Serves R202."""
    benches = {node.name for node in ast.parse(BENCH.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}

    assert "bench_tokenizer_prompt_of_32k_tokens" in benches


def test_text_of_a_million_tokens_is_counted_and_cut_to_a_window():
    """Serves R10."""
    tokenizer = Tokenizer.named("o200k_base")
    line = tokenizer.encode("a b\n", as_list=True)
    text = "a b\n" * (1_000_000 // len(line) + 1)

    assert tokenizer.count_till_limit(text, 1_000_000) is None
    assert tokenizer.count(text) == len(line) * (1_000_000 // len(line) + 1)
    window = tokenizer.encode(text, max_tokens=1_000_000)
    assert len(window) == 1_000_000
    assert window.tolist() == (line * (1_000_000 // len(line) + 1))[:1_000_000]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "megabytes", "times"),
    [
        # What it may take is a copy of the text as UTF-8.
        pytest.param("The quick brown fox 12345. ", 100, 2, id="words"),
        # One piece: a few numbers for each of its characters as well (24 bytes for each "a" in November 2026).
        pytest.param("a", 20, 33, id="letter"),
        pytest.param(" ", 20, 33, id="space"),
        pytest.param("你好", 20, 33, id="han"),
    ],
)
def test_long_text_is_counted_in_memory_that_its_length_bounds(text, megabytes, times):
    prepare = (
        "tokenizer = Tokenizer.named('o200k_base'); tokenizer.count('warm')\n"
        f"text = {text!r} * ({megabytes << 20} // len({text!r}.encode())); text.encode()"
    )
    work = "assert len(text) // 200 < tokenizer.count(text) < len(text)"

    assert grown(prepare, work) < megabytes * times


@pytest.mark.slow
def test_text_of_100_megabytes_is_right():
    tokenizer = Tokenizer.named("o200k_base")
    piece = "The quick brown fox 12345.\n"
    text = piece * (MEGABYTES_100 // len(piece))
    line = tokenizer.encode(piece)

    ids = tokenizer.encode(text)

    assert len(ids) == len(line) * (MEGABYTES_100 // len(piece))
    assert (ids.reshape(-1, len(line)) == line).all()
    assert tokenizer.decode(ids) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", ["Tokenizer.named('cl100k_base')", *(f"family('{name}')" for name in ("llama2", "t5"))]
)
def test_many_different_words_leave_little_behind(make):
    prepare = (
        "from tests.tokenizer import files\n"
        "def family(name): return Tokenizer.from_bytes(files.WHOLE[f'tokenizer.json {name}'])\n"
        f"tokenizer = {make}\n"
        "def words(start): return ' '.join(f'w{number:x}qz{number * 7919:x}' for number in range(start, start + 50_000))\n"
        "for start in range(0, 500_000, 50_000): tokenizer.count(words(start))"
    )
    work = "for start in range(500_000, 3_000_000, 50_000): tokenizer.count(words(start))"

    # Five times as many words as before, and nearly nothing more.
    assert grown(prepare, work) < 16

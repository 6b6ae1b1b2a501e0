"""The tokenizers that ship with the package."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
import tiktoken_ext.openai_public as definitions  # type: ignore[import-untyped]
from scripts.generate_vocabularies import SHA256, compact, ranks

from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError
from inferail.tokenizer import named

TEXTS = [
    "Rails, routes & 12345 naïve Größen: 渡り鳥は\n\n    don't STOP'VE 🚃  ",
    "def f(x):\r\n\treturn {'a': [1, 2, 3]}  # привет мир\n",
    "   " * 30 + "x" + "\n" * 9,
]
# Both read ranks that tiktoken has in another file format: the text of `gpt2` is checked through `r50k_base`.
OF_TIKTOKEN = [name for name in named.ENCODINGS if name != "gpt2"]


@pytest.mark.parametrize("name", SHA256)
def test_shipped_ranks_are_the_file_that_tiktoken_knows(name, ranks_files):
    assert hashlib.sha256(ranks_files[name]).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_script_writes_the_file_that_is_shipped(name, ranks_files):
    shipped = Path(named.__file__).parent / "data" / f"{name}.vocabulary"

    assert compact(ranks(ranks_files[name])) == shipped.read_bytes()


@pytest.mark.parametrize("name", OF_TIKTOKEN)
def test_named_is_what_tiktoken_has_under_the_name(name, tiktoken_cache):
    """Serves R30."""
    original, ours = tiktoken.get_encoding(name), named.load(name)

    assert named.ENCODINGS[name].pattern == original._pat_str
    assert named.ENCODINGS[name].special_tokens == original._special_tokens
    for text in [*TEXTS, "".join(sorted(original.special_tokens_set)[:40]), "<|endoftext|>a<|endofprompt|>"]:
        assert ours.encode_ordinary(text, as_list=True) == original.encode_ordinary(text)
        assert ours.encode(text, allowed_special="all", as_list=True) == original.encode(text, allowed_special="all")


def test_gpt2_differs_from_r50k_in_its_name_alone():
    assert definitions.r50k_pat_str == named.ENCODINGS["gpt2"].pattern
    assert named.ENCODINGS["gpt2"] == named.ENCODINGS["r50k_base"]


def test_every_name_of_tiktoken_is_known():
    assert set(named.ENCODINGS) == set(definitions.ENCODING_CONSTRUCTORS)


def test_named_gives_the_same_object_every_time():
    assert named.load("p50k_base") is named.load("p50k_base")


def test_unknown_name_is_a_config_error_that_lists_the_names():
    with pytest.raises(ConfigError, match=r"'cl100k'.*cl100k_base, o200k_base"):
        named.load("cl100k")


def test_shipped_vocabularies_are_small():
    files = (Path(named.__file__).parent / "data").glob("*.vocabulary")

    assert sum(path.stat().st_size for path in files) < 2_400_000


def test_compact_file_is_read_where_ranks_are():
    file = compact({0: b"a", 1: b"b", 3: b"ab", 4: b"abb"})

    tokenizer = Tokenizer.from_tiktoken(file, pattern=r".+")

    assert tokenizer.encode("abba", as_list=True) == [4, 0]


def test_damaged_compact_file_is_a_format_error():
    file = bytearray(compact({0: b"a", 1: b"b"}))
    file[17] ^= 1

    with pytest.raises(FormatError, match="its checksum is another"):
        Tokenizer.from_tiktoken(bytes(file), pattern=r".+")
    with pytest.raises(FormatError, match="cut short"):
        Tokenizer.from_tiktoken(bytes(file[:10]), pattern=r".+")


def test_missing_file_of_the_package_is_a_format_error(monkeypatch, tmp_path):
    monkeypatch.setattr(named, "_DATA", tmp_path)

    with pytest.raises(FormatError, match="install inferail again") as caught:
        named.load.__wrapped__("cl100k_base")

    assert caught.value.path == str(tmp_path / "cl100k_base.vocabulary")


def test_script_refuses_a_file_of_another_hash(tmp_path):
    (tmp_path / "r50k_base.tiktoken").write_bytes(b"YQ== 0\n")
    script = Path(__file__).parents[2] / "scripts" / "generate_vocabularies.py"
    copy = tmp_path / "a" / "b" / script.name
    copy.parent.mkdir(parents=True)
    shutil.copy(script, copy)

    done = subprocess.run([sys.executable, copy, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "r50k_base.tiktoken is not the file that tiktoken knows" in done.stderr

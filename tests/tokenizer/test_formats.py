"""Every format, from a file, from bytes and from a repository: whole, cut short, damaged and taken for another."""

from __future__ import annotations

import json
import pickle
import random
import re

import pytest
from tests.tokenizer import files, goldens

from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError, InferailError

KINDS = list(files.WHOLE)


def kind_of(name: str) -> str:
    """What errors call such a file."""
    return name.partition(" ")[0] if name.startswith("tokenizer.json") else name


@pytest.mark.parametrize("name", KINDS)
def test_file_and_its_bytes_are_the_same_tokenizer(tmp_path, name):
    path = tmp_path / "without-a-suffix"
    path.write_bytes(files.WHOLE[name])

    from_file, from_bytes = Tokenizer.from_file(path), Tokenizer.from_bytes(files.WHOLE[name])

    ids = from_file.encode(files.TEXT, as_list=True)
    assert len(ids) > 1
    assert ids == from_bytes.encode(files.TEXT, as_list=True)
    assert from_file.decode(ids).strip() == files.TEXT
    assert from_file.vocabulary() == from_bytes.vocabulary()
    assert from_file.count(files.TEXT) == len(ids)


@pytest.mark.parametrize("name", KINDS)
def test_pickle_brings_the_same_tokenizer_back(tmp_path, name):
    path = tmp_path / "file"
    path.write_bytes(files.WHOLE[name])
    tokenizer = Tokenizer.from_file(path, name="mine")
    pickled = pickle.dumps(tokenizer)

    path.unlink()
    copied = pickle.loads(pickled)

    assert copied.name == "mine"
    assert copied.encode(files.TEXT, as_list=True) == tokenizer.encode(files.TEXT, as_list=True)
    with pytest.raises(FileNotFoundError):
        pickle.dumps(tokenizer)


def test_file_that_has_changed_is_not_pickled_as_what_it_was(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(goldens.file("t5"))
    tokenizer = Tokenizer.from_file(path)
    path.write_bytes(goldens.file("gpt2"))

    with pytest.raises(ConfigError, match="has changed since the tokenizer was made from it"):
        pickle.dumps(tokenizer)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "GGUF file"])
def test_repository_may_have_any_of_them(tmp_path, name):
    """Serves R10."""
    (tmp_path / files.NAMES[kind_of(name)]).write_bytes(files.WHOLE[name])

    tokenizer = Tokenizer.from_pretrained(str(tmp_path))

    assert tokenizer.encode(files.TEXT, as_list=True) == Tokenizer.from_bytes(files.WHOLE[name]).encode(
        files.TEXT, as_list=True
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", KINDS)
def test_file_that_is_cut_short_is_a_format_error_that_names_it(tmp_path, name, share):
    path = tmp_path / "cut"
    whole = files.WHOLE[name]
    path.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(FormatError, match=re.escape(kind_of(name))) as raised:
        Tokenizer.from_file(path)

    assert raised.value.path == str(path)
    with pytest.raises(FormatError):
        Tokenizer.from_bytes(path.read_bytes())


@pytest.mark.parametrize("name", KINDS)
def test_damaged_file_is_a_typed_error_or_a_tokenizer_that_works(name):
    generator = random.Random(name)
    whole = files.WHOLE[name]
    refused = 0
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 2)):
            damaged[generator.randrange(len(damaged))] = generator.choice(b'0123456789abc{}[],:" \\\xff\x00')
        try:
            tokenizer = Tokenizer.from_bytes(bytes(damaged))
            tokenizer.decode(tokenizer.encode_ordinary(files.TEXT))
        except InferailError:
            refused += 1
    assert 0 < refused < 100


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "it is no tokenizer", id="empty"),
        pytest.param(b"{}", "it is no tokenizer", id="empty-json"),
        pytest.param(b'{"name": "package", "version": "1.0.0"}', "it is no tokenizer", id="json-of-another-kind"),
        pytest.param(b"[1, 2]", "it is no tokenizer", id="json-list"),
        pytest.param(b'{"chat_template": "x"}', r"tokenizer_config\.json alone is no tokenizer", id="config-alone"),
        pytest.param(files.tiktoken(), r"\.tiktoken file alone is no tokenizer: it has no pattern", id="ranks-alone"),
        pytest.param(b"GGUF\x09\0\0\0" + b"\0" * 16, "version 9", id="gguf-version"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "it is no tokenizer", id="image"),
        pytest.param(b'{"model": {"type": "Odd", "vocab": {}}}', "Odd", id="model-of-another-kind"),
        pytest.param(b'{"model": 3}', r"tokenizer\.json", id="model-is-a-number"),
        pytest.param(b'{"config": {}, "vocab": []}', r"tekken\.json", id="tekken-without-numbers"),
    ],
)
def test_what_is_no_tokenizer_is_a_format_error_that_says_what_is_missing(data, problem):
    with pytest.raises(FormatError, match=problem):
        Tokenizer.from_bytes(data)


def test_what_is_not_built_is_told():
    file = json.loads(goldens.file("gpt2"))
    file["pre_tokenizer"] = {"type": "UnicodeScripts"}

    with pytest.raises(FormatError, match="the pre-tokenizer UnicodeScripts, which is not supported"):
        Tokenizer.from_bytes(json.dumps(file).encode())


def test_pattern_of_a_file_that_cannot_be_compiled_is_a_config_error():
    file = json.loads(files.tekken())
    file["config"]["pattern"] = "(?P<"

    with pytest.raises(ConfigError, match="the pattern cannot be compiled"):
        Tokenizer.from_bytes(json.dumps(file).encode())


def test_missing_file_is_what_the_system_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_file(tmp_path / "missing")
    with pytest.raises(FormatError, match=r"has none of tokenizer\.json"):
        Tokenizer.from_file(tmp_path)

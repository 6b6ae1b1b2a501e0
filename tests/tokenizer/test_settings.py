"""What is beside a vocabulary: templates and names of special tokens, in every place they are kept."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError

MODEL = (Path(__file__).parent / "small.model").read_bytes()
CONFIG = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "config"}
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def folder(tmp_path):
    """A folder with a vocabulary and a configuration."""
    (tmp_path / "tokenizer.model").write_bytes(MODEL)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def _put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize("make", [Tokenizer.from_file, lambda path: Tokenizer.from_pretrained(str(path))])
def test_folder_is_read_with_its_settings(folder, make):
    tokenizer = make(folder)

    assert tokenizer.chat_template == "config"
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")
    assert tokenizer.apply_chat_template(HELLO, tokenize=False) == "config"


def test_file_is_read_with_what_is_beside_it(folder):
    assert Tokenizer.from_file(folder / "tokenizer.model").chat_template == "config"


def test_file_of_another_name_has_nothing_beside_it(folder):
    (folder / "tokenizer.model").rename(folder / "other.model")

    assert Tokenizer.from_file(folder / "other.model").chat_template is None
    assert Tokenizer.from_bytes(MODEL).chat_template is None


def test_template_in_a_file_of_its_own_goes_before_the_one_in_the_configuration(folder):
    _put(folder, "chat_template.jinja", "file\n")

    tokenizer = Tokenizer.from_file(folder)

    assert tokenizer.chat_template == "file\n"
    assert tokenizer.eos_token == "</s>"


def test_more_templates_are_found_by_the_names_of_their_files(folder):
    _put(folder, "additional_chat_templates/tool_use.jinja", "tools")
    _put(folder, "additional_chat_templates/README.md", "not this")

    tokenizer = Tokenizer.from_file(folder)

    assert tokenizer.chat_template == {"default": "config", "tool_use": "tools"}
    assert tokenizer.apply_chat_template(HELLO, tools=[{"type": "function"}], tokenize=False) == "tools"


def test_configuration_that_is_given_goes_before_everything(folder):
    other = folder / "other.json"
    other.write_text('{"chat_template": "other"}')

    assert Tokenizer.from_file(folder, config=other).chat_template == "other"
    assert Tokenizer.from_file(folder, config=b"{}").chat_template is None
    assert Tokenizer.from_file(folder, config=b"{}").eos_token is None


def test_broken_file_beside_it_is_a_format_error_with_its_path(folder):
    _put(folder, "tokenizer_config.json", "{")

    with pytest.raises(FormatError) as caught:
        Tokenizer.from_file(folder)

    assert caught.value.path == str(folder / "tokenizer_config.json")


def test_file_that_is_not_there_is_an_error_of_the_system(folder):
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_file(folder, config=folder / "missing.json")


def test_pickle_keeps_settings_that_are_gone(folder):
    _put(folder, "additional_chat_templates/tool_use.jinja", "tools")
    pickled = pickle.dumps(Tokenizer.from_file(folder))
    (folder / "tokenizer_config.json").unlink()

    copied = pickle.loads(pickled)

    assert copied.chat_template == {"default": "config", "tool_use": "tools"}
    assert copied.special_tokens_map == {"bos_token": "<s>", "eos_token": "</s>"}


def test_gguf_file_has_its_own_settings(folder):
    (folder / "tokenizer.model").rename(folder / "model.gguf")
    gguf = _gguf({"tokenizer.chat_template": "gguf"})
    (folder / "tokenizer.model").write_bytes(gguf)

    for tokenizer in (Tokenizer.from_bytes(gguf), Tokenizer.from_file(folder)):
        assert tokenizer.chat_template == "gguf"
        assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", None)


def test_folder_with_settings_alone_is_a_format_error(folder):
    (folder / "tokenizer.model").unlink()

    with pytest.raises(FormatError, match="has none of"):
        Tokenizer.from_file(folder)
    with pytest.raises(ConfigError, match="no chat template"):
        Tokenizer.from_bytes(MODEL).apply_chat_template(HELLO)


def _gguf(texts: dict[str, str]) -> bytes:
    """A model of three tokens, the second of which begins a text."""

    def number(value: int, size: int = 4) -> bytes:
        return value.to_bytes(size, "little")

    def text(value: str) -> bytes:
        return number(len(value), 8) + value.encode()

    tokens = ["<unk>", "<s>", "a"]
    floats = bytes(4 * len(tokens))
    entries = [
        text("tokenizer.ggml.model") + number(8) + text("llama"),
        text("tokenizer.ggml.tokens") + number(9) + number(8) + number(3, 8) + b"".join(map(text, tokens)),
        text("tokenizer.ggml.scores") + number(9) + number(6) + number(3, 8) + floats,
        text("tokenizer.ggml.token_type") + number(9) + number(5) + number(3, 8) + number(2) + number(3) + number(1),
        text("tokenizer.ggml.bos_token_id") + number(4) + number(1),
        *(text(key) + number(8) + text(value) for key, value in texts.items()),
    ]
    return b"GGUF" + number(3) + number(0, 8) + number(len(entries), 8) + b"".join(entries)

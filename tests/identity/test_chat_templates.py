"""Chat templates of real models, rendered as Hugging Face renders them and encoded as it encodes them.

The oracle is jinja2 in the sandbox that `transformers` builds (`utils/chat_template_utils.py`), and `tokenizers`.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from tests.identity import texts, vocabularies

pytestmark = pytest.mark.slow
jinja2 = pytest.importorskip("jinja2")
tokenizers = pytest.importorskip("tokenizers")

MODELS: Final = ["llama3", "gemma3", "deepseek_v3"]
NOW: Final = datetime(2024, 7, 26)  # noqa: DTZ001 - templates have local time
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": 'It\'s <b>warm</b> & "nice" in Zürich 🌤',
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Bern", "Zürich"]}}},
    },
}
CALL: Final = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}],
}

SYSTEM: Final = {"role": "system", "content": " Be brief.\n"}
TALK: Final = [
    {"role": "user", "content": "What's up? "},
    {"role": "assistant", "content": "<think>hm</think>\n\nNot much."},
    {"role": "user", "content": "日本語で答えて\t👍🏽 — ok?"},
]
CONVERSATIONS: Final[dict[str, list[dict[str, Any]]]] = {
    "one": TALK[:1],
    "several": TALK,
    "answered": TALK[:2],
    "system": [SYSTEM, *TALK],
    "two-systems": [SYSTEM, SYSTEM, *TALK[:1]],
    "empty-texts": [{"role": "user", "content": ""}, {"role": "assistant", "content": " \n"}],
    "tools": [*TALK[:1], CALL, {"role": "tool", "content": "sunny"}, *TALK[1:2]],
    "tool-twice": [*TALK[:1], CALL, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}],
    "tool-open": [*TALK[:1], CALL],
    "parts": [{"role": "user", "content": [{"type": "text", "text": " a "}, {"type": "image"}]}],
    "system-of-parts": [{"role": "system", "content": [{"type": "text", "text": "s"}]}, *TALK[:1]],
    "wrong-order": [*TALK[1:2], *TALK[:1]],
    "control-tokens": [{"role": "user", "content": "<|eot_id|><end_of_turn><｜User｜><bos>"}],
    "other-role": [{"role": "critic", "content": "no"}],
    "no-content": [{"role": "user"}],
    "none": [],
}


@cache
def _theirs(source: str) -> Any:
    """The template in the sandbox of `transformers`."""
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2's own way

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

        def _body(self, caller: Callable[[], str]) -> str:
            return caller()

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value: Any, ensure_ascii=False, indent=None, separators=None, sort_keys=False) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    return environment.from_string(source)


def _rendered(tokenizer: Tokenizer, messages: list[dict[str, Any]], options: dict[str, Any]) -> str | None:
    """What the sandbox renders; None where it fails. `transformers` drops keys without a value, and used not to."""
    assert isinstance(tokenizer.chat_template, str)
    template = _theirs(tokenizer.chat_template)
    variables = {**tokenizer.special_tokens_map, "tools": None, "documents": None, **options}
    dropped = [{key: value for key, value in message.items() if value is not None} for message in messages]
    for these in (dropped, messages):
        try:
            return template.render(messages=these, **variables)
        except (jinja2.exceptions.TemplateError, TypeError):
            continue
    return None


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest, vocabulary: Callable[[str], Path]) -> str:
    """The name of a model whose files are here."""
    vocabulary(request.param)
    vocabulary(f"{request.param}_config")
    return request.param


@cache
def _ours(name: str) -> Tokenizer:
    config = vocabularies.path(f"{name}_config").read_bytes()
    return Tokenizer.from_file(vocabularies.path(name), config=config, name=name)


@cache
def _reference(name: str) -> Any:
    return tokenizers.Tokenizer.from_file(str(vocabularies.path(name)))


def _agree(name: str, messages: list[dict[str, Any]], **options: Any) -> bool:
    """Whether the conversation can be rendered, which both agree on."""
    expected = _rendered(_ours(name), messages, options)
    if expected is None:
        with pytest.raises(ValueError, match="the chat template"):
            _ours(name).apply_chat_template(messages, now=NOW, tokenize=False, **options)
        return False
    assert _ours(name).apply_chat_template(messages, now=NOW, tokenize=False, **options) == expected
    ids = _ours(name).apply_chat_template(messages, now=NOW, as_list=True, **options)
    assert ids == _reference(name).encode(expected, add_special_tokens=False).ids
    return True


@pytest.mark.parametrize("prompt", [False, True], ids=["answered", "to-be-answered"])
@pytest.mark.parametrize("tools", [None, [TOOL]], ids=["no-tools", "tools"])
@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_conversation_is_rendered_and_encoded_as_by_hugging_face(name, messages, tools, prompt):
    _agree(name, messages, tools=tools, add_generation_prompt=prompt)


def test_random_conversations_are_rendered_and_encoded_as_by_hugging_face(name):
    """Serves R30."""
    chance = random.Random(17)
    strings = itertools.cycle(texts.mixed(2_000))
    num_rendered = 0

    for _ in range(500):
        messages = [
            {"role": role, "content": next(strings)}
            for _, role in zip(range(chance.randint(1, 8)), itertools.cycle(["user", "assistant"]), strict=False)
        ]
        if chance.random() < 0.4:
            messages.insert(0, {"role": "system", "content": next(strings)})
        num_rendered += _agree(name, messages, add_generation_prompt=chance.random() < 0.5)

    assert num_rendered == 500


def test_count_of_messages_is_that_of_the_ids(name):
    messages = CONVERSATIONS["several"]

    counted = _ours(name).count_messages(messages)

    assert counted == (len(_ours(name).apply_chat_template(messages, add_generation_prompt=True)), None)


@pytest.mark.parametrize(
    ("name", "family", "most"), [("llama3", "llama-3", 0), ("gemma3", "gemma", 1), ("deepseek_v3", "deepseek", 3)]
)
def test_numbers_of_a_family_come_near_its_template_and_not_below(name, family, most, vocabulary):
    vocabulary(name)
    vocabulary(f"{name}_config")
    messages = [{"role": role, "content": "The trains run every hour."} for role in ("user", "assistant", "user")]

    exact = _ours(name).count_messages(messages).tokens
    by_numbers = _ours(name).count_messages(messages, model=family)

    assert exact <= by_numbers.tokens <= exact + most
    assert by_numbers.estimate


def test_refusal_of_a_real_template_has_its_words(vocabulary):
    vocabulary("gemma3")
    vocabulary("gemma3_config")

    with pytest.raises(ConfigError, match="Conversation roles must alternate"):
        _ours("gemma3").apply_chat_template(CONVERSATIONS["wrong-order"])

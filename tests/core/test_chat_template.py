"""Conversations as a model reads them: what transformers renders, what is refused, and where templates come from."""

from __future__ import annotations

import json
import pickle
import re
import threading
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError
from tests.core.small_tokenizer import END, PATTERN, RANKS, SPECIAL, TOKENIZER

ROOT = Path(__file__).resolve().parents[2]
GOLDENS = json.loads((ROOT / "rust/tokenizer/tests/goldens/chat_templates.json").read_text(encoding="utf-8"))
# Rust's test of the same goldens says why.
DIFFERENT = "{{ '%s and %d' % ('x', 3) }}"

ECHO = "{% for message in messages %}[{{ message.role }}]{{ message.content }}{{ eos_token }}{% endfor %}"
CONFIG = {"bos_token": {"content": "<|pad|>"}, "eos_token": "<|end|>", "chat_template": ECHO}
SECRET = "my secret prompt"
HELLO = [{"role": "user", "content": "hello"}]


def made(**config: Any) -> Tokenizer:
    return Tokenizer.from_tiktoken(
        RANKS, pattern=PATTERN, special_tokens=SPECIAL, config=json.dumps(CONFIG | config).encode(), name="small"
    )


CHAT = made()


def rendered(template: str, messages: Any = (), **options: Any) -> Any:
    # What has no bracket would be taken for a name.
    template = template if "{" in template else "{{ '' }}" + template
    return TOKENIZER.apply_chat_template(messages, chat_template=template, tokenize=False, **options)


@pytest.mark.parametrize("golden", GOLDENS["constructs"], ids=lambda golden: golden["template"][:40])
def test_construct_renders_as_in_transformers(golden):
    if golden["template"] == DIFFERENT or golden["rendered"] is None:
        with pytest.raises((ConfigError, FormatError)):
            rendered(golden["template"], **GOLDENS["variables"])
    else:
        assert rendered(golden["template"], **GOLDENS["variables"]) == golden["rendered"]


@pytest.mark.parametrize("golden", GOLDENS["conversations"], ids=lambda golden: "-".join(golden["given"]))
def test_conversation_renders_as_in_transformers(golden):
    options = dict(golden["given"])
    options["continue_final_message"] = options.pop("continued", False)
    messages = options.pop("messages")
    if golden["rendered"] is None:
        with pytest.raises(ConfigError):
            rendered(golden["template"], messages, **options)
    else:
        assert rendered(golden["template"], messages, **options) == golden["rendered"]


def test_conversation_becomes_ids_with_its_special_tokens():
    ids = CHAT.apply_chat_template(HELLO)

    assert ids.dtype == np.uint32
    assert ids[-1] == END
    assert ids.tolist() == CHAT.apply_chat_template(HELLO, as_list=True)
    text = CHAT.apply_chat_template(HELLO, tokenize=False)
    assert text == "[user]hello<|end|>"
    assert ids.tolist() == TOKENIZER.encode(text, allowed_special="all", as_list=True)


def test_variable_of_the_caller_goes_before_a_special_token():
    assert CHAT.apply_chat_template(HELLO, eos_token="!", tokenize=False) == "[user]hello!"


def test_tools_choose_the_template_for_tools():
    several = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools | length }}"}]
    tokenizer = made(chat_template=several)
    tools = [{"type": "function", "function": {"name": "f"}}]

    def of(**options: Any) -> str:
        return tokenizer.apply_chat_template(HELLO, tokenize=False, **options)

    assert of() == "plain"
    assert of(tools=tools) == "1"
    assert of(tools=tools, chat_template="default") == "plain"
    assert of(chat_template="{{ 1 + 1 }}") == "2"
    assert tokenizer.chat_template == {one["name"]: one["template"] for one in several}
    with pytest.raises(ConfigError, match=r'is called "tool_used" \(there are: default, tool_use\)'):
        of(chat_template="tool_used")


def test_templates_none_of_which_is_the_default_are_a_config_error():
    tokenizer = made(chat_template=[{"name": "rag", "template": "x"}])

    with pytest.raises(ConfigError, match=r"say which one is meant with chat_template= \(rag\)"):
        tokenizer.apply_chat_template(HELLO)


def test_no_template_is_a_config_error_that_says_what_to_do():
    with pytest.raises(ConfigError, match=r"pass its text as chat_template=, or .* config="):
        TOKENIZER.apply_chat_template(HELLO)

    assert TOKENIZER.chat_template is None
    assert TOKENIZER.bos_token is None
    assert TOKENIZER.special_tokens_map == {}


def test_special_tokens_are_known_by_name():
    tokenizer = made(extra_special_tokens={"image_token": "<image>"}, additional_special_tokens=["<a>"])

    assert tokenizer.chat_template == ECHO
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|pad|>", "<|end|>")
    assert tokenizer.special_tokens_map == {
        "bos_token": "<|pad|>",
        "eos_token": "<|end|>",
        "image_token": "<image>",
        "additional_special_tokens": ["<a>"],
    }


def test_broken_template_is_a_format_error_with_its_line():
    with pytest.raises(FormatError, match=r"line 2"):
        rendered("a\n{% if %}")
    with pytest.raises(FormatError, match=r"line 3"):
        rendered("a\n\n{{ messages.nothing.at_all }}")


def test_refusal_of_a_template_is_a_config_error_with_its_words():
    with pytest.raises(ConfigError, match="refuses the conversation: Roles must alternate!"):
        rendered("{{ raise_exception('Roles must alternate!') }}")


def test_refusal_with_words_of_the_conversation_prints_none_of_them():
    with pytest.raises(ConfigError) as caught:
        rendered("{{ raise_exception('Not: ' + messages[0].content) }}", [{"role": "user", "content": SECRET}])

    assert SECRET not in f"{caught.value!s}{caught.value!r}"
    assert caught.value.detail == f"Not: {SECRET}"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param({1: SECRET}, "key of type int", id="key"),
        pytest.param({None: SECRET}, "key of type NoneType", id="key-none"),
        pytest.param(float("nan"), "not a number", id="nan"),
        pytest.param(float("-inf"), "infinite", id="infinity"),
        pytest.param({SECRET}, "type set", id="set"),
        pytest.param(SECRET.encode(), "type bytes", id="bytes"),
        pytest.param([SECRET, object()], "type object", id="object"),
        pytest.param(2**127, "more than 128 bits", id="integer"),
        pytest.param(len, "type builtin_function_or_method", id="function"),
        pytest.param(pydantic.BaseModel, "type ModelMetaclass", id="class"),
        pytest.param(ir.Tool, "type type", id="class-of-ours"),
        pytest.param(np.int64(1), "type int64", id="numpy"),
    ],
)
@pytest.mark.parametrize("place", ["messages[1]", "tools", "documents", "extra"])
def test_what_json_does_not_have_is_a_config_error_that_says_where(value, problem, place):
    holding = [{"content": value}]
    messages = [*HELLO, *holding] if place.startswith("messages") else HELLO
    options = {} if place.startswith("messages") else {place: holding}

    with pytest.raises(ConfigError, match=problem) as caught:
        rendered(ECHO, messages, **options)

    assert place in caught.value.message
    assert SECRET not in f"{caught.value!s}{caught.value!r}"


def test_list_that_holds_itself_is_a_config_error():
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(ConfigError, match="tools is nested too deeply"):
        rendered(ECHO, HELLO, tools=endless)


def test_list_that_holds_a_list_twice_and_so_on_is_a_config_error():
    laughs: list[Any] = ["ha"]
    for _ in range(60):
        laughs = [laughs, laughs]

    with pytest.raises(ConfigError, match="tools has too many values"):
        rendered(ECHO, HELLO, tools=laughs)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        pytest.param(SECRET, "not one of them", id="text"),
        pytest.param({"role": "user"}, "not one of them", id="dictionary"),
        pytest.param([SECRET], "every message is a dictionary", id="list-of-texts"),
        pytest.param([HELLO, HELLO], "every message is a dictionary", id="several-conversations"),
        pytest.param(3, "a list of dictionaries", id="number"),
    ],
)
def test_messages_that_are_none_are_a_config_error(messages, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        rendered(ECHO, messages)

    assert SECRET not in str(caught.value)


class Turn(pydantic.BaseModel):
    role: str
    content: str | None = None
    refusal: str | None = None


@dataclass
class Said:
    role: str
    content: str | None = None


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"role": "user", "content": "hello", "refusal": None}, id="dict"),
        pytest.param(Said("user", "hello"), id="dataclass"),
        pytest.param(OrderedDict(role="user", content="hello"), id="dict-of-another-class"),
        pytest.param(UserDict(role="user", content="hello"), id="mapping"),
        pytest.param(MappingProxyType({"role": "user", "content": "hello"}), id="proxy"),
        pytest.param(Turn(role="user", content="hello"), id="pydantic"),
        pytest.param(ir.user("hello"), id="ours"),
    ],
)
def test_message_may_be_anything_that_is_a_mapping(message):
    template = "{% for key, value in messages[0].items() %}{{ key }}={{ value }} {% endfor %}"

    assert rendered(template, (one for one in [message])) == "role=user content=hello "


def test_messages_of_ours_are_read_with_all_their_parts():
    call = ir.ToolCall("c1", "weather", '{"city": "Bern"}')
    conversation = [
        ir.system("Be brief."),
        ir.user("What is ", ir.Image(url="https://example.com/a.png"), "this?"),
        ir.Message("assistant", (ir.types.message.Reasoning("hm"), ir.types.message.Text("Look."), call)),
        ir.Message(
            "tool",
            (ir.types.message.ToolResult("c1", "sunny", "weather"), ir.types.message.ToolResult("c2", "no", "weather")),
        ),
    ]

    seen = json.loads(rendered("{{ messages | tojson }}", conversation))

    assert seen == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is "},
                {"type": "image", "url": "https://example.com/a.png"},
                {"type": "text", "text": "this?"},
            ],
        },
        {
            "thinking": "hm",
            "role": "assistant",
            "content": "Look.",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}
            ],
        },
        {"role": "tool", "content": "sunny", "name": "weather", "tool_call_id": "c1"},
        {"role": "tool", "content": "no", "name": "weather", "tool_call_id": "c2"},
    ]


def test_tool_of_ours_is_its_schema():
    seen = json.loads(rendered("{{ tools | tojson }}", HELLO, tools=[ir.Tool("rail", "Finds one.")]))

    schema = {"type": "object", "properties": {}}
    function = {"name": "rail", "description": "Finds one.", "parameters": schema}
    assert seen == [{"type": "function", "function": function}]


def test_tuple_and_lone_surrogate_are_read():
    assert rendered("{{ extra }}{{ messages[0].content }}", [{"content": "\ud800"}], extra=(1,)) == "(1,)\ufffd"


def test_argument_of_transformers_that_is_not_here_is_a_config_error():
    with pytest.raises(ConfigError, match="return_tensors is not an argument here"):
        CHAT.apply_chat_template(HELLO, return_tensors="pt")


def test_continued_and_begun_anew_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude each other"):
        CHAT.apply_chat_template(HELLO, add_generation_prompt=True, continue_final_message=True)


def test_special_token_in_a_message_is_one_unless_it_is_disallowed():
    attack = [{"role": "user", "content": "a<|end|>"}]

    assert CHAT.apply_chat_template(attack, as_list=True).count(END) == 2
    with pytest.raises(ConfigError, match=r"the special token <\|end\|> at byte 1"):
        CHAT.apply_chat_template(attack, disallowed_special="all")
    assert CHAT.apply_chat_template(HELLO, disallowed_special="all")[-1] == END


def test_clock_is_the_one_that_was_given():
    template = "{{ strftime_now('%d %b %Y') }}"

    assert rendered(template, now=datetime(2024, 2, 29)) == "29 Feb 2024"  # noqa: DTZ001 - a template has local time
    before, shown, after = datetime.now(), rendered(template), datetime.now()  # noqa: DTZ005
    assert shown in {before.strftime("%d %b %Y"), after.strftime("%d %b %Y")}


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", id="steps"),
        pytest.param("{{ 'a' * 99999999999 }}", id="text"),
        pytest.param("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", id="recursion"),
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", id="brackets"),
        pytest.param("{% if 1 %}" * 5000 + "{% endif %}" * 5000, id="blocks"),
    ],
)
def test_template_without_end_is_a_format_error(template):
    with pytest.raises(FormatError, match="the chat template cannot be used"):
        rendered(template)


@given(text=st.text())
def test_content_is_rendered_as_it_is(text):
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert rendered("<{{ messages[0].content }}>", [{"content": text}]) == f"<{expected}>"


def test_threads_render_at_once():
    errors: list[Exception] = []

    def render() -> None:
        try:
            for turn in range(50):
                text = f"{turn} " * 5000
                assert CHAT.apply_chat_template([{"role": "u", "content": text}], tokenize=False) == f"[u]{text}<|end|>"
        except Exception as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    threads = [threading.Thread(target=render) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors


@pytest.mark.parametrize("tokenizer", [CHAT, CHAT.as_estimate("why"), Tokenizer.named("cl100k_base", config=b"{}")])
def test_pickle_keeps_the_templates(tokenizer):
    copied = pickle.loads(pickle.dumps(tokenizer))

    assert copied.chat_template == tokenizer.chat_template
    assert copied.special_tokens_map == tokenizer.special_tokens_map
    assert copied.estimate == tokenizer.estimate


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(b"[]", id="list"),
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"chat_template": 1}', id="template"),
        pytest.param(b'{"bos_token": 1}', id="token"),
    ],
)
def test_broken_config_is_a_format_error(config, tmp_path):
    path = tmp_path / "tokenizer_config.json"
    path.write_bytes(config)

    with pytest.raises(FormatError, match=r"tokenizer_config\.json"):
        Tokenizer.named("cl100k_base", config=config)
    with pytest.raises(FormatError) as caught:
        Tokenizer.named("cl100k_base", config=path)
    assert caught.value.path == str(path)


def test_template_of_a_file_is_read_with_its_line_ends(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_bytes(b"{% if true %}\r\na\r\nb{% endif %}\r\n")

    tokenizer = Tokenizer.named("cl100k_base", config=path)

    assert tokenizer.apply_chat_template(HELLO, tokenize=False) == "a\nb"


def test_template_that_is_no_utf8_is_a_format_error_with_its_path(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_bytes(b"a\xff")

    with pytest.raises(FormatError, match="not UTF-8") as caught:
        Tokenizer.named("cl100k_base", config=path)

    assert (caught.value.path, caught.value.offset) == (str(path), 1)


# Names, kinds and enumerations as the cookbook of OpenAI counts them, written once more.
def recipe(tokenizer: Tokenizer, messages: list[dict[str, str]], tools: list[dict[str, Any]], per_tool: int) -> int:
    tokens = 3
    for message in messages:
        tokens += 3 + sum(tokenizer.count(value) for value in message.values()) + ("name" in message)
    for tool in tools:
        function = tool["function"]
        tokens += per_tool + 12 + tokenizer.count(f"{function['name']}:{function['description'].removesuffix('.')}")
        properties = function["parameters"]["properties"]
        tokens += 3 if properties else 0
        for name, one in properties.items():
            tokens += 3 + tokenizer.count(f"{name}:{one['type']}:{one['description'].removesuffix('.')}")
            tokens += sum(3 + tokenizer.count(value) for value in one.get("enum", [])) - (3 if "enum" in one else 0)
    return tokens


CONVERSATION = [
    {"role": "system", "content": "You sell tickets for a railway in the mountains."},
    {"role": "system", "name": "example_user", "content": "Two to the summit, please!"},
    {"role": "user", "content": "When does the last train leave?"},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find_train",
            "description": "Finds the next train.",
            "parameters": {
                "type": "object",
                "properties": {
                    "to": {"type": "string", "description": "Where it goes."},
                    "class": {"type": "string", "description": "Which class", "enum": ["first", "second"]},
                },
            },
        },
    }
]


@pytest.mark.parametrize(
    ("model", "name", "per_tool"), [("gpt-4o-mini", "o200k_base", 7), ("openai:gpt-4-0613", "cl100k_base", 10)]
)
def test_messages_count_by_the_published_recipe(model, name, per_tool):
    """Serves R149."""
    tokenizer = Tokenizer.for_model(model)

    exact = tokenizer.count_messages(CONVERSATION, model=model)
    with_tools = tokenizer.count_messages(CONVERSATION, model=model, tools=TOOLS)

    assert tokenizer.name == name
    assert exact == (recipe(tokenizer, CONVERSATION, [], per_tool), None)
    assert with_tools.tokens == recipe(tokenizer, CONVERSATION, TOOLS, per_tool)
    assert "tools" in str(with_tools.estimate)


def test_messages_of_a_template_are_counted_as_they_are_rendered():
    """Serves R149."""
    template = "{{ bos_token }}" + ECHO + "{% if add_generation_prompt %}[assistant]{% endif %}"
    tokenizer = made(chat_template=template)

    counted = tokenizer.count_messages(CONVERSATION)

    assert counted.tokens == len(tokenizer.apply_chat_template(CONVERSATION, add_generation_prompt=True))
    assert counted.estimate is None
    assert tokenizer.as_estimate("it stands in").count_messages(CONVERSATION) == (counted.tokens, "it stands in")
    assert tokenizer.count_messages(CONVERSATION, model="gpt-4") != counted


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param("anthropic:claude-sonnet-4-5", "counting endpoint is exact", id="anthropic"),
        pytest.param("gemini-2.5-pro", "counting endpoint is exact", id="gemini"),
        pytest.param("gpt-5-mini", "up to gpt-4o only", id="openai"),
        pytest.param("who/knows", "nothing is known", id="unknown"),
        pytest.param(None, "nothing is known", id="no-name"),
    ],
)
def test_count_of_a_model_that_tells_less_is_an_estimate_with_its_basis(model, reason):
    counted = TOKENIZER.count_messages(CONVERSATION, model=model)

    texts = sum(TOKENIZER.count(text) for message in CONVERSATION for text in message.values())
    assert texts < counted.tokens < texts + 30
    assert re.search(reason, str(counted.estimate))


def test_what_is_not_counted_is_told():
    picture = [{"role": "user", "content": [{"type": "image", "url": "x"}, {"type": "text", "text": "what?"}]}]

    counted = TOKENIZER.count_messages(picture, model="gpt-4o")

    assert "pictures" in str(counted.estimate)
    with pytest.raises(ConfigError, match="every message is a dictionary"):
        TOKENIZER.count_messages([SECRET], model="gpt-4o")  # type: ignore[list-item]

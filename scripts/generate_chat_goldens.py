"""Render the constructs that chat templates use with `transformers`, the oracle of rust/tokenizer/tests/chat_template.rs.

    pip install "transformers==5.24.0" "jinja2==3.1.6" && python scripts/generate_chat_goldens.py

Variables are written with sorted keys, so that readers which sort keys see dictionaries in the same order.
"""

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "rust/tokenizer/tests/goldens/chat_templates.json"

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": 'It\'s <b>warm</b> & "nice" in Zürich 🌤',
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TALK = [
    {"role": "system", "content": " Be brief.\n"},
    {"role": "user", "content": "What's up? "},
    {"role": "assistant", "content": "<think>hm</think>\n\nNot much."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "And in "}, {"type": "image"}, {"type": "text", "text": "Zürich?"}],
    },
    {
        "role": "assistant",
        "tool_calls": [
            {"type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}}}
        ],
    },
    {"role": "tool", "name": "weather", "content": '{"t": 21.5}'},
]
VARIABLES: dict[str, Any] = {
    "data": {
        "big": 1e20,
        "empty": [],
        "float": 2.0,
        "list": [1, True, None, "it's", 0.1, {"k": []}],
        "nothing": {},
        "small": 1e-7,
        "text": "a\"b'c\\\n\t\x00\x7f é 日本 🌤 </script>&",
    },
    "none": None,
    "spaces": " \x1c\u00a0a b\u2003c \n",
    "word": "  Hello, World  ",
    "lines": "a\r\nb\nc\rd\u2028e\n",
}

CONSTRUCTS = [
    # white space
    "a\n  {% if true %}\n    b\n  {% endif %}\nc\n",
    "a\n  {%- if true -%}\n    b\n  {%- endif +%}\n c\n\n",
    "{# c #}\n  {# d #}\nx\n",
    "  {{ 1 }}\n{{- 2 -}}\n 3",
    "a {% raw %}{{ x }}\n{% endraw %}\nb",
    # printing
    "{{ true }}{{ none }}{{ missing }}{{ 1.0 }}{{ 3 / 2 }}{{ 4 / 2 }}{{ 7 // 2 }}{{ 2 ** 3 }}{{ -7 % 3 }}",
    "{{ data.list }}{{ data.nothing }}{{ data.empty }}",
    "{{ data.big }} {{ data.small }} {{ data.float }}",
    "{{ data.text }}",
    "{{ [data.text] }}",
    "{{ (1, 2) }}{{ (1,) }}{{ () }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 1.5 }}",
    "{{ 'a' 'b' }}{{ 'ab' * 2 }}{{ [1] + [2] }}",
    "{{ '%s and %d' % ('x', 3) }}",
    "{{ '%s|%5.2f' | format('x', 1.239) }}",
    "{{ '{} {}'.format('a', 1) }}",
    # tojson
    "{{ data | tojson }}",
    "{{ data | tojson(indent=2) }}",
    "{{ data | tojson(ensure_ascii=true) }}",
    "{{ data | tojson(separators=(',', ':'), sort_keys=true) }}",
    "{{ data.list | tojson(indent=4, separators=(',', ': ')) }}",
    "{{ [] | tojson(indent=2) }}{{ {} | tojson(indent=2) }}{{ [[], {}] | tojson(indent=1) }}",
    "{{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }}",
    "{{ (1, 2) | tojson }}",
    "{{ data.text | tojson(true) }}",
    "{{ missing | tojson }}",
    "{{ data | tojson(indent='--') }}",
    # methods
    "[{{ word.strip() }}][{{ word.lstrip() }}][{{ word.rstrip() }}][{{ word | trim }}][{{ word.strip(' Hd') }}]",
    "{{ spaces.strip() | tojson }}{{ spaces | trim | tojson }}{{ spaces.split() | tojson }}{{ spaces.isspace() }}",
    "{{ word.split() }}{{ word.split(',') }}{{ 'a-b-c'.split('-', 1) }}{{ 'a-b-c'.rsplit('-', 1) }}{{ 'a'.split('b')[-1] }}",
    "{{ ' a  b c '.split(none, 1) | tojson }}{{ ' a  b c '.rsplit(none, 1) | tojson }}{{ ''.split() }}{{ ''.split(',') }}",
    "{{ '</think>x'.split('</think>')[-1].lstrip('\\n') }}{{ 'a</t>b'.split('</t>')[0].split('<t>')[-1] }}",
    "{{ lines.splitlines() | tojson }}{{ lines.splitlines(true) | tojson }}",
    "{{ 'hello'.startswith('he') }}{{ 'hello'.startswith(('x', 'h')) }}{{ 'hello'.endswith('lo') }}{{ 'hello'.startswith('l', 2) }}",
    "{{ 'héllo'.find('l') }}{{ 'hello'.rfind('l') }}{{ 'hello'.find('z') }}{{ 'hello'.find('l', 3) }}{{ 'hello'.index('l') }}",
    "{{ 'abc'.removeprefix('a').removesuffix('c') }}{{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=') }}",
    "{{ 'abc'.upper() }}{{ 'ABC'.lower() }}{{ 'hello world'.title() }}{{ 'hELLO'.capitalize() }}{{ 'a,b'.replace(',', ';') }}",
    "{{ '-5'.zfill(4) }}{{ 'aXbX'.count('X') }}{{ ','.join(['a', 'b']) }}{{ '12'.isdigit() }}{{ 'ab1'.isalnum() }}",
    "{{ data.keys() | list }}{{ {'a': 1}.items() | list }}{{ {'a': 1}.values() | list }}{{ data.get('zz') }}{{ data.get('zz', 3) }}",
    "{% for key, value in {'a': 1, 'b': 2}.items() %}{{ key }}={{ value }}{{ ', ' if not loop.last }}{% endfor %}",
    "{{ [1, 2, 1].count(1) }}{{ [1, 2].index(2) }}",
    # slices, tests, filters
    "{{ [1, 2, 3][1:] }}{{ [1, 2, 3][:-1] }}{{ [1, 2, 3][::-1] }}{{ 'abc'[1:] }}{{ 'abc'[-1] }}{{ 'abc'[::-1] }}",
    "{{ none is none }}{{ missing is defined }}{{ missing is undefined }}{{ 'a' is string }}{{ [] is iterable }}{{ {} is mapping }}",
    "{{ 'a' is iterable }}{{ {} is iterable }}{{ 1 is iterable }}{{ {} is sequence }}{{ 'a' is sequence }}{{ [] is sequence }}{{ [] is mapping }}",
    "{{ 1 is number }}{{ 1.5 is float }}{{ true is boolean }}{{ true is number }}{{ 1 is integer }}{{ true is true }}{{ 1 is true }}{{ 2 is even }}",
    "{{ data.list is string }}{{ data.text is not string }}{{ none is iterable }}{{ 3 is divisibleby(3) }}{{ 'A' is upper }}",
    "{{ [3, 1, 2] | sort }}{{ [1, 2] | first }}{{ [1, 2] | last }}{{ [1, 2] | length }}{{ [1, 2] | join('-') }}{{ [1, 2] | reverse | list }}",
    "{{ data.list | map('string') | list }}{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | list }}",
    "{{ [{'a': 1}, {'a': 2}] | selectattr('a', 'equalto', 2) | list }}{{ [{'a': 1}, {}] | rejectattr('a', 'defined') | list }}",
    "{{ [1, 2, 3] | select('odd') | list }}{{ [1, 1, 2] | unique | list }}{{ [1, 2, 3] | sum }}{{ [1, 2] | max }}{{ {'b': 1, 'a': 2} | dictsort }}",
    "{{ missing | default('d') }}{{ none | default('d') }}{{ none | default('d', true) }}{{ '' or 'x' }}{{ 'abc' | upper }}{{ 'a b' | replace(' ', '_') }}",
    "{{ '3' | int + 1 }}{{ '2.5' | float }}{{ 1.26 | round(1) }}{{ 3.7 | int }}{{ 'x' | int(7) }}{{ 'a\nb' | indent(2) }}{{ 'a\nb' | indent(2, true) }}",
    "{{ 'abc' | list }}{{ {'a': 1} | items | list }}{{ {'a': 1} | list }}{{ 'a' | string }}{{ 5 | string }}{{ 'x<y' | e }}{{ 'x<y' | safe }}",
    "{{ 1 in [1] }}{{ 'a' in 'abc' }}{{ 'a' in {'a': 1} }}{{ 'z' not in 'abc' }}{{ 1 == 1.0 }}{{ 1 < 2 < 3 }}{{ 'a' if false }}|{{ 1 == true }}",
    "{{ range(3) | list }}{{ range(1, 7, 2) | list }}{{ dict(a=1) }}",
    # statements
    "{% set ns = namespace(found=false, n=0) %}{% for x in [1, 2, 3] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}{{ ns.found }}",
    "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}",
    "{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [] %}{% else %}none{% endfor %}{% for x in [1, 2] if x > 1 %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.length }}{% endfor %}",
    "{% for x in [1, 2] %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}{{ m(a=3) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}",
    "{% macro deep(x) %}{% if x is mapping %}{% for k in x %}{{ k }}:{{ deep(x[k]) }}{% endfor %}{% else %}{{ x }}{% endif %}{% endmacro %}{{ deep({'a': {'b': 1}}) }}",
    "{% set block %}a{{ 1 }}{% endset %}{{ block }}{% filter upper %}b{% endfilter %}{% with a = 1 %}{{ a }}{% endwith %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% for a, b in [[1, 2]] %}{{ a }}{{ b }}{% endfor %}",
    "{% set x = 1 %}{% generation %}\n{% set x = 2 %}{{ x }}\n{% endgeneration %}\n{{ x }}",
    "a\n {%- generation -%} b {%- endgeneration -%} \n c",
    # refusals and mistakes
    "{{ raise_exception('no ' ~ 'way') }}",
    "{{ missing.attribute }}",
    "{{ data.missing }}{{ data['missing'] }}{{ data.list[99] }}",
    "{{ data.missing.deeper }}",
    "{{ 'a' + 1 }}",
    "{{ data.list.append(1) }}",
    "{{ data.update({'a': 1}) }}",
    "{{ ''.__class__ }}",
    "{{ 'a'.nope() }}",
    "{% if %}",
    "{{ 'abc' | nope }}",
]

CHATML = (
    "{% for message in messages %}{% if loop.first and message.role != 'system' %}<|im_start|>system\nDefault.<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + message.role + '\n' }}{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{{ part.text if part.type == 'text' else '<image>' }}{% endfor %}{% endif %}"
    "{% for call in message.tool_calls or [] %}\n<tool_call>\n{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}\n"
    "</tool_call>{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HEADERS = (
    "{{- bos_token }}\n{%- if tools is not none %}\n{{- '# Tools\n' }}\n  {%- for tool in tools %}\n    {{- tool | tojson(indent=4) }}\n"
    "    {{- '\n' }}\n  {%- endfor %}\n{%- endif %}\n{%- for message in messages %}\n  {%- if message['content'] is iterable and message['content'] is not string %}\n"
    "{{- message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') | trim }}\n  {%- elif 'tool_calls' not in message %}\n"
    "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}\n  {%- endif %}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n"
)
ALTERNATING = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set first = messages[0].content | trim + '\n\n' %}"
    "{% else %}{% set rest = messages %}{% set first = '' %}{% endif %}{% for message in rest %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n{{ first if loop.first }}{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
REASONING = (
    "{%- set ns = namespace(last=-1) %}{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    "{%- for message in messages %}{%- set content = message.content if message.content is string else '' %}"
    "{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "<{{ message.role }}>{% if message.reasoning_content is defined and loop.index0 > ns.last %}[{{ message.reasoning_content }}]{% endif %}{{ content }}\n{%- endfor %}"
)
PLAIN = [{"role": "user", "content": "Hi "}, {"role": "assistant", "content": "Well, "}]
CONVERSATIONS: list[tuple[str, dict[str, Any]]] = [
    (CHATML, {"messages": TALK, "add_generation_prompt": True}),
    (CHATML, {"messages": PLAIN, "continued": True}),
    (
        CHATML,
        {
            "messages": [*PLAIN[:1], {"role": "assistant", "content": [{"type": "text", "text": "So "}]}],
            "continued": True,
        },
    ),
    (HEADERS, {"messages": TALK, "tools": [TOOL], "bos_token": "<|begin_of_text|>", "add_generation_prompt": True}),
    (HEADERS, {"messages": PLAIN, "bos_token": "<|begin_of_text|>", "continued": True}),
    (ALTERNATING, {"messages": TALK[:3], "bos_token": "<bos>", "add_generation_prompt": True}),
    (ALTERNATING, {"messages": [PLAIN[0], PLAIN[0]], "bos_token": "<bos>"}),
    (REASONING, {"messages": [*TALK[:3], {"role": "assistant", "content": None, "reasoning": "because"}]}),
    (REASONING, {"messages": [PLAIN[0], {"role": "assistant", "content": "x", "thinking": "t"}]}),
]


def construct(template: str) -> str | None:
    """What `transformers` renders, or None where it refuses."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        return str(_compile_jinja_template(template).render(**VARIABLES))
    except Exception:  # noqa: BLE001 - any class of it is a refusal
        return None


def conversation(template: str, given: dict[str, Any]) -> str | None:
    """What `transformers` renders of messages, or None where it refuses."""
    from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

    rest = dict(given)
    messages = _normalize_chat_messages(rest.pop("messages"))
    continued = rest.pop("continued", False)
    try:
        rendered, _ = render_jinja_template(
            [messages], chat_template=template, continue_final_message=continued, **rest
        )
    except Exception:  # noqa: BLE001 - any class of it is a refusal
        return None
    return str(rendered[0])


def main() -> int:
    """Write the goldens."""
    given = json.loads(json.dumps([VARIABLES, *(variables for _, variables in CONVERSATIONS)], sort_keys=True))
    VARIABLES.clear()
    VARIABLES.update(given[0])
    goldens = {
        "constructs": [{"template": template, "rendered": construct(template)} for template in CONSTRUCTS],
        "conversations": [
            {"template": template, "given": variables, "rendered": conversation(template, variables)}
            for (template, _), variables in zip(CONVERSATIONS, given[1:], strict=True)
        ],
        "variables": VARIABLES,
    }
    TARGET.write_text(json.dumps(goldens, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Prompts and conversations: rendering a prompt, a window over a long history, a turn of a conversation, a layout for a cache."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.core import Template
from inferail.pipelines.conversation import PromptCounter, fit
from inferail.pipelines.prompts.caching import CacheWatch, lay_out
from inferail.testing import ScriptedModel

SOURCE = """\
---
{"version": "1.0.0", "input": {"schema": {"topic": "string", "audience?": "string", "points(array)": "string"}}}
---
{{role "system"}}
You explain things in plain words, and say what is not known.
{{role "user"}}
Explain {{topic}}{{#if audience}} to {{audience}}{{/if}}:
{{#each points}}
- {{@index}}: {{this}}
{{/each}}
"""
VARIABLES = {"topic": "tides", "audience": "sailors", "points": [f"point {number}" for number in range(10)]}
TURN = "The quick brown fox jumps over the lazy dog, and then goes home to sleep until the evening comes. " * 3


def _history(messages):
    call = ir.ToolCall("c", "look_up", '{"q": "tides"}')
    turns: list[ir.Message] = []
    for number in range(messages // 4):
        turns += [ir.user(f"{number}: {TURN}"), ir.assistant(call), ir.tool_result(call, TURN), ir.assistant(TURN)]
    return [*turns, ir.user("And now?")]


@pytest.fixture(scope="module")
def history():
    """1,001 messages, some 57,000 tokens."""
    return _history(1_000)


def bench_prompt_is_loaded(benchmark):
    benchmark(ir.PromptTemplate, SOURCE)


def bench_prompt_is_rendered(benchmark):
    prompt = ir.PromptTemplate(SOURCE)

    rendered = benchmark(prompt.render, VARIABLES)

    assert rendered.messages[1].text.endswith("- 9: point 9")


def bench_template_is_rendered_without_checks(benchmark):
    template = Template(
        "Explain {{ topic }}:\n{% for point in points %}\n- {{ loop.index0 }}: {{ point }}\n{% endfor %}"
    )

    benchmark(template.render, VARIABLES)


@pytest.mark.parametrize("limit", [8_000, 32_000])
def bench_window_over_a_thousand_messages(benchmark, history, limit):
    """The counter has seen them, as that of a conversation has."""
    counter = PromptCounter("openai:gpt-4o")
    fit(history, limit, counter)

    fitted = benchmark(fit, history, limit, counter)

    assert fitted.tokens <= limit


def bench_window_over_a_thousand_new_messages(benchmark, history):
    fitted = benchmark(lambda: fit(history, 8_000, PromptCounter("openai:gpt-4o")))

    assert fitted.tokens <= 8_000


def bench_turn_of_a_conversation(benchmark):
    """A turn over the tenth of a conversation, from a fork each time, against the same call without a conversation."""
    client = ir.Client(ScriptedModel(["Yes."], cycles=True, name="openai:gpt-4o"))
    talk = ir.Conversation(client, messages=_history(36)[:-1])
    talk.headroom()

    benchmark(lambda: talk.fork().say("And now?"))


def bench_bare_call_of_the_same_messages(benchmark):
    client = ir.Client(ScriptedModel(["Yes."], cycles=True, name="openai:gpt-4o"))
    messages = _history(36)

    benchmark(client.complete, messages)


def bench_layout_and_forecast(benchmark, history):
    """Forty messages with tools, counted before."""
    model = "anthropic:claude-sonnet-4-5"
    watch = CacheWatch()
    request = ir.Request((ir.system(TURN * 10), *history[:36], ir.user("And now?")), (ir.Tool("look_up", TURN),))
    counter = watch.counter(model)
    first = lay_out(request, model, counter=counter)
    watch.sent(first.request, model, first.blocks)

    def run():
        layout = lay_out(request, model, counter=counter)
        return watch.forecast(layout.request, model, layout.blocks)

    assert benchmark(run).read_tokens > 1_000

"""The official SDKs, unmodified, against the sandbox: what they read is what was said."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from inferail.testing import Sandbox

pytestmark = pytest.mark.slow

QUESTION = "What is the sandbox?"
TOOL_QUESTION = "What is the order status of A-1234?"
PARAMETERS = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
SCHEMA = {
    "type": "object",
    "properties": {"summary": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["summary", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def openai(needs) -> Any:
    return needs("openai")


@pytest.fixture
def anthropic(needs) -> Any:
    return needs("anthropic")


@pytest.fixture
def openai_client(openai, sandbox) -> Iterator[Any]:
    with openai.OpenAI(base_url=sandbox.base_url("openai"), api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(anthropic, sandbox) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=sandbox.base_url("anthropic"), api_key="none", max_retries=0) as client:
        yield client


def said(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def check_openai(answer: Any) -> None:
    """Every required field of the SDK's own type is there and right: its pydantic model is built again, strictly."""
    type(answer).model_validate(answer.model_dump())


def test_openai_reads_a_whole_answer(openai_client):
    """Serves R25, R42."""
    answer = openai_client.chat.completions.create(model="docs", messages=said(QUESTION), max_tokens=500)

    check_openai(answer)
    assert "Sources: " in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 5


def test_openai_reads_a_stream_with_its_usage(openai_client):
    """Serves R25, R42."""
    whole = openai_client.chat.completions.create(model="docs", messages=said(QUESTION))

    stream = openai_client.chat.completions.create(
        model="docs", messages=said(QUESTION), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    for chunk in chunks:
        check_openai(chunk)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage


def test_openai_accumulates_a_stream_of_tool_calls(openai_client):
    """Serves R25, R42."""
    tools = [{"type": "function", "function": {"name": "order_status", "parameters": PARAMETERS, "strict": True}}]

    with openai_client.chat.completions.stream(model="docs", messages=said(TOOL_QUESTION), tools=tools) as stream:
        answer = stream.get_final_completion()

    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == ("order_status", '{"order_id": "A-1234"}')


def test_openai_gets_an_answer_from_a_tool_result(openai_client):
    """Serves R25, R42."""
    tools = [{"type": "function", "function": {"name": "order_status", "parameters": PARAMETERS}}]
    messages = said(TOOL_QUESTION)
    first = openai_client.chat.completions.create(model="docs", messages=messages, tools=tools).choices[0].message

    messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "shipped"}]
    answer = openai_client.chat.completions.create(model="docs", messages=messages, tools=tools)

    assert answer.choices[0].message.content == "order_status says: shipped"


def test_openai_reads_structured_output(openai_client):
    """Serves R25, R42."""
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}

    answer = openai_client.chat.completions.create(
        model="docs", messages=said("Count 7 faults"), response_format=wanted
    )

    assert '"count": 7' in answer.choices[0].message.content


def test_openai_reads_a_whole_response(openai_client):
    """Serves R25, R42."""
    answer = openai_client.responses.create(
        model="docs", input=QUESTION, instructions="Be brief.", max_output_tokens=500
    )

    check_openai(answer)
    assert "Sources: " in answer.output_text
    assert (answer.status, answer.output[0].type) == ("completed", "message")
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 5


def test_openai_reads_a_streamed_response(openai_client):
    """Serves R25, R42."""
    whole = openai_client.responses.create(model="docs", input=QUESTION)

    events = list(openai_client.responses.create(model="docs", input=QUESTION, stream=True))

    for event in events:
        check_openai(event)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert events[-1].response.usage == whole.usage


def test_openai_accumulates_a_streamed_response(openai_client):
    """Serves R25, R42."""
    with openai_client.responses.stream(model="docs", input=QUESTION) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        answer = stream.get_final_response()

    assert text == answer.output_text == openai_client.responses.create(model="docs", input=QUESTION).output_text


def test_openai_carries_a_response_through_a_tool_loop(openai_client):
    """Serves R25, R42."""
    tools = [{"type": "function", "name": "order_status", "parameters": PARAMETERS, "strict": True}]
    with openai_client.responses.stream(model="docs", input=TOOL_QUESTION, tools=tools) as stream:
        first = stream.get_final_response()
    call = first.output[0]

    result = {"type": "function_call_output", "call_id": call.call_id, "output": "shipped"}
    answer = openai_client.responses.create(model="docs", input=[*said(TOOL_QUESTION), call, result], tools=tools)

    check_openai(first)
    assert (call.name, call.arguments) == ("order_status", '{"order_id": "A-1234"}')
    assert answer.output_text == "order_status says: shipped"


def test_openai_reads_a_structured_response(openai_client):
    """Serves R25, R42."""
    wanted = {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True}}

    answer = openai_client.responses.create(model="docs", input="Count 7 faults", text=wanted)

    assert '"count": 7' in answer.output_text


def test_openai_raises_its_own_errors_for_responses(openai, openai_client):
    """Serves R25."""
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client.responses.create(model="docs@429-20", input=QUESTION)
    with pytest.raises(openai.BadRequestError, match="nothing is stored"):
        openai_client.responses.create(model="docs", input=QUESTION, previous_response_id="resp_1")
    events = list(openai_client.responses.create(model="docs@error-2", input=QUESTION, stream=True))

    assert limited.value.response.headers["retry-after"] == "20"
    check_openai(events[-1])
    assert (events[-1].type, events[-1].message) == ("error", "the sandbox breaks off here")


def test_openai_lists_the_models(openai_client):
    assert [model.id for model in openai_client.models.list()] == ["inferail-docs", "inferail-words"]


def test_openai_reads_one_model(openai, openai_client):
    """Serves R42."""
    model = openai_client.models.retrieve("inferail-docs")

    check_openai(model)
    assert model.id == "inferail-docs"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("no such model")


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_openai_reads_embeddings(openai_client, options):
    """Serves R25, R42."""
    answer = openai_client.embeddings.create(model="words", input=["a rail", "a rail", "Ä"], dimensions=16, **options)

    rows = [entry.embedding for entry in answer.data]
    if options.get("encoding_format") == "base64":  # asked for by its name, the SDK leaves it as it is
        assert all(len(base64.b64decode(row)) == 4 * 16 for row in rows)
    else:
        check_openai(answer)
        assert [len(row) for row in rows] == [16] * 3
        assert sum(value * value for value in rows[0]) == pytest.approx(1.0)
    assert rows[0] == rows[1] != rows[2]
    assert [entry.index for entry in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 5


def test_openai_raises_its_own_errors_for_embeddings(openai, openai_client):
    """Serves R25."""
    for wrong in ({"input": []}, {"input": ""}, {"input": [1, 2]}, {"input": "a", "dimensions": 0}):
        with pytest.raises(openai.BadRequestError, match=r"input|dimensions"):
            openai_client.embeddings.create(model="words", **wrong)


def test_openai_raises_its_own_errors(openai, openai_client):
    """Serves R25."""
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client.chat.completions.create(model="docs@429-20", messages=said(QUESTION))
    with pytest.raises(openai.BadRequestError, match="temperature"):
        openai_client.chat.completions.create(model="docs", messages=said(QUESTION), temperature=9)
    with pytest.raises(openai.APIError, match="breaks off"):
        list(openai_client.chat.completions.create(model="docs@error-2", messages=said(QUESTION), stream=True))

    assert limited.value.response.headers["retry-after"] == "20"
    assert limited.value.code == "rate_limit_exceeded"


def test_anthropic_reads_a_whole_answer(anthropic_client):
    """Serves R42."""
    answer = anthropic_client.messages.create(model="docs", max_tokens=500, messages=said(QUESTION), system="Be brief.")

    check_openai(answer)
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert "Sources: " in answer.content[0].text
    assert answer.usage.output_tokens > 5


def test_anthropic_accumulates_a_stream(anthropic_client):
    """Serves R42."""
    whole = anthropic_client.messages.create(model="docs", max_tokens=500, messages=said(QUESTION))

    with anthropic_client.messages.stream(model="docs", max_tokens=500, messages=said(QUESTION)) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert text == whole.content[0].text == final.content[0].text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", whole.usage.output_tokens)
    assert final.usage.input_tokens == whole.usage.input_tokens > 0


def test_anthropic_accumulates_a_stream_of_tool_calls(anthropic_client):
    """Serves R42."""
    tools = [{"name": "order_status", "description": "Status of an order.", "input_schema": PARAMETERS}]
    messages = said(TOOL_QUESTION)

    with anthropic_client.messages.stream(model="docs", max_tokens=99, messages=messages, tools=tools) as stream:
        first = stream.get_final_message()
    call = first.content[0]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "shipped"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    answer = anthropic_client.messages.create(model="docs", max_tokens=99, messages=messages, tools=tools)

    assert (first.stop_reason, call.name, call.input) == ("tool_use", "order_status", {"order_id": "A-1234"})
    assert answer.content[0].text == "order_status says: shipped"


def test_anthropic_raises_its_own_errors(anthropic, anthropic_client):
    options = {"max_tokens": 9, "messages": said(QUESTION)}

    with pytest.raises(anthropic.RateLimitError):
        anthropic_client.messages.create(model="docs@429", **options)
    with pytest.raises(anthropic.APIStatusError, match="overloaded") as overloaded:
        anthropic_client.messages.create(model="docs@529", **options)
    with (
        pytest.raises(anthropic.APIStatusError, match="breaks off"),
        anthropic_client.messages.stream(model="docs@error-2", **options) as stream,
    ):
        stream.get_final_message()

    assert overloaded.value.status_code == 529


def test_anthropic_lists_the_models(anthropic_client):
    assert [model.id for model in anthropic_client.models.list()] == ["inferail-docs", "inferail-words"]

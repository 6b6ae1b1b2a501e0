"""The two clients: one implementation, two ways to wait."""

import asyncio
import inspect
import json
import subprocess
import sys
from typing import Any, cast

import pytest
from pydantic import BaseModel
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT, UNARY, WORDS

import inferail as ir
from inferail.client import CallOptions
from inferail.core import Delta
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport

OK = ScriptedReply([UNARY])
STREAM = ScriptedReply(OPENAI, headers=STREAM_HEADERS)


class Suspends:
    """A Model that needs an event loop."""

    name = "suspends"

    async def generate(self, request: ir.Request) -> ir.Response[Any]:
        await asyncio.sleep(0)
        return ir.Response(ir.assistant("late"), "stop")

    def stream(self, request: ir.Request) -> ir.DeltaStream:
        raise AssertionError("not asked for")


def test_clients_give_the_same_answer_and_send_the_same_bytes():
    """Serves R19, R38."""
    blocking = ScriptedTransport([OK, STREAM], blocking=True)
    suspending = ScriptedTransport([OK, STREAM])

    with ir.Client("openai:m", api_key="k", transport=blocking) as client:
        whole = client.complete("Hello", system="Be brief.")
        with client.stream("Hello") as stream:
            pieces = list(stream.text())

    async def main() -> tuple[ir.Response[Any], list[str]]:
        async with ir.AsyncClient("openai:m", api_key="k", transport=suspending) as client:
            answer = await client.complete("Hello", system="Be brief.")
            async with client.stream("Hello") as stream:
                return answer, [piece async for piece in stream.text()]

    other, other_pieces = asyncio.run(main())

    assert whole.text == other.text == TEXT
    assert pieces == other_pieces == list(WORDS)
    assert [wire.body for wire in blocking.wires] == [wire.body for wire in suspending.wires]


def test_client_refuses_to_block_a_running_loop():
    """Serves R39."""

    async def main() -> None:
        with pytest.raises(ir.ConfigError, match="use AsyncClient"):
            ir.Client(ScriptedModel(["x"])).complete("Hello")
        with pytest.raises(ir.ConfigError, match="use AsyncClient"), ir.Client(ScriptedModel(["x"])).stream("Hello"):
            pass

    asyncio.run(main())


def test_client_says_what_to_do_when_a_model_needs_a_loop():
    """Serves R39."""
    with pytest.raises(ir.ConfigError, match="use AsyncClient"):
        ir.Client(Suspends()).complete("Hello")


def test_client_serves_a_model_that_suspends_when_it_is_asynchronous():
    """Serves R38."""
    assert asyncio.run(ir.AsyncClient(Suspends()).complete("Hello")).text == "late"


@pytest.mark.parametrize("prompt", ["Hello", ir.user("Hello"), [ir.user("Hello")], (ir.user("Hello"),)])
def test_client_takes_a_text_a_message_or_a_conversation(prompt):
    """Serves R123."""
    model = ScriptedModel(["Hi."])

    assert ir.Client(model).complete(prompt).text == "Hi."
    assert model.requests[0].messages == (ir.user("Hello"),)


@pytest.mark.parametrize("prompt", ["", [], [ir.system("x")]])
def test_client_refuses_an_empty_prompt_before_any_call(prompt):
    model = ScriptedModel(["Hi."])

    with pytest.raises(ir.ConfigError):
        ir.Client(model).complete(prompt)

    assert model.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temprature": 9}, "no option 'temprature'"),
        ({"max_tokens": 2}, r"sampling=ir\.Sampling\(max_tokens=…\)"),
        ({"toolz": []}, "did you mean tools"),
        ({"base_url": "http://127.0.0.1:1"}, r"ir\.Target"),
        ({"api_key": "k"}, r"ir\.Target"),
    ],
)
def test_call_refuses_options_that_it_does_not_have(options: Any, said):
    """Serves R26."""
    model = ScriptedModel(["Hi."] * 3)
    client = ir.Client(model)

    with pytest.raises(ir.ConfigError, match=said):
        client.complete("Hello", **options)
    with pytest.raises(ir.ConfigError, match=said):
        client.stream("Hello", **options)
    with pytest.raises(ir.ConfigError, match=said):
        ir.complete(model, "Hello", **options)

    assert model.requests == []


def test_options_of_a_target_are_told_from_those_of_a_call():
    from inferail.client import _TARGET_OPTIONS
    from inferail.providers.target import Target

    taken = set(inspect.signature(Target.__init__).parameters) - {"self", "model"}

    assert taken - set(CallOptions.__annotations__) == _TARGET_OPTIONS


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ir.Client("openai:m", api_key="k", recorder=cast("ir.MemorySink", 5)), id="recorder"),
        pytest.param(lambda: ir.scope(budget=cast("ir.Budget", 5)), id="budget"),
        pytest.param(lambda: ir.scope(cancellation=cast("ir.Cancellation", 5)), id="cancellation"),
        pytest.param(lambda: ir.scope(labels=cast("dict[str, str]", 5)), id="labels"),
        pytest.param(lambda: ir.Tool("f", "", cast("dict[str, str]", "x")), id="parameters"),
        pytest.param(
            lambda: ir.Request((ir.user("x"),), provider_options=cast("dict[str, dict[str, str]]", 5)), id="options"
        ),
        pytest.param(lambda: ir.Image(url="x/y.png"), id="image-without-a-scheme"),
        pytest.param(lambda: ir.Target("openai: gpt", api_key="k"), id="blank-in-the-model"),
    ],
)
def test_wrong_types_are_typed_errors(make):
    with pytest.raises(ir.ConfigError):
        make()


def test_client_takes_an_output_schema_object():
    client = ir.Client(ScriptedModel(['{"name": "Oslo"}']))

    response = client.complete("Which city?", output=ir.OutputSchema({"type": "object"}, name="city"))

    assert response.output == {"name": "Oslo"}


def test_client_keeps_what_is_set_once_and_lets_a_call_override_it():
    """Serves R35, R36, R37."""
    transport = ScriptedTransport([OK, OK], blocking=True)
    client = ir.Client(
        "openai:m", api_key="k", transport=transport, sampling=ir.Sampling(temperature=0.0, seed=7), labels={"app": "a"}
    )

    client.complete("Hello")
    client.complete("Hello", sampling=ir.Sampling(temperature=1.0), labels={"turn": "2"})

    first, second = (json.loads(wire.body) for wire in transport.wires)
    assert (first["temperature"], first["seed"]) == (0.0, 7)
    assert (second["temperature"], second["seed"]) == (1.0, 7)
    assert [dict(record.labels) for record in client.records] == [{"app": "a"}, {"app": "a", "turn": "2"}]


def test_client_swaps_the_model_by_its_string_alone():
    """Serves R29, R32."""
    transport = ScriptedTransport([OK, OK], blocking=True)
    client = ir.Client("openai:one", api_key="k", transport=transport)

    client.complete("Hello")
    client.complete("Hello", model=ir.Target("openai:two", api_key="k"))

    assert [json.loads(wire.body)["model"] for wire in transport.wires] == ["one", "two"]


def test_client_gives_a_typed_output():
    """Serves R123."""

    class City(BaseModel):
        name: str

    client = ir.Client(
        ScriptedModel(
            [
                '{"name": "Oslo"}',
                [Delta("text", text='{"name":'), Delta("text", text=' "Rome"}'), Delta("finish", reason="stop")],
            ]
        )
    )

    whole = client.complete("Which city?", output=City)
    with client.stream("Which city?", output=City) as stream:
        streamed = stream.final()

    assert whole.output == City(name="Oslo")
    assert streamed.output == stream.response.output == City(name="Rome")


def test_stream_reads_as_deltas_batches_or_text():
    """Serves R90 in part: deltas in order, one terminal one."""
    client = ir.Client("openai:m", api_key="k", transport=ScriptedTransport([STREAM] * 3, blocking=True))

    with client.stream("Hello") as stream:
        kinds = [delta.kind for delta in stream]
    with client.stream("Hello") as stream:
        batches = list(stream.batches())
    with client.stream("Hello") as stream:
        texts = list(stream.text())

    assert kinds == ["start", "text", "text", "text", "finish", "usage"]
    assert [delta.kind for batch in batches for delta in batch] == kinds
    assert all(batches)
    assert "".join(texts) == TEXT


def test_response_is_refused_before_the_stream_has_ended():
    """Serves R93."""
    client = ir.Client("openai:m", api_key="k", transport=ScriptedTransport([STREAM], blocking=True))

    with client.stream("Hello") as stream:
        next(stream.text())
        with pytest.raises(ir.StreamError, match="not been read to its end") as caught:
            _ = stream.response

    assert caught.value.partial.text == WORDS[0]


def test_explain_shows_the_bytes_that_would_be_sent():
    """Serves R20."""
    transport = ScriptedTransport([OK], blocking=True)
    client = ir.Client("openai:m", api_key="sk-CANARY", transport=transport)

    text = client.explain("Hello", system="Be brief.", provider_options={"openai": {"user": "u"}})
    client.complete("Hello", system="Be brief.", provider_options={"openai": {"user": "u"}})

    assert text.endswith(transport.wires[0].body.decode())
    assert f"POST {transport.wires[0].url}" in text
    assert "CANARY" not in text


def test_records_go_to_the_recorder_that_is_given(tmp_path):
    """Serves R35."""
    path = tmp_path / "records.jsonl"
    with ir.JsonlSink(path) as sink:
        ir.Client("openai:m", api_key="k", transport=ScriptedTransport([OK], blocking=True), recorder=sink).complete(
            "Hello"
        )

    (line,) = path.read_text().splitlines()
    assert json.loads(line)["finish_reason"] == "stop"
    assert "Hello" not in line


def test_client_does_not_close_a_transport_it_was_given():
    """Serves R35."""
    transport = ScriptedTransport([OK], blocking=True)

    with ir.Client("openai:m", api_key="k", transport=transport) as client:
        client.complete("Hello")

    assert not transport.closed


@pytest.mark.slow
def test_importing_the_package_loads_no_heavy_library_and_one_line_closes_its_connections():
    """Serves R34."""
    code = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import inferail as ir\n"
        "heavy = [name for name in ('httpx', 'numpy', 'pydantic', 'asyncio') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
        "import asyncio\n"
        "from inferail.testing.sandbox import Sandbox\n"
        "with Sandbox() as sandbox:\n"
        "    target = ir.Target('openai:docs', base_url=sandbox.base_url('openai'))\n"
        "    assert ir.complete(target, 'What is a Target?').text\n"
        "    for _ in range(2):\n"
        "        assert asyncio.run(ir.acomplete(target, 'What is a Target?')).text\n"
        "print('closed')\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "closed", done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"sampling": {"temperature": 1.0}}, "sampling", id="sampling"),
        pytest.param({"tools": [{"name": "f"}]}, "Tool objects", id="tools"),
        pytest.param({"labels": {"n": 3}}, "labels", id="labels"),
    ],
)
def test_client_refuses_an_option_of_the_wrong_type_before_any_call(options, said):
    transport = ScriptedTransport([OK], blocking=True)
    client = ir.Client("openai:m", api_key="k", transport=transport, sampling=ir.Sampling(seed=1))

    with pytest.raises(ir.ConfigError, match=said):
        client.complete("Hello", **options)

    assert transport.wires == []


def test_client_takes_none_as_not_given():
    transport = ScriptedTransport([OK, OK], blocking=True)
    client = ir.Client("openai:m", api_key="k", transport=transport)
    nothing: dict[str, Any] = dict.fromkeys(
        ("system", "tools", "tool_choice", "sampling", "provider_options", "labels")
    )

    client.complete("Hello")
    client.complete("Hello", **nothing)

    assert transport.wires[0].body == transport.wires[1].body


def test_acomplete_lets_go_of_an_event_loop_that_has_ended():
    from inferail import one_line

    transport = ScriptedTransport([OK])
    target = ir.Target("openai:m", api_key="k", transport=transport)

    assert asyncio.run(ir.acomplete(target, "Hello")).text == TEXT

    assert len(one_line._of_loop) == 0

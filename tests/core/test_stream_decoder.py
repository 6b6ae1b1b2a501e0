"""The byte fixtures of tests/wire, whole, split and cut; and the class itself."""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError
from inferail.types.usage import Usage
from tests.core.event_streams import from_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

WIRE = Path(__file__).parent.parent / "wire"
FIXTURES = sorted([*WIRE.glob("*/*.sse"), *WIRE.glob("*/*.ndjson"), *WIRE.glob("*/*.events")])
FIELDS = ("text", "id", "name", "reason", "raw_reason", "status")


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def recorded(path: Path) -> bytes:
    """The body in a fixture; messages of the AWS event stream are kept as lines of text."""
    return from_lines(path.read_text(encoding="utf-8")) if path.suffix == ".events" else path.read_bytes()


def decode(path: Path, chunks: Iterable[bytes]) -> tuple[list[Delta], str | None]:
    """Every delta of the chunks, and what `finish` says."""
    decoder = StreamDecoder(path.parent.name)  # type: ignore[arg-type]
    deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)]
    return deltas, decoder.finish()


def line(delta: Delta) -> str:
    """Kind, place, and what is set, as JSON."""
    fields = {field: value for field in FIELDS if (value := getattr(delta, field)) is not None}
    if delta.usage is not None:
        fields["usage"] = {key: count for key, count in asdict(delta.usage).items() if count}
    return f"{delta.kind} {delta.index}.{delta.block} {json.dumps(fields, ensure_ascii=False)}\n"


every_fixture = pytest.mark.parametrize("path", FIXTURES, ids=name)
every_whole_fixture = pytest.mark.parametrize(
    "path", [path for path in FIXTURES if not path.stem.startswith("error_")], ids=name
)


@every_fixture
def test_decoder_gives_the_known_deltas_when_fed_a_recorded_stream(path: Path) -> None:
    """Serves R86, R99."""
    deltas, missing = decode(path, [recorded(path)])

    lines = "".join(line(delta) for delta in deltas) + f"finish() {json.dumps(missing)}\n"
    assert lines == path.with_suffix(".deltas").read_text(encoding="utf-8")


@every_fixture
def test_decoder_gives_the_same_deltas_when_fed_byte_by_byte(path: Path) -> None:
    """Serves R99."""
    body = recorded(path)

    assert decode(path, [body[at : at + 1] for at in range(len(body))]) == decode(path, [body])


@given(data=st.data())
def test_decoder_gives_the_same_deltas_when_split_anywhere(data: st.DataObject) -> None:
    """Serves R99."""
    path = data.draw(st.sampled_from(FIXTURES), label="fixture")
    body = recorded(path)
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30), label="cuts"))
    chunks = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]

    assert decode(path, chunks) == decode(path, [body])


@every_whole_fixture
def test_decoder_never_says_complete_when_the_stream_was_cut(path: Path) -> None:
    """Serves R88, R92, R93."""
    body = recorded(path)
    needed = len(body.rstrip(b"\r\n"))

    complete = [at for at in range(needed) if decode(path, [body[:at]])[1] is None]

    assert complete == []
    assert decode(path, [body])[1] is None


@every_whole_fixture
def test_decoder_gives_a_prefix_of_the_deltas_when_the_stream_was_cut(path: Path) -> None:
    """Serves R88, R99."""
    body = recorded(path)
    whole, _ = decode(path, [body])

    for at in range(0, len(body), 7):
        deltas, _ = decode(path, [body[:at]])
        assert deltas == whole[: len(deltas)]


@every_fixture
def test_decoder_usage_never_falls_within_a_stream(path: Path) -> None:
    """Serves R96."""
    deltas, _ = decode(path, [recorded(path)])

    counts = [asdict(delta.usage) for delta in deltas if delta.usage is not None]

    for earlier, later in pairwise(counts):
        assert all(later[key] >= earlier[key] for key in earlier if key.endswith("_tokens"))


@pytest.mark.parametrize(
    "grammar",
    ["openai_chat", "anthropic", "gemini", "ollama", "tgi", "openai_responses", "bedrock", "cohere"],
)
@given(body=st.binary(max_size=200))
def test_decoder_survives_when_fed_anything(grammar: str, body: bytes) -> None:
    """Serves R88."""
    decoder = StreamDecoder(grammar)  # type: ignore[arg-type]

    framed = body + b"\n" if grammar == "ollama" else b"data: " + body + b"\n\n"
    if grammar == "bedrock":
        framed = body

    for delta in decoder.feed(framed):
        assert delta.kind in {"start", "error", "usage"}

    assert decoder.finish() is not None


def test_decoder_is_complete_without_done_only_when_the_caller_waives_it() -> None:
    """Serves R88."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    strict, waived = StreamDecoder("openai_chat"), StreamDecoder("openai_chat", require_done=False)
    strict.feed(body)
    waived.feed(body)

    assert strict.finish() == "ended before its terminal event"
    assert waived.finish() is None


def test_decoder_is_terminal_when_its_terminal_event_came() -> None:
    decoder = StreamDecoder("openai_chat")

    before = decoder.terminal
    decoder.feed(b"data: [DONE]\n\n")

    assert (before, decoder.terminal) == (False, True)
    assert decoder.feed(b"data: trailing {\n\n") == []


@pytest.mark.parametrize(
    ("event", "name"),
    [
        pytest.param(b'data: {"choices":[\n\n', "malformed_event", id="malformed"),
        pytest.param(b"data: " + b"x" * 200 + b"\n\n", "event_too_large", id="too-large"),
    ],
)
def test_decoder_delivers_what_came_before_when_an_event_is_broken(event: bytes, name: str) -> None:
    """Serves R88, R99."""
    decoder = StreamDecoder("openai_chat", max_event_bytes=150)
    good = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"kept"}}]}\n\n'

    deltas = decoder.feed(good + event + good)

    assert [delta.kind for delta in deltas] == ["start", "text", "error"]
    assert deltas[-1].name == name
    assert decoder.terminal
    assert decoder.feed(good) == []
    assert decoder.finish() is not None


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview])
def test_decoder_takes_any_bytes_like_object(convert: type) -> None:
    decoder = StreamDecoder("anthropic")

    deltas = decoder.feed(convert(b'data: {"type":"content_block_delta","delta":{"text":"a"}}\n\n'))

    assert deltas[-1].text == "a"


@pytest.mark.parametrize("data", ["text", 5, None])
def test_decoder_raises_type_error_when_fed_something_else(data: object) -> None:
    with pytest.raises(TypeError):
        StreamDecoder("gemini").feed(data)  # type: ignore[arg-type]


def test_decoder_raises_config_error_when_the_grammar_is_unknown() -> None:
    with pytest.raises(ConfigError, match="openai_chat, anthropic, gemini, ollama"):
        StreamDecoder("nobody")  # type: ignore[arg-type]


def test_decoder_loses_nothing_when_several_threads_feed_it() -> None:
    decoder = StreamDecoder("anthropic")
    event = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n'
    counts: list[int] = []

    def feed() -> None:
        counts.append(sum(delta.kind == "text" for _ in range(20) for delta in decoder.feed(event * 2000)))

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 4 * 20 * 2000


def test_delta_interns_kinds_and_reasons() -> None:
    body = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    first, second = StreamDecoder("anthropic").feed(body)[-1], StreamDecoder("anthropic").feed(body)[-1]

    assert first.kind is second.kind
    assert first.reason is second.reason is Delta("finish", reason="stop").reason


def test_delta_keeps_every_field_when_pickled() -> None:
    delta = Delta(
        "finish", index=1, block=2, text="t", id="i", name="n", reason="stop", raw_reason="STOP",
        usage=Usage(input_tokens=3), status=500,
    )  # fmt: skip

    copy = pickle.loads(pickle.dumps(delta))

    assert copy == delta
    assert (copy.index, copy.block, copy.usage, copy.status) == (1, 2, Usage(input_tokens=3), 500)


def test_delta_is_compared_and_hashed_by_its_fields() -> None:
    assert Delta("text", text="a") == Delta("text", text="a")
    assert hash(Delta("text", text="a")) == hash(Delta("text", text="a"))
    assert Delta("text", text="a") != Delta("text", text="b")
    assert Delta("text", text="a") != Delta("reasoning", text="a")
    assert Delta("text") != "text"


def test_delta_repr_shows_no_text() -> None:
    delta = Delta("tool_start", index=1, block=2, text="secret", id="secret", name="secret")

    assert repr(delta) == '<Delta kind="tool_start" index=1 block=2, len(text)=6>'
    assert "secret" not in str(delta)


def test_delta_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Delta("text").text = "changed"  # type: ignore[misc]


def test_delta_raises_config_error_when_the_kind_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown delta kind"):
        Delta("texts")


def test_delta_usage_is_the_dataclass_of_the_package() -> None:
    """Serves R96."""
    body = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4.0}}\n\n'

    assert StreamDecoder("openai_chat").feed(body)[-1].usage == ir.Usage(input_tokens=3, output_tokens=4)

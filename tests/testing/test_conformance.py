"""The suite for codecs: ours pass it, and each of its tests can fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.core.event_streams import from_lines

from inferail import errors
from inferail.core import Delta
from inferail.providers import codec as load_codec
from inferail.providers.chat_completions import ChatCompletionsCodec
from inferail.providers.codec import Codec, Encoded, Endpoint
from inferail.providers.errors import ErrorTable
from inferail.testing import CodecConformance, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inferail.types.request import Request
    from inferail.types.response import Response

STREAMS = (".sse", ".ndjson")
WIRE = Path(__file__).parent.parent / "wire"
ERROR = {"message": "m", "type": "invalid_request_error", "code": "a_new_code"}
LIMITED = Failure(429, json.dumps({"error": ERROR}).encode(), errors.RateLimitError)


def recorded(folder: str) -> dict[str, dict[str, bytes]]:
    """What `tests/wire` has of a provider, sorted into the attributes of the suite."""
    streams = {path.stem: path.read_bytes() for path in sorted((WIRE / folder).glob("*")) if path.suffix in STREAMS}
    events = sorted((WIRE / folder).glob("*.events"))  # Bedrock's, written as lines
    streams.update((path.stem, from_lines(path.read_text(encoding="utf-8"))) for path in events)
    streams.pop("error_done_without_finish", None)  # incomplete, and no error is reported in it
    streams.pop("native_without_details", None)  # TGI's, which says no reason for its end unless asked
    return {
        "streams": {name: body for name, body in streams.items() if not name.startswith("error_")},
        "broken_streams": {name: body for name, body in streams.items() if name.startswith("error_")},
        "answers": {path.stem: path.read_bytes() for path in sorted((WIRE / folder).glob("*.json"))},
    }


class Recorded(CodecConformance):
    """A provider of ours."""

    folder: ClassVar[str] = ""
    failures: ClassVar[Sequence[Failure]] = [LIMITED]

    def __init_subclass__(cls, scheme: str, folder: str = "", answer: Any = None) -> None:
        cls.codec = load_codec(scheme)
        for name, value in recorded(folder or scheme).items():
            setattr(cls, name, value)
        if answer is not None:
            cls.answers = {"a_whole_answer": json.dumps(answer).encode()}


class TestOpenAI(Recorded, scheme="openai", folder="openai_chat"):
    """Serves R21, R28."""


class TestMistral(Recorded, scheme="mistral"):
    """Serves R21, R28."""


class TestDeepSeek(Recorded, scheme="deepseek"):
    """Serves R21, R28."""


class TestQwen(Recorded, scheme="qwen"):
    """Serves R21, R28."""


class TestGroq(Recorded, scheme="groq"):
    """Serves R21, R28."""


class TestOpenRouter(Recorded, scheme="openrouter"):
    """Serves R21, R28, R45."""


class TestVLLM(Recorded, scheme="vllm"):
    """Serves R21, R28, R194."""


class TestAnthropic(Recorded, scheme="anthropic"):
    """Serves R21, R28."""


class TestGemini(Recorded, scheme="gemini"):
    """Serves R21, R28."""


CHOICES = [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]


class TestCompatible(Recorded, scheme="compatible", folder="openai_chat"):
    """Serves R21, R28, R45."""

    base_url = "http://127.0.0.1:8000/v1"


class TestTGI(Recorded, scheme="tgi", answer={"model": "m", "choices": CHOICES}):
    """Serves R21, R28, R194."""


OLLAMA = {"model": "m", "message": {"role": "assistant", "content": "Hello."}, "done": True, "done_reason": "stop"}


class TestOllama(Recorded, scheme="ollama", answer={**OLLAMA, "prompt_eval_count": 9, "eval_count": 2}):
    """Serves R21, R28."""


RESPONSES_OUTPUT = [{"type": "message", "id": "m1", "content": [{"type": "output_text", "text": "Hello."}]}]


class TestResponses(
    Recorded,
    scheme="openai_responses",
    answer={"id": "r1", "object": "response", "model": "m", "status": "completed", "output": RESPONSES_OUTPUT},
):
    """Serves R21, R28."""


CONVERSE_OUTPUT = {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}
CONVERSE_USAGE = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}


class TestBedrock(
    Recorded,
    scheme="bedrock",
    answer={"output": CONVERSE_OUTPUT, "stopReason": "end_turn", "usage": CONVERSE_USAGE},
):
    """Serves R21, R28."""

    base_url = "https://bedrock-runtime.eu-central-1.amazonaws.com"


COHERE_MESSAGE = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
COHERE_USAGE = {"tokens": {"input_tokens": 9, "output_tokens": 2}}


class TestCohere(
    Recorded,
    scheme="cohere",
    answer={"id": "c1", "message": COHERE_MESSAGE, "finish_reason": "COMPLETE", "usage": COHERE_USAGE},
):
    """Serves R21, R28."""


# Codecs that are wrong in one way each, and the test that has to notice.


class Right(ChatCompletionsCodec):
    provider: ClassVar[str] = "acme"
    default_base_url: ClassVar[str] = "https://api.acme.example/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("ACME_API_KEY",)
    errors: ClassVar[ErrorTable] = ErrorTable("acme", ("ACME_API_KEY",))


class Nameless(Right):
    provider: ClassVar[str] = "acme corp"


class Forgetful(Right):
    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        return super().encode(replace(request, messages=request.turns), endpoint, stream=stream)


class Moody(Right):
    calls = 0

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        Moody.calls += 1
        return super().encode(request, replace(endpoint, headers={"x-call": str(self.calls)}), stream=stream)


class Silent(Right):
    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        return replace(super().encode(request, replace(endpoint, unsupported="drop"), stream=stream), warnings=())


class Closed(Right):
    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        return super().encode(replace(request, provider_options={}), endpoint, stream=stream)


class Loud(Right):
    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        encoded = super().encode(request, endpoint, stream=stream)
        return replace(encoded, wire=replace(encoded.wire, url=f"{encoded.wire.url}?key={endpoint.api_key}"))


class Rawless(Right):
    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        return replace(super().decode(headers, body), raw=None)


class Brittle(Right):
    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        answer = super().decode(headers, body)
        return replace(answer, model=str(len(json.loads(body))))


class Crashing(Right):
    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        json.loads(body)["choices"]
        return super().decode(headers, body)


class Blind(Right):
    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> errors.ProviderError:
        return errors.ServerError("acme failed", provider="acme", status_code=status, raw=body)


class Gossip(Right):
    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> errors.ProviderError:
        error = super().decode_error(status, headers, body)
        return type(error)(body.decode("utf-8", "replace"), provider="acme", status_code=status, raw=body)


class Unkind(Right):
    def decode_stream_error(self, delta: Delta) -> errors.ProviderError:
        return errors.ServerError(delta.text or "")


class Decoder:
    """Stands before the real decoder and does one thing wrong."""

    def __init__(self, flaw: str) -> None:
        self._inner = Right().stream_decoder(Endpoint("m", "https://api.acme.example"))
        self._flaw = flaw

    def feed(self, data: bytes) -> list[Delta]:
        deltas = self._inner.feed(data)
        if self._flaw == "split" and len(data) == 1:
            return []
        if self._flaw == "twice":
            return [delta for delta in deltas for _ in range(2)]
        if self._flaw == "nosy" and b"x_new" in data:
            return deltas[1:]
        if self._flaw == "open":
            return [delta for delta in deltas if delta.kind != "tool_end"]
        if self._flaw == "short":
            return [delta for delta in deltas if delta.kind != "usage" and delta.text != " well."]
        return deltas

    def finish(self) -> str | None:
        return None if self._flaw == "early" else self._inner.finish()


def flawed(flaw: str) -> type[Right]:
    class Flawed(Right):
        def stream_decoder(self, endpoint: Endpoint) -> Any:
            return Decoder(flaw)

    return Flawed


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (Nameless, "codec_says_who_it_is"),
        (Forgetful, "request_holds_the_whole_conversation"),
        (Moody, "request_is_encoded_or_refused_and_always_the_same"),
        (Silent, "parameter_is_sent_refused_or_dropped_with_a_warning"),
        (Closed, "options_of_the_provider_are_passed_on"),
        (Loud, "key_is_sent_in_a_header_and_shown_nowhere"),
        (Rawless, "answer_is_read"),
        (Brittle, "answer_is_the_same_with_members_nobody_knows"),
        (Crashing, "other_bodies_are_provider_errors"),
        (Blind, "failure_becomes_its_exception"),
        (Gossip, "error_is_made_of_any_body_and_shows_nothing_of_it"),
        (flawed("twice"), "stream_is_read_to_its_end"),
        (flawed("split"), "stream_gives_the_same_for_every_split"),
        (flawed("early"), "stream_cut_anywhere_is_never_complete"),
        (flawed("nosy"), "stream_is_the_same_with_members_nobody_knows"),
        (flawed("short"), "stream_says_what_the_whole_answer_says"),
        (flawed("open"), "tool_calls_of_a_stream_are_whole"),
        (Unkind, "error_inside_a_stream_spoils_it"),
    ],
)
def test_conformance_notices_what_is_wrong(wrong: type[Codec], test: str) -> None:
    """Serves R21."""
    found = recorded("openrouter") if test != "tool_calls_of_a_stream_are_whole" else recorded("groq")
    suite = type("Suite", (CodecConformance,), {"codec": wrong(), "failures": [LIMITED], **found})()
    good = type("Suite", (CodecConformance,), {"codec": Right(), "failures": [LIMITED], **found})()

    getattr(good, f"test_{test}")()
    with pytest.raises((AssertionError, KeyError, ValueError, TypeError)):
        getattr(suite, f"test_{test}")()


def test_conformance_has_a_wrong_codec_for_each_of_its_tests() -> None:
    tests = {name for name in vars(CodecConformance) if name.startswith("test_")}
    marks: Any = test_conformance_notices_what_is_wrong.pytestmark  # type: ignore[attr-defined]

    assert {f"test_{test}" for _, test in marks[0].args[1]} == tests

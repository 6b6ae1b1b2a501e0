"""What every codec has to get right, as tests for anybody's codec.

    class TestAcme(CodecConformance):
        codec = AcmeCodec()
        streams = {"plain": (FIXTURES / "plain.sse").read_bytes()}
        answers = {"plain": (FIXTURES / "plain.json").read_bytes()}
        failures = [Failure(429, b'{"error":{"code":"slow_down"}}', RateLimitError)]

pytest finds the tests of such a class by itself; any other runner may call its methods. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from inferail.errors import ConfigError, ProviderError
from inferail.providers.codec import Codec, Endpoint
from inferail.types.accumulate import Accumulator
from inferail.types.message import Message, Text, ToolCall, ToolResult, assistant, system, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool

__all__ = ["CodecConformance", "Failure"]

_KEY = "sk-C4N4RY-key"
_WORDS = "C4N4RY the secret plan"
_SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
_TOOL = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
_CALL = ToolCall("call_a", "weather", '{"city":"Bern"}')
_CONVERSATION = Request(
    (
        system("Be brief."),
        user("Weather in Bern?"),
        Message("assistant", (Text("Let me look."), _CALL)),
        Message("tool", (ToolResult("call_a", "sunny", "weather"),)),
        user("And in Rome?"),
    ),
    tools=(_TOOL,),
)
_REQUESTS: Mapping[str, Request] = {
    "a prompt": Request((user("Hi"),)),
    "a conversation with tools": _CONVERSATION,
    "a forced tool": Request((user("Hi"),), tools=(_TOOL,), tool_choice="weather"),
    "an output schema": Request((user("6 x 7?"),), output=OutputSchema(_SCHEMA)),
    "a prefill": Request((user("Hi"), assistant("Sure, "))),
}
_SAMPLED: Mapping[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 7,
    "stop": ("END",),
    "seed": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
}
_ODD_BODIES = (
    b"",
    b" \n",
    b"<html>502 Bad Gateway</html>",
    b"OK",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b"\xff\xfe",
    b"[" * 9999,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer and what it has to become.

    Attributes:
        status: HTTP status.
        body: As the provider sends it.
        kind: The class of the exception.
        headers: Names in lower case.
    """

    status: int
    body: bytes
    kind: type[ProviderError]
    headers: Mapping[str, str] | None = None


class CodecConformance:
    """Subclass it as `Test…` and say what is tested.

    Attributes:
        codec: The codec.
        model: A model name for the requests.
        base_url: Where requests would go; by default the codec's own.
        streams: Whole recorded streams by name; at least one. One with the name of an answer has to say the same.
        broken_streams: Recorded streams in which the provider reports an error.
        answers: Whole recorded answers by name; at least one.
        failures: Error answers; at least one.
    """

    codec: ClassVar[Codec]
    model: ClassVar[str] = "model-1"
    base_url: ClassVar[str | None] = None
    streams: ClassVar[Mapping[str, bytes]]
    broken_streams: ClassVar[Mapping[str, bytes]] = {}
    answers: ClassVar[Mapping[str, bytes]]
    failures: ClassVar[Sequence[Failure]]

    # Requests.

    def test_codec_says_who_it_is(self) -> None:
        """Provider, address and key variables are of the right kind."""
        codec = self.codec
        _check(codec.provider.isidentifier(), "provider is the scheme, an identifier such as 'acme'")
        is_url = codec.default_base_url.startswith(("https://", "http://"))
        _check(is_url or not codec.default_base_url, "default_base_url begins with https:// or http://, or is empty")
        _check(all(name.isupper() for name in codec.key_variables), "key_variables are names in capitals")

    def test_request_holds_the_whole_conversation(self) -> None:
        """The body is a JSON object with every word of the conversation, and the stream flag of the call."""
        for stream in (False, True):
            wire = self.codec.encode(_CONVERSATION, self._endpoint(), stream=stream).wire
            body = json.loads(wire.body)
            _check(isinstance(body, dict), "the body of a request is a JSON object")
            _check(wire.method == "POST" and wire.url.startswith(self._endpoint().base_url[:8]), "a request is a POST")
            _check(wire.stream is stream, "Wire.stream says whether the call is streamed")
            for words in ("Be brief.", "Weather in Bern?", "Let me look.", "sunny", "And in Rome?", "weather"):
                _check(words.encode() in wire.body, f"{words!r} of the conversation is missing from the request")

    def test_request_is_encoded_or_refused_and_always_the_same(self) -> None:
        """A request gives the same bytes each time, or a ConfigError that `unsupported='drop'` can avoid."""
        for name, request in _REQUESTS.items():
            for stream in (False, True):
                self._same(name, request, stream=stream)

    def test_parameter_is_sent_refused_or_dropped_with_a_warning(self) -> None:
        """No sampling parameter disappears in silence."""
        plain = self.codec.encode(_REQUESTS["a prompt"], self._endpoint(), stream=False).wire.body
        for field in fields(Sampling):
            sampling = Sampling(**{field.name: _SAMPLED[field.name]})
            request = replace(_REQUESTS["a prompt"], sampling=sampling)
            dropped = self.codec.encode(request, self._endpoint(unsupported="drop"), stream=False)
            try:
                sent = self.codec.encode(request, self._endpoint(), stream=False)
            except ConfigError as error:
                _check(field.name in str(error), f"the ConfigError for {field.name} names it")
                _check(any(field.name in words for words in dropped.warnings), f"dropping {field.name} gives a warning")
            else:
                _check(sent.wire.body != plain, f"{field.name} is neither sent nor refused")

    def test_options_of_the_provider_are_passed_on(self) -> None:
        """`provider_options` reach the body as they are; those of others do not."""
        options: dict[str, dict[str, Any]] = {
            self.codec.provider: {"x_option": {"deep": [1, None]}},
            "nobody": {"x_other": 1},
        }
        encoded = self.codec.encode(
            replace(_REQUESTS["a prompt"], provider_options=options), self._endpoint(), stream=False
        )
        body = json.loads(encoded.wire.body)
        _check(body.get("x_option") == {"deep": [1, None]}, "provider_options are merged into the body verbatim")
        _check("x_other" not in body, "options of another provider stay out of the body")

    def test_key_is_sent_in_a_header_and_shown_nowhere(self) -> None:
        """The key is neither in the URL nor in the body, and in no repr."""
        endpoint = self._endpoint()
        encoded = self.codec.encode(_REQUESTS["a prompt"], endpoint, stream=False)
        sent = any(_KEY in value for value in encoded.wire.headers.values())
        _check(sent or not self.codec.key_variables, "the key is in a header")
        for shown in (encoded.wire.url, encoded.wire.body.decode(), repr(encoded), repr(endpoint), repr(self.codec)):
            _check(_KEY not in shown, "the key shows in a URL, a body or a repr")

    # Whole answers.

    def test_answer_is_read(self) -> None:
        """Each recorded answer has parts, a finish reason, its raw body, and the provider's name."""
        _check(bool(self.answers), "give at least one whole answer")
        for name, body in self.answers.items():
            answer = self.codec.decode({}, body)
            _check(bool(answer.message.parts), f"answer {name!r} has no parts")
            _check(answer.finish_reason != "unknown", f"the finish reason of answer {name!r} is unknown")
            _check((answer.raw, answer.provider) == (body, self.codec.provider), "raw and provider are filled in")

    def test_answer_is_the_same_with_members_nobody_knows(self) -> None:
        """What a provider adds tomorrow does not matter today."""
        for name, body in self.answers.items():
            more = {"x_new": {"a": [1]}, **json.loads(body), "x_newer": None}
            grown = self.codec.decode({}, json.dumps(more).encode())
            known = self.codec.decode({}, body)
            _check(replace(grown, raw=None) == replace(known, raw=None), f"unknown members change answer {name!r}")

    def test_other_bodies_are_provider_errors(self) -> None:
        """HTML, text, an empty body or other JSON with status 200 is an error, not an answer and not a crash."""
        for body in _ODD_BODIES:
            try:
                self.codec.decode({}, body)
            except ProviderError as error:
                _check(error.provider == self.codec.provider, "an error names its provider")
            else:
                _check(condition=False, what=f"decode made an answer of {body[:20]!r}")

    # Errors.

    def test_failure_becomes_its_exception(self) -> None:
        """Each recorded error answer is of its class, with status and provider."""
        _check(bool(self.failures), "give at least one Failure")
        for failure in self.failures:
            error = self.codec.decode_error(failure.status, failure.headers or {}, failure.body)
            _check(type(error) is failure.kind, f"{failure.status} became {type(error).__name__}")
            found = (error.status_code, error.provider, error.raw)
            _check(found == (failure.status, self.codec.provider, failure.body), "status, provider, raw are filled in")

    def test_error_is_made_of_any_body_and_shows_nothing_of_it(self) -> None:
        """`decode_error` never raises, and no text of a server is in what an exception shows."""
        shapes = (
            '{{"error":{{"message":"{}","code":"{}"}}}}',
            '{{"error":"{}"}}',
            '{{"message":"{}"}}',
            "<html>{}",
            "{}",
        )
        spoken = [shape.format(_WORDS, _WORDS).encode() for shape in shapes]
        for status in (302, 400, 401, 404, 429, 500, 503, 599):
            for body in (*_ODD_BODIES, *spoken):
                error = self.codec.decode_error(status, {"x-request-id": "r"}, body)
                _check(isinstance(error, ProviderError), "decode_error gives a ProviderError")
                _check("C4N4RY" not in f"{error}{error!r}{error.user_message}", "an exception shows a server's words")

    # Streams.

    def test_stream_is_read_to_its_end(self) -> None:
        """Each recorded stream is complete, ends once, and its usage never falls before its last word."""
        _check(bool(self.streams), "give at least one recorded stream")
        for name, body in self.streams.items():
            deltas, missing = self._decode([body])
            _check(missing is None, f"stream {name!r} is whole, but finish() says {missing!r}")
            ends = [delta for delta in deltas if delta.kind == "finish" and delta.index == 0]
            _check(len(ends) == 1 and ends[0].reason != "unknown", f"stream {name!r} has one known finish reason")
            counts = [delta.usage.output_tokens for delta in deltas if delta.usage is not None]
            _check(counts[:-1] == sorted(counts[:-1]), f"usage falls within stream {name!r}")

    def test_stream_gives_the_same_for_every_split(self) -> None:
        """Bytes may be cut anywhere, inside a character as well."""
        for name, body in {**self.streams, **self.broken_streams}.items():
            whole = self._decode([body])
            _check(
                self._decode(body[at : at + 1] for at in range(len(body))) == whole, f"{name!r} byte by byte differs"
            )
            for at in range(1, len(body)):
                _check(self._decode([body[:at], body[at:]]) == whole, f"{name!r} split at byte {at} differs")

    def test_stream_cut_anywhere_is_never_complete(self) -> None:
        """A stream that ends early says so, and what it gave is the beginning of the whole."""
        for name, body in self.streams.items():
            whole, _ = self._decode([body])
            for at in range(len(body.rstrip())):
                deltas, missing = self._decode([body[:at]])
                _check(missing is not None, f"{name!r} cut at byte {at} of {len(body)} counts as complete")
                _check(deltas == whole[: len(deltas)], f"{name!r} cut at byte {at} gives other deltas")

    def test_stream_is_the_same_with_members_nobody_knows(self) -> None:
        """New members of an event, and new lines around it, change nothing."""
        for name, body in self.streams.items():
            _check(self._decode([_grown(body)]) == self._decode([body]), f"unknown members change stream {name!r}")

    def test_stream_says_what_the_whole_answer_says(self) -> None:
        """A stream and an answer of one name have the same parts, finish reason and usage."""
        for name in self.streams.keys() & self.answers.keys():
            answer, accumulator = self.codec.decode({}, self.answers[name]), Accumulator()
            accumulator.add(self._decode([self.streams[name]])[0])
            _check(accumulator.message().parts == answer.message.parts, f"{name!r}: other parts")
            _check(accumulator.finish_reason == answer.finish_reason, f"{name!r}: another finish reason")
            _check(accumulator.usage in (None, answer.usage), f"{name!r}: another usage")

    def test_tool_calls_of_a_stream_are_whole(self) -> None:
        """Each call begins with id and name, its arguments are JSON, and it ends."""
        for name, body in self.streams.items():
            deltas, _ = self._decode([body])
            for start in (delta for delta in deltas if delta.kind == "tool_start"):
                place = (start.index, start.block)
                mine = [delta for delta in deltas if (delta.index, delta.block) == place]
                _check(bool(start.id and start.name), f"a tool call of {name!r} has no id or no name")
                _check(any(delta.kind == "tool_end" for delta in mine), f"a tool call of {name!r} does not end")
                json.loads("".join(delta.text or "" for delta in mine if delta.kind == "tool_args") or "{}")

    def test_error_inside_a_stream_spoils_it(self) -> None:
        """The error is the last delta, becomes a ProviderError, and the stream is not complete."""
        for name, body in self.broken_streams.items():
            deltas, missing = self._decode([body])
            _check(missing is not None, f"{name!r} reports an error and counts as complete")
            _check(bool(deltas) and deltas[-1].kind == "error", f"{name!r} does not end with an error")
            error = self.codec.decode_stream_error(deltas[-1])
            _check(isinstance(error, ProviderError), "decode_stream_error gives a ProviderError")
            _check((deltas[-1].text or "\0") not in str(error), "an exception shows a server's words")

    def _endpoint(self, **how: Any) -> Endpoint:
        base_url = self.base_url or self.codec.default_base_url or "http://127.0.0.1:8000"
        return Endpoint(self.model, base_url, _KEY, **how)

    def _same(self, name: str, request: Request, *, stream: bool) -> None:
        try:
            first = self.codec.encode(request, self._endpoint(), stream=stream)
        except ConfigError:
            drop = self._endpoint(unsupported="drop")
            first = self.codec.encode(request, drop, stream=stream)
            _check(bool(first.warnings), f"{name} was changed without a warning")
            return
        _check(first == self.codec.encode(request, self._endpoint(), stream=stream), f"{name} gives other bytes")

    def _decode(self, chunks: Iterable[bytes]) -> tuple[list[Any], str | None]:
        decoder = self.codec.stream_decoder(self._endpoint())
        deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)]
        return deltas, decoder.finish()


def _grown(body: bytes) -> bytes:
    """A stream with a new member in every JSON object that stands alone on a line, and comments between events."""
    lines = body.split(b"\n")
    comment = b": x-new\n" if any(line.startswith(b"data:") for line in lines) else b""
    return b"\n".join(_grown_line(line, comment) for line in lines)


def _grown_line(line: bytes, comment: bytes) -> bytes:
    data = line.removeprefix(b"data:").lstrip()
    try:
        is_whole = bool(data.startswith(b"{") and json.loads(data))
    except ValueError:
        is_whole = False
    if not is_whole:
        return line
    # Written into the text, not made anew: what is passed on as it came must stay as it is.
    return comment + line[: -len(data)] + b'{"x_new":{"a":[1]},' + data[1:]


def _check(condition: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise AssertionError(what)

"""The compiled part of inferail. Import these names from `inferail.core`."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Self, TypeAlias, TypedDict, final
from uuid import UUID

from typing_extensions import disjoint_base

from inferail._core_stubs.encoder import Encoder, LexicalEncoder
from inferail._core_stubs.grammar import Grammar, Matcher, Vocabulary
from inferail._core_stubs.index import GraphIndex, VectorIndex
from inferail._core_stubs.kv import KVCache, PageView, Plan, Sequence
from inferail._core_stubs.limits import (
    AdaptiveConcurrency,
    Limiter,
    Refusal,
    Reservation,
    RetryBudget,
    WaitQueue,
)
from inferail._core_stubs.policy import EndpointHealth, RecordRing, pick
from inferail._core_stubs.sampler import (
    History,
    PromptLookup,
    Sampler,
    Samples,
    StopCheck,
    StopScanner,
    StopStrings,
    sample_each,
    verify_draft,
)
from inferail._core_stubs.text import (
    BM25,
    Chunk,
    Chunker,
    Redactor,
    RedactorStream,
    SentenceGate,
    StallDetector,
    TaskModel,
)
from inferail._core_stubs.tokenizer import Encoding, StreamingDecoder, Template, Tokenizer
from inferail.types.usage import Usage

_Buffer: TypeAlias = bytes | bytearray | memoryview[Any]
_Kind: TypeAlias = Literal[
    "start",
    "text",
    "reasoning",
    "reasoning_signature",
    "reasoning_redacted",
    "tool_start",
    "tool_args",
    "tool_end",
    "refusal",
    "citation",
    "usage",
    "finish",
    "error",
    "seam",
    "restart",
    "upgrade",
]
_PartKind: TypeAlias = Literal["text", "reasoning", "redacted", "refusal", "tool_call"]
_Reason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "unknown"]
_Path: TypeAlias = str | os.PathLike[str]
_Grammar: TypeAlias = Literal[
    "openai_chat",
    "anthropic",
    "gemini",
    "ollama",
    "tgi",
    "openai_responses",
    "bedrock",
    "cohere",
    "dashscope",
    "dashscope_cumulative",
    # Who speaks openai_chat:
    "openai",
    "mistral",
    "deepseek",
    "qwen",
    "groq",
    "openrouter",
    "vllm",
    "compatible",
]

__all__ = [
    "BM25",
    "BUILD_INFO",
    "Accumulator",
    "AdaptiveConcurrency",
    "Chunk",
    "Chunker",
    "Delta",
    "Encoder",
    "Encoding",
    "EndpointHealth",
    "EventStreamMessage",
    "EventStreamParser",
    "Grammar",
    "GraphIndex",
    "History",
    "HttpExchange",
    "HttpPool",
    "HttpSettings",
    "KVCache",
    "LexicalEncoder",
    "Limiter",
    "Matcher",
    "NDJSONParser",
    "PageView",
    "PartialJSON",
    "Plan",
    "PromptLookup",
    "RecordRing",
    "Redactor",
    "RedactorStream",
    "Refusal",
    "Reservation",
    "RetryBudget",
    "SSEEvent",
    "SSEParser",
    "Sampler",
    "Samples",
    "SentenceGate",
    "Sequence",
    "StallDetector",
    "StopCheck",
    "StopScanner",
    "StopStrings",
    "StreamDecoder",
    "StreamingDecoder",
    "TaskModel",
    "Template",
    "Tokenizer",
    "VectorIndex",
    "Vocabulary",
    "WaitQueue",
    "__version__",
    "dump_json",
    "load_json",
    "pick",
    "sample_each",
    "verify_draft",
]

class _BuildInfo(TypedDict):
    version: str
    profile: Literal["debug", "release"]
    target: str
    features: tuple[str, ...]

__version__: Final[str]

# How the extension was built. A number measured on a "debug" profile means nothing.
BUILD_INFO: Final[_BuildInfo]

def load_json(data: bytes, /) -> Any:
    """The value of the JSON text `data`. Half a surrogate pair is read as U+FFFD.

    For what is usual, two to three times as fast as `json.loads`. Holds the GIL: it makes objects of Python.

    Raises:
        ValueError: Not JSON in UTF-8, nested more than 128 levels deep, or a whole number beyond 64 bits.
    """

def dump_json(value: object, /) -> bytes | None:
    """Compact JSON text of dicts, lists, tuples, strings, numbers, booleans and None; None where anything else is in it.

    Byte for byte what `json.dumps` writes, ten times as fast. Anything else is: a class of its own, keys that are not
    strings, infinities and NaN, half a surrogate pair, whole numbers beyond 64 bits, and more than 128 levels.
    """

@final
class Delta:
    """One piece of a streamed response, the same for every provider. Immutable; hashable; picklable.

    What is set depends on `kind`:

    - `start`: `id` of the response, `name` of the model. Once, before everything else.
    - `text`, `reasoning`, `refusal`: `text` continues what came before it in that `index` and `block`.
    - `reasoning_signature`: `text` is the whole signature of the reasoning, text or tool call in that block.
    - `reasoning_redacted`: `text` is reasoning that only the provider can read.
    - `tool_start`: `id` and `name`; an id is made up (`call_<n>`) where the provider gives none.
    - `tool_args`: `text` continues the JSON text of the arguments. None at all means `{}`.
    - `tool_end`: the arguments are complete.
    - `citation`: `text` is the raw JSON of a citation, annotation or grounding metadata.
    - `usage`: tokens so far; the last one is authoritative.
    - `finish`: `reason` and `raw_reason`, once for each `index`.
    - `error`: `name`, `text` and perhaps `status`, as the provider reported them; or `name` is `malformed_event` or
      `event_too_large`, after which the decoder gives nothing more.

    Neither `repr()` nor `str()` shows text, ids or names.

    Raises:
        ConfigError: If `kind` is unknown.
    """

    def __new__(
        cls,
        kind: str,
        *,
        index: int = 0,
        block: int = 0,
        text: str | None = None,
        id: str | None = None,  # noqa: A002
        name: str | None = None,
        reason: str | None = None,
        raw_reason: str | None = None,
        usage: Usage | None = None,
        status: int | None = None,
    ) -> Delta: ...
    @property
    def kind(self) -> _Kind:
        """What the delta says; an interned string."""
    @property
    def index(self) -> int:
        """Which choice (or candidate) it belongs to."""
    @property
    def block(self) -> int:
        """Which content block of that choice; in the OpenAI shape the ordinal of the tool call, else 0."""
    @property
    def text(self) -> str | None:
        """Text, signature, arguments, citation or message, by kind."""
    @property
    def id(self) -> str | None:
        """The id of a response or a tool call."""
    @property
    def name(self) -> str | None:
        """The name of a model, a tool or an error."""
    @property
    def reason(self) -> str | None:
        """stop, length, tool_calls, content_filter, pause, error or unknown; an interned string."""
    @property
    def raw_reason(self) -> str | None:
        """The same in the provider's word."""
    @property
    def usage(self) -> Usage | None:
        """Tokens so far."""
    @property
    def status(self) -> int | None:
        """The HTTP status that says the same as an error."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __getnewargs_ex__(self, /) -> tuple[tuple[str], dict[str, Any]]: ...

@disjoint_base
class Accumulator:
    """Puts one choice of an answer together from its deltas, in time linear in its length.

    What it says is what has arrived so far, at any moment. Safe to use from several threads.

    Args:
        decoder: Whose first choice it is; default: that of the deltas that are added.
        index: Which choice of those that are added; the others are left out.
    """

    def __new__(cls, decoder: StreamDecoder | None = None, /, *, index: int = 0) -> Self: ...
    def add(self, deltas: Iterable[Delta], /) -> None:
        """Takes the next deltas. Half a surrogate pair in their text, which no decoder gives, becomes U+FFFD.

        Raises:
            ConfigError: It is that of a StreamDecoder, which adds to it by itself.
            TypeError: Something else than a Delta; those before it were taken.
        """
    @property
    def parts(self) -> list[tuple[_PartKind, str, str, str, str | None]]:
        """Kind, text, id, name and signature of each part, in the order in which they began.

        Consecutive pieces of the same kind and block are one part. The text of a `tool_call` is the JSON text of its
        arguments; `id` and `name` are empty in all others. A `redacted` part is reasoning only the provider can read.
        """
    @property
    def usage(self) -> Usage | None:
        """Tokens so far; None where the provider has not said. The last that was said is authoritative."""
    @property
    def finish_reason(self) -> _Reason | None:
        """Why the choice ended, once it has."""
    @property
    def raw_finish_reason(self) -> str | None:
        """The same in the provider's word."""
    @property
    def id(self) -> str | None:
        """The response's id."""
    @property
    def model(self) -> str | None:
        """The model that answers, as the provider names it."""
    @property
    def citations(self) -> tuple[str, ...]:
        """Citations so far, as JSON text."""
    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of everything the model wrote so far in any choice, with reasoning and tool arguments."""

@final
class StreamDecoder:
    """Turns the body of one streamed response into deltas. Safe to call from several threads, one after the other.

    Args:
        grammar: Whose stream it is: a format, or a provider who speaks it.
        max_event_bytes: Most bytes one event may hold, at most 2 GiB.
        require_done: In `openai_chat` and `tgi`, whether a stream without `[DONE]` is incomplete even if every choice
            finished; in `bedrock`, one without its `metadata` event.
        think_tags: Whether what an answer has between `<think>` and `</think>` at its beginning is reasoning.

    Raises:
        ConfigError: If `grammar` is unknown.
    """

    def __new__(
        cls, grammar: _Grammar, *, max_event_bytes: int = 67108864, require_done: bool = True, think_tags: bool = False
    ) -> StreamDecoder: ...
    def feed(self, data: _Buffer, /) -> list[Delta]:
        """The deltas that `data`, the next bytes of the body, completes; the same for every way of splitting it.

        A broken or oversized event gives one `error` delta after everything that came before it. Bytes after the end
        of the stream are ignored.
        """
    def finish(self) -> str | None:
        """Why the stream is not complete at the end of its body; None where it is. Never shows text of the stream."""
    @property
    def terminal(self) -> bool:
        """Whether no further byte can say anything: the terminal event came, or decoding ended.

        Never so in an unbroken Gemini stream, which ends with its body.
        """
    @property
    def accumulated(self) -> Accumulator:
        """The first choice of the answer, put together on the way; it goes on with every `feed`."""

@final
class SSEEvent:
    """One server-sent event. Made by `SSEParser`."""

    @property
    def event(self) -> str:
        """Its type, `message` where the stream named none."""
    @property
    def data(self) -> str:
        """Its data lines joined with newlines; U+FFFD in place of what is not UTF-8."""
    @property
    def id(self) -> str:
        """The last event id in force, which persists from event to event."""
    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, where this event carried one."""

@final
class SSEParser:
    """An incremental parser of `text/event-stream` by the WHATWG rules; bytes may be split anywhere.

    Args:
        max_event_bytes: Most bytes one event may hold.
    """

    def __new__(cls, *, max_event_bytes: int = 67108864) -> SSEParser: ...
    def feed(self, data: _Buffer, /) -> list[SSEEvent]:
        """The events that `data`, the next bytes of the stream, completes.

        Raises:
            StreamError: If an event is too large, now and at every later call; `.partial` is the list of events that
                came before it in `data`.
        """
    @property
    def last_event_id(self) -> str:
        """What to send as Last-Event-ID on reconnection; empty where the stream set none."""
    @property
    def reconnection_time(self) -> int | None:
        """How long to wait before reconnecting, in milliseconds, where the stream said so."""

@final
class NDJSONParser:
    """Cuts newline-delimited JSON at line feeds and nowhere else; drops blank lines, and a carriage return at the end.

    Args:
        max_line_bytes: Most bytes one line may hold.
    """

    def __new__(cls, *, max_line_bytes: int = 67108864) -> NDJSONParser: ...
    def feed(self, data: _Buffer, /) -> list[bytes]:
        """The lines that `data`, the next bytes of the stream, completes, without their endings.

        Raises:
            StreamError: If a line is too large; `.partial` is the list of lines that came before it in `data`.
        """
    def finish(self) -> bytes | None:
        """The last line, where the stream ended without a newline; None otherwise."""

@final
class EventStreamMessage:
    """One message of an AWS event stream. Made by `EventStreamParser`."""

    @property
    def headers(self) -> dict[str, bool | int | bytes | str | UUID]:
        """Its headers, of two with the same name the first; a timestamp is milliseconds since 1970-01-01 UTC."""
    @property
    def payload(self) -> bytes:
        """Its body, as it came."""

@final
class EventStreamParser:
    """A parser of the AWS event stream, `application/vnd.amazon.eventstream`; bytes may be split anywhere.

    Both checksums of every message are checked. Headers may take 128 KiB, the limit of the format.

    Args:
        max_payload_bytes: Most bytes one message may carry besides its headers.
    """

    def __new__(cls, *, max_payload_bytes: int = 67108864) -> EventStreamParser: ...
    def feed(self, data: _Buffer, /) -> list[EventStreamMessage]:
        """The messages that `data`, the next bytes of the stream, completes.

        Raises:
            StreamError: If a checksum does not match, lengths contradict each other, a header cannot be read or a
                message is too large, now and at every later call; `.partial` is the list of messages that came before
                it in `data`.
        """
    @property
    def inside(self) -> bool:
        """Whether the bytes so far end within a message: at the end of the stream, it was cut off."""

@final
class PartialJSON:
    """Reads one JSON text while it is written: structured output, or the arguments of a tool call.

    A piece of text costs time in proportion to itself, however long the text has become. Strict JSON, except that half a
    surrogate pair becomes U+FFFD; nested at most 128 levels deep. Safe to use from several threads, one after the other.

    Args:
        mode: What of an unfinished text `value` shows: nothing (`off`); what is complete in it (`complete`), where a number
            counts as complete as far as it has come; and also the start of the string it ends in (`trailing-strings`).
            These are jiter's `partial_mode` off, on and trailing-strings.
        max_bytes: Most bytes of UTF-8 the text may have.

    Raises:
        ConfigError: If `mode` is unknown.
    """

    def __new__(
        cls, mode: Literal["off", "complete", "trailing-strings"] = "trailing-strings", *, max_bytes: int = 67108864
    ) -> PartialJSON: ...
    def feed(self, text: str, /) -> None:
        """Reads the next piece of the text, split anywhere.

        Raises:
            OutputValidationError: The text cannot become JSON, whatever follows, or passes a limit; now and at every later
                call. `value` keeps what came before.
        """
    @property
    def value(self) -> Any:
        """What has arrived so far; None where nothing has.

        Its dicts and lists are alive: the next pieces are added to the same objects, and reading `value` puts the start
        of an unfinished string or number in its place. Copy what is to be kept (`copy.deepcopy`), and change nothing.
        Takes time in proportion to the unfinished string or number, not to the text.
        """
    @property
    def complete(self) -> bool:
        """Whether the text so far is one whole JSON text. More digits may still follow a number."""

@final
class HttpSettings:
    """What holds for every connection of the pools made with it. Files are read when the first TLS connection is made.

    Args:
        ca_file: PEM file of the authorities to trust; default: the system's.
        client_certificate: PEM files of the client's certificate chain and of its key.
        proxy: URL of a proxy for every request, `""` for none; default: what the environment says.
        no_proxy: Hosts that are reached without `proxy`.
        http2: Whether HTTP/2 is offered to servers that are reached by TLS.
        max_connections: Most connections of a pool.
        idle_seconds: How long an unused connection is kept.

    Raises:
        ConfigError: `idle_seconds` is negative or no number.
    """

    def __new__(
        cls,
        *,
        ca_file: _Path | None = None,
        client_certificate: tuple[_Path, _Path] | None = None,
        proxy: str | None = None,
        no_proxy: str = "",
        http2: bool = False,
        max_connections: int = 1024,
        idle_seconds: float = 50.0,
    ) -> HttpSettings: ...

@final
class HttpPool:
    """Connections of one event loop, or of one thread at a time. It has no thread of its own.

    It sends, receives and looks at its timers only inside `start`, `turn` and `block`. An event loop calls `turn` when
    `fileno()` is readable and when `arm` says so; a thread calls `block`.

    Args:
        settings: What holds for every connection.
        now: The present moment in seconds on the clock that `by` is read on; it must run like `time.monotonic`.

    Raises:
        OSError: The operating system gives no more descriptors.
    """

    def __new__(cls, settings: HttpSettings, now: float) -> HttpPool: ...
    def fileno(self) -> int:
        """The descriptor that becomes readable when `turn` has something to do."""
    def start(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        stream: bool = False,
        connect_timeout: float | None = None,
    ) -> HttpExchange:
        """Sends a request; over a connection that stands it has left when this returns.

        Args:
            method: `GET`, `POST`, …
            url: Absolute.
            headers: A dict. `host`, `content-length`, and where they are missing `user-agent` and `accept-encoding` are added.
            body: All of it.
            stream: Asks for an answer that is not compressed.
            connect_timeout: Seconds for the TCP connection, and as much again for TLS.

        Raises:
            ConfigError: The request cannot be sent.
        """
    def warm(self, url: str, *, connect_timeout: float | None = None) -> HttpExchange:
        """Makes a connection that a later request will use; `read` gives `b""` once it stands."""
    def turn(self) -> list[Any]:
        """Does what there is to do without waiting; gives the waiters whose exchanges have news, and forgets them."""
    def wait(self, exchange: HttpExchange, waiter: object, by: float | None, /) -> float | None:
        """Notes that `waiter` waits for news of `exchange`, until the moment `by`; gives what `arm` gives."""
    def arm(self) -> float | None:
        """Seconds until `turn` must be called, if that is earlier than what was last said; None otherwise."""
    def disarm(self) -> None:
        """The caller's timer has rung."""
    def block(self, exchange: HttpExchange, by: float | None, /) -> None:
        """Waits for news of `exchange`, until the moment `by` or for a signal. Releases the GIL."""
    def connections(self) -> tuple[int, int]:
        """Connections that stand or are being made, and those among them that nobody uses."""
    def settle(self) -> None:
        """Runs what can go on, so that exchanges which have ended let go of their connections."""

@final
class HttpExchange:
    """One request and its answer. Made by `HttpPool`; dropping it gives it up."""

    def head(self) -> tuple[int, dict[str, str], float, float] | None:
        """Status, headers (names in lower case), seconds for TCP and for TLS; None where they are not there yet.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection in time (phase `connect`).
            TransportError: The connection broke, or what came back is not HTTP.
            ConfigError: A certificate file or the proxy cannot be used.
        """
    def read(self, by: float | None = None, /) -> bytes | None:
        """All of the body that has arrived, decompressed; `b""` at its clean end; None where nothing is there yet.

        Raises:
            TimeoutError: The moment `by` has come; the exchange is given up.
            TransportError: The body broke off, after everything that came before that was given.
        """
    def deltas(self, decoder: StreamDecoder, by: float | None = None, /) -> list[Delta] | None:
        """The deltas of all of the body that has arrived; an empty list at its clean end; None where nothing is there yet.

        The bytes go into `decoder` as they are, without becoming an object of Python.

        Raises:
            TimeoutError: The moment `by` has come; the exchange is given up.
            TransportError: The body broke off, after everything that came before that was given.
        """
    def late(self) -> bool:
        """Whether the moment that `wait` was given has come; asking takes that back."""
    def close(self) -> None:
        """Gives it up: its connection closes, unless the answer is complete. Safe to call twice, and from any thread."""

"""The compiled part of inferail. Import these names from `inferail.core`."""

from typing import Any, Final, Literal, TypeAlias, TypedDict, final

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
]
_Grammar: TypeAlias = Literal["openai_chat", "anthropic", "gemini"]

__all__ = ["BUILD_INFO", "Delta", "NDJSONParser", "SSEEvent", "SSEParser", "StreamDecoder", "__version__"]

class _BuildInfo(TypedDict):
    version: str
    profile: Literal["debug", "release"]
    target: str
    features: tuple[str, ...]

__version__: Final[str]

# How the extension was built. A number measured on a "debug" profile means nothing.
BUILD_INFO: Final[_BuildInfo]

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

@final
class StreamDecoder:
    """Turns the body of one streamed response into deltas. Safe to call from several threads, one after the other.

    Args:
        grammar: Whose stream it is.
        max_event_bytes: Most bytes one event may hold, at most 2 GiB.
        require_done: In `openai_chat`, whether a stream without `[DONE]` is incomplete even if every choice finished.

    Raises:
        ConfigError: If `grammar` is unknown.
    """

    def __new__(
        cls, grammar: _Grammar, *, max_event_bytes: int = 67108864, require_done: bool = True
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

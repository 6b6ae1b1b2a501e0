"""The shape of a codec: pure functions between our types and one provider's bytes. No sockets, no await."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, runtime_checkable

from inferail.core import Delta, StreamDecoder
from inferail.errors import InferailError, ProviderError
from inferail.frozen import quick
from inferail.transport.protocol import Wire
from inferail.types.embedding import EmbeddingRequest, Embeddings
from inferail.types.request import Request
from inferail.types.response import Response

__all__ = [
    "Codec",
    "EmbeddingCodec",
    "Encoded",
    "Endpoint",
    "Facade",
    "Incoming",
    "KeyFinder",
    "Served",
    "Service",
    "StreamEncoder",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one target's requests go, and how.

    Attributes:
        model: The provider's name of the model.
        base_url: Absolute, without a trailing slash.
        api_key: None for servers that need none.
        api_version: The provider's API version, where it has several (Anthropic).
        headers: Added to every request; win over ours.
        unsupported: What to do with a parameter the provider cannot take: `error` or `drop` (with a warning).
        require_done: Whether an OpenAI-shaped stream must end with `[DONE]`, and one of Bedrock with `metadata`, to count as
            complete.
        max_event_bytes: The largest event of a stream.
        think_tags: Whether text between `<think>` and `</think>` at the beginning of an answer is reasoning.
    """

    model: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    api_version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    unsupported: Literal["error", "drop"] = "error"
    require_done: bool = True
    max_event_bytes: int = 8 * 1024 * 1024
    think_tags: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Encoded:
    """A wire request, in words what had to be dropped or changed for this provider, and how to sign it, if it must be.

    `output` says how JSON of a schema is asked for, where it is; `answer_tool` is the tool whose arguments are the answer.
    """

    wire: Wire
    warnings: tuple[str, ...] = ()
    sign: Callable[[Wire, datetime], Wire] | None = field(default=None, repr=False, compare=False)
    output: str = ""
    answer_tool: str = ""

    def ready(self) -> Wire:
        """The wire request as it is sent now. A signature holds the time, so every attempt needs its own."""
        return self.wire if self.sign is None else self.sign(self.wire, datetime.now(UTC))


@runtime_checkable
class KeyFinder(Protocol):
    """What a codec is besides where its key is more than one variable, or good for more than one server (AWS)."""

    def find_key(self, base_url: str | None, environment: Mapping[str, str]) -> str | None:
        """The key in the environment, where `base_url` (None is the default) is one of the provider's own servers."""
        ...


class Service(Protocol):
    """How a provider is reached, whatever is asked of it.

    Attributes:
        provider: Its scheme, for example `openai`.
        default_base_url: Where its requests go unless a `base_url` is given.
        key_variables: Environment variables that may hold the key, the preferred one first; empty where none is needed.
        api_versions: Versions of its API that a target may choose, the default first; empty where there is no choice.
    """

    provider: str
    default_base_url: str
    key_variables: tuple[str, ...]
    api_versions: tuple[str, ...]

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself, whatever the body is."""
        ...


class Codec(Service, Protocol):
    """Client side of one provider's format."""

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        ...

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """A whole answer from the body of a 200; `provider`, `timing` and `attempts` are filled in by the target.

        Raises:
            ProviderError: The body is an error object, empty, or not this provider's format (`ServerError`).
        """
        ...

    def decode_stream_error(self, delta: Delta) -> ProviderError:
        """The exception that an in-band `error` delta stands for."""
        ...

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        """A fresh decoder for one stream."""
        ...


class EmbeddingCodec(Service, Protocol):
    """Client side of one provider's embedding endpoint.

    Attributes:
        max_texts: The most texts of one request.
        max_bytes: The most bytes of text of one request, for providers that bound its tokens; one text may have more.
    """

    max_texts: int
    max_bytes: int

    def encode(self, request: EmbeddingRequest, endpoint: Endpoint) -> Encoded:
        """The wire request for texts that fit into one.

        Raises:
            ConfigError: The request has something this provider cannot take.
        """
        ...

    def decode(self, request: EmbeddingRequest, headers: Mapping[str, str], body: bytes) -> Embeddings:
        """The vectors in the body of a 200; `provider` and `attempts` are filled in by the target.

        Raises:
            ProviderError: An error object, or not one vector of one size for each text (`ServerError`).
        """
        ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A provider-shaped request that a server received.

    Attributes:
        model: The model name the caller asked for.
        request: The same request in our types.
        stream: Whether the caller wants a stream.
        include_usage: Whether the caller wants usage inside the stream (OpenAI's `stream_options`).
    """

    model: str
    request: Request
    stream: bool = False
    include_usage: bool = True


@dataclass(frozen=True, slots=True)
class Served:
    """A provider-shaped answer of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class StreamEncoder(Protocol):
    """Deltas to one provider's event stream."""

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next events; may be empty."""
        ...

    def finish(self, response: Response[Any]) -> bytes:
        """The closing events (final usage, terminal event)."""
        ...

    def fail(self, error: InferailError) -> bytes:
        """The provider's in-band error event."""
        ...


class Facade(Protocol):
    """Server side of one provider's format: the codec backwards."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:
        """Our request from the provider-shaped one.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        ...

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:
        """The provider-shaped whole answer."""
        ...

    def encode_error(self, error: InferailError) -> Served:
        """The provider-shaped error answer (our safe message, never `detail`)."""
        ...

    def stream_encoder(self, incoming: Incoming) -> StreamEncoder:
        """A fresh encoder for one stream (`text/event-stream`)."""
        ...

"""`sse_relay`: a stream of ours as the answer of any ASGI app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from inferail.errors import ConfigError, InferailError
from inferail.providers.codec import Incoming
from inferail.providers.facade import ChatCompletionsFacade, MessagesFacade
from inferail.providers.facade.answers import as_json
from inferail.server.events import FacadeEvents, JsonEvents, TextEvents, error_body, status_for
from inferail.server.relaying import Pace, RelayEncoder
from inferail.types.message import user
from inferail.types.request import Request

try:
    from starlette.responses import Response
except ModuleNotFoundError as error:
    raise ConfigError('the server needs starlette: pip install "inferail[server]"') from error

from inferail.server.answering import STREAM_HEADERS, refusal, send_events, until_gone

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.client import ResponseStream
    from inferail.providers.codec import Facade
    from inferail.types.model import DeltaStream

__all__ = ["SseRelay", "sse_relay"]

Format: TypeAlias = Literal["deltas", "text", "openai", "anthropic"]

_FACADES: Final[Mapping[str, type[ChatCompletionsFacade | MessagesFacade]]] = {
    "openai": ChatCompletionsFacade,
    "anthropic": MessagesFacade,
}
_OWN: Final[Mapping[str, type[JsonEvents | TextEvents]]] = {"deltas": JsonEvents, "text": TextEvents}


def sse_relay(
    stream: ResponseStream[Any] | DeltaStream,
    *,
    format: Format = "deltas",  # noqa: A002 - the word for it
    model: str = "",
    heartbeat: float | None = 15.0,
    stalled: float | None = 2.0,
    headers: Mapping[str, str] | None = None,
) -> SseRelay:
    """An answer that streams to whoever asked: return it from a Starlette or FastAPI endpoint, or await it as an ASGI app.

    The stream is entered when the answer is sent. A failure before the first content is answered with a status and a
    JSON object, a later one with a last event; a reader that goes away cancels the provider's stream at once.

    Args:
        stream: `client.stream(…)` of an `AsyncClient`, or `model.stream(request)`; not entered yet.
        format: `deltas` are JSON objects (`inferail.server.events` lists them), `text` is the bare text, `openai` and
            `anthropic` are what those providers would send.
        model: The model's name in the formats `openai` and `anthropic`, until the provider has said its own.
        heartbeat: Seconds without a byte after which a comment is sent, so that no proxy takes the connection for dead;
            before the first content it also sends the headers. None sends none.
        stalled: Seconds without content after which `deltas` says so.
        headers: Added to the answer's; win over ours.

    An event stream cannot be taken up again in its middle. A browser's EventSource that comes back with a
    `Last-Event-ID` gets 204, which ends its attempts: otherwise every broken connection would ask, and pay, once more.

    Raises:
        ConfigError: Unknown format, or a number of seconds that is none.
    """
    if format not in _OWN and format not in _FACADES:
        known = ", ".join([*_OWN, *_FACADES])
        raise ConfigError(f"format must be one of {known}, not {format!r}")
    return SseRelay(stream, format, model, Pace(heartbeat, stalled), headers or {})


class SseRelay(Response):
    """What `sse_relay` gives: a Starlette response, which is an ASGI app. To be sent once."""

    def __init__(
        self,
        stream: ResponseStream[Any] | DeltaStream,
        format: Format,  # noqa: A002
        model: str,
        pace: Pace,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers={**STREAM_HEADERS, **headers})
        del self.headers["content-length"]  # of the empty body that a Response begins with
        self._stream = stream
        self._pace = pace
        self._facade: Facade | None = _FACADES[format]() if format in _FACADES else None
        self._numbered = self._facade is None
        self._encoder: RelayEncoder[bytes]
        if self._facade is None:
            self._encoder = _OWN[format]()
        else:
            incoming = Incoming(model, Request((user("…"),)), stream=True)  # the encoder reads the model's name alone
            self._encoder = FacadeEvents(self._facade.stream_encoder(incoming))

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Sends the answer; returns when it is complete or nobody listens any more."""
        if self._numbered and any(name == b"last-event-id" and value for name, value in scope["headers"]):
            await Response(status_code=204)(scope, receive, send)
            return
        await until_gone(receive, self._deliver(scope, receive, send))

    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        async def refuse(error: InferailError) -> None:
            await self._refusal(error)(scope, receive, send)

        await send_events(send, self._encoder, self._stream, refuse=refuse, pace=self._pace, headers=self.raw_headers)
        if self.background is not None:
            await self.background()

    def _refusal(self, error: InferailError) -> Response:
        if self._facade is not None:
            return refusal(self._facade, error)
        wait: float | None = getattr(error, "retry_after", None)
        headers = {"content-type": "application/json", **({} if wait is None else {"retry-after": f"{wait:g}"})}
        return Response(as_json({"error": error_body(error)}), status_for(error), headers)

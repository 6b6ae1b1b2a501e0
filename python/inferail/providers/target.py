"""Target: one model at one provider, a codec over a transport, as a Model. Caller is what is below it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from inferail.core import StallDetector
from inferail.errors import CancelledError, ConfigError, DeadlineError, RequestError
from inferail.governance.gate import permitted, wire_request
from inferail.providers import codec as load_codec
from inferail.providers.codec import Encoded, Endpoint, KeyFinder, Service
from inferail.providers.errors import request_id
from inferail.providers.reading import split_think_tags
from inferail.providers.stream import TargetStream
from inferail.providers.writing import explained
from inferail.structured.modes import as_text
from inferail.structured.streaming import text_stream
from inferail.telemetry.exchange import Exchange
from inferail.telemetry.records import host_of, new_id
from inferail.transport import async_transport, blocking_transport
from inferail.transport.body import read_all
from inferail.transport.cancellation import Watch
from inferail.transport.deadlines import Deadlines, Timeouts
from inferail.transport.retries import RetryPolicy
from inferail.types.message import Message, ToolCall
from inferail.types.registry import split
from inferail.types.response import Response
from inferail.types.scope import Scope, current_scope

if TYPE_CHECKING:
    from inferail.telemetry.prices import PriceTable
    from inferail.transport.protocol import Transport
    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.model import DeltaStream, ModelInfo
    from inferail.types.request import Request
    from inferail.types.response import Attempt

__all__ = ["Caller", "Target"]

ResultT = TypeVar("ResultT")
_UNWATCHED = Watch(None, False)  # noqa: FBT003 - blocking or not, it does nothing


class Caller:
    """One model at one provider and the way it is called: address, key, deadlines, retries, records.

    What is asked of it is its subclass's business: `Target` answers requests, `EmbeddingTarget` embeds texts.
    """

    def __init__(
        self,
        model: str,
        service: Service,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts | None = None,
        first_token_timeout: float | None = None,
        retries: int | RetryPolicy = 3,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        unsupported: Literal["error", "drop"] = "error",
        prices: PriceTable | None = None,
        transport: Any = None,
        **streams: Any,
    ) -> None:
        """Sets up the caller; the options are those of `Target`, `streams` the last ones of `Endpoint`.

        Raises:
            ConfigError: Missing key, base URL without a scheme, or a wrong option.
        """
        self.provider = service.provider
        self.model = model
        self._service = service
        if unsupported not in ("error", "drop"):
            raise ConfigError(f"unsupported must be 'error' or 'drop', not {unsupported!r}")
        if api_version is not None and api_version not in service.api_versions:
            known = " or ".join(service.api_versions) or "none: leave api_version out"
            raise ConfigError(f"{self.provider} has no API version {api_version!r}; to choose from: {known}")
        # An empty variable counts as not set; an empty argument is a mistake.
        from_environment = os.environ.get(f"INFERAIL_{self.provider.upper()}_BASE_URL") or None
        given_base_url = from_environment if base_url is None else base_url
        self.endpoint = Endpoint(
            model=self.model,
            base_url=_check_base_url(service.default_base_url if given_base_url is None else given_base_url),
            api_key=_find_key(service, api_key, base_url, required=given_base_url is None),
            api_version=api_version,
            headers=dict(headers or {}),
            unsupported=unsupported,
            **streams,
        )
        self._timeouts = (
            None
            if timeout is None and first_token_timeout is None
            else Timeouts.of(timeout, first_token=first_token_timeout)
        )
        self.retries = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
        self.prices = prices
        self.host = host_of(self.endpoint.base_url)
        self._transport = transport
        self._own: Transport | None = None
        self._stalls: tuple[tuple[float | None, float], StallDetector] | None = None
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    @property
    def name(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def aclose(self) -> None:
        """Closes the connections this target opened for itself (those of a client are the client's)."""
        if self._own is not None:
            own, self._own = self._own, None
            if own is not self._transport:
                await own.aclose()

    async def list_models(self, limit: int = 1000) -> list[ModelInfo]:
        """What the provider says of its models, with the prices of the table where it says none; at most `limit` of them.

        Raises:
            ConfigError: It has no list.
            RequestError: It gave none.
        """
        from inferail.providers.listing import listing, with_price
        from inferail.telemetry.prices import PriceTable

        scope = current_scope().but(budget=None)  # asking what there is costs nothing
        pages = listing(self.provider)
        found: list[ModelInfo] = []
        seen: set[str | None] = set()
        cursor: str | None = None
        # None is where the first page begins and where the last one leads; a server that leads in a circle ends here too.
        while len(found) < limit and cursor not in seen:
            seen.add(cursor)
            encoded = Encoded(pages.encode(self.provider, self.endpoint, cursor))
            (page, cursor), _ = await self.call(
                encoded, None, scope, lambda it, body: pages.decode(self.provider, it.headers, body)
            )
            found += page
        prices = self.prices or PriceTable.bundled()
        return [with_price(model, prices) for model in found[:limit]]

    async def warm(self, connections: int = 1) -> None:
        """Makes connections to the provider ahead of the first call, where the transport can."""
        scope = current_scope()
        transport = self.transport(scope)
        permitted(self, None, scope, transport)
        warm = getattr(transport, "warm", None)
        if warm is not None:
            connect = self.deadlines(scope, transport, stream=False).connect
            await warm(self.endpoint.base_url, connections=connections, connect_timeout=connect)

    def transport(self, scope: Scope) -> Transport:
        """Who carries the request: the target's own choice, the client's, or one made for this target."""
        if self._transport is not None:
            if self._own is None:
                blocking = scope.transport is not None and scope.transport.blocking
                self._own = blocking_transport(self._transport) if blocking else async_transport(self._transport)
            return self._own
        if scope.transport is not None:
            carried: Transport = scope.transport
            return carried
        if self._own is None:
            self._own = async_transport(None)
        return self._own

    def deadlines(self, scope: Scope, transport: Transport, *, stream: bool) -> Deadlines:
        """The deadlines of a call that begins now."""
        timeouts: Timeouts = self._timeouts or scope.timeouts or Timeouts()
        until = scope.deadline if self._timeouts is not None else scope.ends
        if until is not None and scope.alternatives:
            # Whoever comes first must leave time for the ones after it: with n alternatives left it gets 1/(n + 1).
            left = max(0.0, until - transport.clock.now())
            timeouts = timeouts.sharing(left / (scope.alternatives + 1), stream=stream)
        stalls = self._stall_detector(timeouts) if stream and timeouts.stall is not None else None
        return Deadlines(timeouts, transport.clock, until=until, stream=stream, stalls=stalls)

    def _stall_detector(self, timeouts: Timeouts) -> StallDetector:
        """What this target's streams have taught about its silences; learned anew where the limits change."""
        cap = 3600.0 if timeouts.idle is None else timeouts.idle
        asked = (timeouts.stall, cap)
        if self._stalls is None or self._stalls[0] != asked:
            self._stalls = asked, StallDetector(factor=timeouts.stall or 1.0, cap=cap, floor=min(1.0, cap))
        return self._stalls[1]

    async def attempts(
        self,
        request: Request | EmbeddingRequest | None,
        scope: Scope,
        transport: Transport,
        deadlines: Deadlines,
        attempt: Callable[[Exchange], Awaitable[ResultT]],
        *,
        streamed: bool,
    ) -> tuple[ResultT, tuple[Attempt, ...]]:
        """Makes attempts until one succeeds or no retry is worth it; gives its result and every attempt closed so far.

        A `request` of None is a question about the provider: it consumes no tokens and leaves no Records.

        Raises:
            RequestError: The last error, with every attempt in `.attempts`.
        """
        _check(scope, self)
        if not deadlines.fits(0.0):  # nothing is sent, so it is no attempt
            raise deadlines.error("total", provider=self.provider, model=self.model)
        if not scope.call_id:  # no client is around
            scope = scope.but(call_id=new_id())
        made: list[Attempt] = []
        reason = scope.reason
        self.retries.began()
        watch = _UNWATCHED if scope.cancellation is None else Watch(scope.cancellation, transport.blocking)
        guard = permitted(self, request, scope, transport)
        while True:
            exchange = Exchange(
                target=self,
                request=request,
                scope=scope,
                clock=transport.clock,
                streamed=streamed,
                earlier=tuple(made),
                reason=reason,
            )
            try:
                with watch, guard:
                    result = await attempt(exchange)
            except RequestError as error:
                made.append(exchange.close(error))
                wait = (
                    None
                    if scope.alternatives or scope.rivals
                    else self.retries.delay(len(made), error, exchange.headers, self._random)
                )
                if wait is None or not deadlines.fits(wait) or not self.retries.allows():
                    _locate(error, self, exchange.request_id, made)
                    raise
                await self._pause(wait, scope, transport, made)
                reason = "retry"
            except BaseException as error:
                exchange.close(error)
                raise
            else:
                if exchange.attempt is not None:
                    made.append(exchange.attempt)
                return result, tuple(made)

    async def _pause(self, wait: float, scope: Scope, transport: Transport, made: list[Attempt]) -> None:
        """Waits before a retry, unless it is not to be made any more."""
        try:
            with Watch(scope.cancellation, transport.blocking):
                await transport.clock.sleep(wait)
            _check(scope, self)
        except CancelledError as error:
            _locate(error, self, None, made)
            raise

    async def call(
        self,
        encoded: Encoded,
        request: Request | EmbeddingRequest | None,
        scope: Scope,
        read: Callable[[Exchange, bytes], ResultT],
    ) -> tuple[ResultT, tuple[Attempt, ...]]:
        """What `read` makes of the body of a 2xx answer, and every attempt it took.

        Raises:
            BudgetError: The Scope's budget is spent.
            RequestError: No answer, or `read` refused it.
        """
        transport = self.transport(scope)
        deadlines = self.deadlines(scope, transport, stream=False)

        async def attempt(exchange: Exchange) -> ResultT:
            try:
                wire = exchange.sends(encoded.ready())
                reply = await transport.open(wire, connect_timeout=deadlines.connect, by=deadlines.total)
                exchange.arrived(reply, request_id(reply.headers))
                try:
                    body = await read_all(reply, by=deadlines.total)
                finally:
                    await reply.aclose()
            except DeadlineError:
                raise
            except TimeoutError:
                raise deadlines.error("total", provider=self.provider, model=self.model) from None
            if not 200 <= reply.status < 300:
                raise self._service.decode_error(reply.status, reply.headers, body)
            return read(exchange, body)

        return await self.attempts(request, scope, transport, deadlines, attempt, streamed=False)


class Target(Caller):
    """One model at one provider.

    Retries what is worth retrying (429, 503, 529, 5xx, failed connections) with exponential backoff and full jitter,
    obeys `Retry-After`, never runs past a deadline, and leaves one Record per attempt. A Target that has an
    alternative (inside a `Fallback`, while another one is left) does not wait to retry: the next one is asked at once.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeouts | None = None,
        first_token_timeout: float | None = None,
        retries: int | RetryPolicy = 3,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        unsupported: Literal["error", "drop"] = "error",
        require_done: bool = True,
        max_event_bytes: int = 8 * 1024 * 1024,
        think_tags: bool = False,
        prices: PriceTable | None = None,
        transport: Any = None,
    ) -> None:
        """Sets up the target; nothing is sent.

        Args:
            model: `provider:model`, for example `anthropic:claude-sonnet-4-5`.
            api_key: The key; by default from the provider's environment variable. For `bedrock` also an access key, as
                `KEY_ID:SECRET` or `KEY_ID:SECRET:SESSION_TOKEN`.
            base_url: Another server that speaks the same format, for example `http://127.0.0.1:8000/v1`. It gets the
                key that is passed as `api_key`, never the one in the environment. By default
                `INFERAIL_<PROVIDER>_BASE_URL` (which does get the key in the environment), then the provider's own.
            timeout: Seconds for the whole call, or `Timeouts` for each phase; by default the client's.
            first_token_timeout: Seconds until the first piece of content of a stream.
            retries: How often a failed attempt is made again, or a `RetryPolicy`.
            api_version: The provider's API version, where it has several (`anthropic`).
            headers: Added to every request.
            unsupported: `error` refuses a request with a parameter that the provider cannot take; `drop` leaves the
                parameter out and says so in `Response.warnings`.
            require_done: Whether an OpenAI-shaped stream without a final `[DONE]`, or a stream of Bedrock without its final
                `metadata`, counts as broken.
            max_event_bytes: The largest event of a stream; a larger one is a `StreamError`.
            think_tags: Whether text between `<think>` and `</think>` at the beginning of an answer is reasoning, as servers
                without a reasoning parser leave it (Chat Completions only).
            prices: Prices to use instead of the bundled table.
            transport: Used instead of the client's: an `httpx.AsyncClient` (an `httpx.Client` where the target is asked
                through `Client`), or a Transport.

        Raises:
            ConfigError: Unknown provider, missing key, base URL without a scheme, or a wrong option.
        """
        scheme, name = split(model)
        self.codec = load_codec(scheme)
        if type(max_event_bytes) is not int or not 1 <= max_event_bytes <= sys.maxsize:
            raise ConfigError(f"max_event_bytes must be a number of bytes, 1 to {sys.maxsize}, not {max_event_bytes!r}")
        super().__init__(
            name,
            self.codec,
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            first_token_timeout=first_token_timeout,
            retries=retries,
            api_version=api_version,
            headers=headers,
            unsupported=unsupported,
            prices=prices,
            transport=transport,
            require_done=require_done,
            max_event_bytes=max_event_bytes,
            think_tags=think_tags,
        )

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer.

        Raises:
            ConfigError: The provider cannot take this request.
            BudgetError: The Scope's budget is spent.
            RequestError: No answer; `.attempts` lists every attempt.
        """
        encoded = wire_request(self, request, current_scope(), stream=False)

        def read(exchange: Exchange, body: bytes) -> Response[Any]:
            return self._read(encoded, exchange, body)

        response, _ = await self.call(encoded, request, current_scope(), read)
        return response

    def stream(self, request: Request) -> DeltaStream:
        """The answer while it arrives. Entering the stream sends the request and waits for the first content."""
        stream = TargetStream(self, request, current_scope())
        return stream if request.output is None else text_stream(stream, request, self)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """The wire request as text: method, URL, headers with keys blanked, body byte for byte."""
        return explained(self.name, wire_request(self, request, current_scope(), stream=stream))

    def _read(self, encoded: Encoded, exchange: Exchange, body: bytes) -> Response[Any]:
        answer = self.codec.decode(exchange.headers, body)
        if encoded.answer_tool:
            answer = as_text(answer, encoded.answer_tool)
        written = 0 if answer.usage.total_tokens else _written_bytes(answer.message)
        attempt = exchange.close(
            reported=answer.usage,
            output_bytes=written,
            finish_reason=answer.finish_reason,
            model=answer.model,
            said=lambda: answer.message,
        )
        message = split_think_tags(answer.message) if self.endpoint.think_tags else answer.message
        if message.provider != self.provider:
            message = Message("assistant", message.parts, self.provider)
        # Written out, and by position: `dataclasses.replace` takes twice as long, names a third longer.
        return Response(
            message,
            answer.finish_reason,
            attempt.usage,
            self.provider,
            answer.model or self.model,
            answer.id,
            answer.raw_finish_reason,
            answer.output,
            answer.citations,
            attempt.timing,
            (*exchange.earlier, attempt),
            exchange.request_id,
            answer.raw,
            encoded.warnings + answer.warnings,
            exchange.headers,
        )


def _written_bytes(message: Message) -> int:
    texts = [part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "") for part in message.parts]
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def _check(scope: Scope, target: Caller) -> None:
    if scope.cancellation is not None:
        scope.cancellation.check(provider=target.provider, model=target.model)
    if scope.budget is not None:
        scope.budget.check()


def _locate(error: RequestError, target: Caller, request_id: str | None, made: list[Attempt]) -> None:
    error.provider = error.provider or target.provider
    error.model = error.model or target.model
    error.request_id = error.request_id or request_id
    error.attempts = tuple(made)


def _check_base_url(base_url: str) -> str:
    if not isinstance(base_url, str):
        raise ConfigError(f"base_url must be a string, not {type(base_url).__name__}")
    scheme, separator, rest = base_url.rpartition("://")
    host = host_of(f"http://{rest}").strip("/")
    if not host or not separator or scheme not in ("http", "https"):
        # Addresses of this machine and its network rarely speak TLS.
        plain = host.startswith(("localhost", "127.", "10.", "192.168.", "[::1]")) or "." not in host
        example = f"{'http' if plain else 'https'}://{rest.strip('/')}" if host else "https://api.example.com/v1"
        raise ConfigError(f"base_url needs a scheme and a host: http:// or https://, for example {example}")
    try:
        parts = urlsplit(base_url)
        usable = parts.port != 0 and not (parts.query or parts.fragment or any(map(str.isspace, base_url)))
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("base_url is scheme, host, port up to 65535 and path: no blanks, no ?query and no #fragment")
    return base_url.rstrip("/")


def _find_key(service: Service, api_key: str | None, base_url: str | None, *, required: bool) -> str | None:
    if api_key is not None:
        if not isinstance(api_key, str) or not api_key.strip():
            raise ConfigError("api_key must be a string that is not empty; leave it out for a server that needs none")
        return api_key.strip()
    if isinstance(service, KeyFinder):
        found = service.find_key(base_url, os.environ)
    elif base_url is not None and host_of(base_url) != host_of(service.default_base_url):
        return None  # the key in the environment is the provider's: no other server gets it unasked
    else:
        found = next((value.strip() for name in service.key_variables if (value := os.environ.get(name))), None)
    if not found and required and service.key_variables:
        raise ConfigError(
            f"no key for {service.provider}: set the environment variable {service.key_variables[0]}, or pass api_key=…"
        )
    return found

"""A Model behind the providers' own addresses, as an ASGI app.

Any client that can be pointed at another base URL talks to it: the official SDKs, inferail itself, curl. What the app
answers is decided by the Model alone; this file knows addresses, keys and limits.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from inferail.errors import AuthenticationError, ConfigError, InferailError, InvalidRequestError, NotFoundError
from inferail.providers.facade import (
    ChatCompletionsFacade,
    CohereChatFacade,
    EmbeddingsFacade,
    GenerateContentFacade,
    MessagesFacade,
    ResponsesFacade,
)
from inferail.types.embedding import EmbeddingModel
from inferail.types.model import Model

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise ConfigError('the server needs starlette: pip install "inferail[server]"') from error

from inferail.server.answering import StreamedAnswer, WholeAnswer, refusal
from inferail.server.embedding import EmbeddingAnswer
from inferail.server.in_flight import InFlight

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest

    from inferail.providers.codec import Facade, Incoming
    from inferail.telemetry.prometheus import Metrics
    from inferail.types.scope import Scope

__all__ = ["Embedders", "Models", "create_app", "facade_for"]

Models: TypeAlias = Model | Mapping[str, Model] | Callable[[str], Model]
Embedders: TypeAlias = EmbeddingModel | Mapping[str, EmbeddingModel]

_CHAT_COMPLETIONS = ChatCompletionsFacade()
_COHERE_CHAT = CohereChatFacade()
_RESPONSES = ResponsesFacade()
_MESSAGES = MessagesFacade()
_GENERATE_CONTENT = GenerateContentFacade()
_EMBEDDINGS = EmbeddingsFacade()
_MAX_BODY_BYTES = 16 * 1024 * 1024


def create_app(
    models: Models,
    *,
    embedders: Embedders = MappingProxyType({}),
    api_key: str | None = None,
    max_body_bytes: int = _MAX_BODY_BYTES,
    scope: Scope | None = None,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
    metrics: Metrics | None = None,
) -> Starlette:
    """An ASGI app that answers in the formats of OpenAI, Anthropic, Gemini and Cohere.

    Routes: `POST /v1/chat/completions`, `POST /v1/responses`, `POST /v1/messages`, `POST /v2/chat`,
    `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent` (also below `/v1`),
    `POST /v1/embeddings`, `GET /v1/models` and `/v1/models/{model}`, `GET /healthz`; with `metrics`
    also `GET /metrics`.

    Args:
        models: One Model that answers whatever name is asked for, Models by name, or a function from a name to its
            Model; the function raises NotFoundError or ConfigError for a name it does not know.
        embedders: The same for `/v1/embeddings`: one EmbeddingModel for whatever name, or several by name.
        api_key: If given, callers must send it: as bearer token, `x-api-key` or `x-goog-api-key`.
        max_body_bytes: Longer requests are refused with 413.
        scope: Surrounds every call (transport, recorder, budget); default: the Scope of the server's task.
        lifespan: Entered when the server starts, left when it ends; Starlette's.
        metrics: Shown at `GET /metrics`, which needs the key as well. They count what the recorder of `scope` gives them.
    """
    server = _Server(models, embedders, api_key, max_body_bytes, scope)
    gemini = [
        Route(f"/{version}/models/{{target:path}}", server.endpoint(_GENERATE_CONTENT), methods=["POST"])
        for version in ("v1beta", "v1")
    ]
    return Starlette(
        routes=[
            Route("/v1/chat/completions", server.endpoint(_CHAT_COMPLETIONS), methods=["POST"]),
            Route("/v1/responses", server.endpoint(_RESPONSES), methods=["POST"]),
            Route("/v1/messages", server.endpoint(_MESSAGES), methods=["POST"]),
            Route("/v2/chat", server.endpoint(_COHERE_CHAT), methods=["POST"]),
            Route("/v1/embeddings", server.embed, methods=["POST"]),
            *gemini,
            Route("/v1/models", server.list_models, methods=["GET"]),
            Route("/v1/models/{name:path}", server.show_model, methods=["GET"]),
            Route("/healthz", _healthz, methods=["GET"]),
            *_metrics_routes(server, metrics),
        ],
        middleware=[] if metrics is None else [Middleware(InFlight, metrics=metrics)],
        exception_handlers={404: _unknown, 405: _unknown},
        lifespan=lifespan,
    )


def facade_for(path: str) -> Facade:
    """The façade that serves a path; OpenAI's where none does, because its errors are understood most widely."""
    if path.endswith("/messages"):
        return _MESSAGES
    if path.endswith("/responses"):
        return _RESPONSES
    if path.endswith("/v2/chat"):
        return _COHERE_CHAT
    return _GENERATE_CONTENT if "/models/" in path else _CHAT_COMPLETIONS


class _Server:
    def __init__(
        self,
        models: Models,
        embedders: Embedders,
        api_key: str | None,
        max_body_bytes: int,
        scope: Scope | None,
    ) -> None:
        self._only = models if isinstance(models, Model) else None
        self._named: Mapping[str, Model] = {}
        self._find: Callable[[str], Model] = self._by_name
        if self._only is None and isinstance(models, Mapping):
            self._named = models
        elif self._only is None:
            self._find = cast("Callable[[str], Model]", models)
        self._embedders = embedders
        self._api_key = None if api_key is None else api_key.encode()
        self._max_body_bytes = max_body_bytes
        self._scope = scope

    def endpoint(self, facade: Facade) -> Callable[[HttpRequest], Any]:
        async def answer(http: HttpRequest) -> Response:
            try:
                self._check_key(http.headers)
                body = await self._body(http)
                query = f"?{http.url.query}" if http.url.query else ""
                incoming = facade.decode_request(http.scope["path"] + query, http.headers, body)
                model = self._model(incoming)
            except InferailError as error:
                return refusal(facade, error)
            except ClientDisconnect:  # in the middle of its body: nobody hears this
                return Response()
            kind = StreamedAnswer if incoming.stream else WholeAnswer
            return kind(model, facade, incoming, self._scope)

        return answer

    async def list_models(self, http: HttpRequest) -> Response:
        """The names, in a form that both OpenAI's and Anthropic's SDK read."""
        try:
            self._check_key(http.headers)
        except AuthenticationError as error:
            return refusal(facade_for(http.url.path), error)
        entries = [_entry(name) for name in self._names()]
        ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]} if entries else {}
        return JSONResponse({"object": "list", "data": entries, "has_more": False, **ends})

    async def show_model(self, http: HttpRequest) -> Response:
        """One of the entries of the list."""
        name = http.path_params["name"]
        try:
            self._check_key(http.headers)
            if name not in self._names():
                raise _no_such_model()
        except InferailError as error:
            return refusal(_CHAT_COMPLETIONS, error)
        return JSONResponse(_entry(name))

    async def embed(self, http: HttpRequest) -> Response:
        """Embeddings, in OpenAI's shape."""
        try:
            self._check_key(http.headers)
            incoming = _EMBEDDINGS.decode_request(await self._body(http))
            model = self._embedders
            if isinstance(model, Mapping):
                if incoming.model not in model:
                    raise _no_such_model()
                model = model[incoming.model]
        except InferailError as error:
            return refusal(_CHAT_COMPLETIONS, error)
        except ClientDisconnect:
            return Response()
        return EmbeddingAnswer(model, incoming, self._scope)

    def scraped(self, metrics: Metrics) -> Callable[[HttpRequest], Any]:
        """Answers with the metrics, in the format that is asked for."""

        def answer(http: HttpRequest) -> Response:  # not async: starlette runs it beside the event loop
            try:
                self._check_key(http.headers)
            except AuthenticationError as error:
                return refusal(_CHAT_COMPLETIONS, error)
            kind, body = metrics.answer(http.headers.get("accept", ""))
            return Response(body, headers={"content-type": kind})

        return answer

    def _names(self) -> list[str]:
        models = list(self._named) if self._only is None else [self._only.name]
        return models + (list(self._embedders) if isinstance(self._embedders, Mapping) else [self._embedders.name])

    def _model(self, incoming: Incoming) -> Model:
        if self._only is not None:
            return self._only
        try:
            return self._find(incoming.model)
        except ConfigError as error:
            raise NotFoundError(error.message, status_code=404) from error

    def _by_name(self, name: str) -> Model:
        model = self._named.get(name)
        if model is None:
            raise _no_such_model()
        return model

    def _check_key(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        sent = (bearer, headers.get("x-api-key", ""), headers.get("x-goog-api-key", ""))
        if not any(hmac.compare_digest(key.encode(), self._api_key) for key in sent):
            raise AuthenticationError("the API key is missing or wrong", status_code=401)

    async def _body(self, http: HttpRequest) -> bytes:
        announced = http.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_body_bytes:
            raise self._too_long()
        body = bytearray()
        async for piece in http.stream():
            body += piece
            if len(body) > self._max_body_bytes:
                raise self._too_long()
        return bytes(body)

    def _too_long(self) -> InvalidRequestError:
        return InvalidRequestError(f"the body is longer than {self._max_body_bytes} bytes", status_code=413)


def _metrics_routes(server: _Server, metrics: Metrics | None) -> list[Route]:
    return [] if metrics is None else [Route("/metrics", server.scraped(metrics), methods=["GET"])]


def _entry(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "inferail",
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
    }


def _no_such_model() -> NotFoundError:
    return NotFoundError("there is no model of that name here: GET /v1/models lists them", status_code=404)


async def _healthz(_: HttpRequest) -> Response:
    return JSONResponse({"status": "ok"})


async def _unknown(_: HttpRequest, error: Exception) -> Response:
    status: int = getattr(error, "status_code", 404)
    what = "there is nothing at this address" if status == 404 else "this address does not take that method"
    body = {"error": {"message": what, "type": "invalid_request_error", "param": None, "code": None}}
    headers: Mapping[str, str] | None = getattr(error, "headers", None)
    return JSONResponse(body, status_code=status, headers=headers)

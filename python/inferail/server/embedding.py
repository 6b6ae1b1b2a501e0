"""How embeddings get out; given up, like any other answer, when nobody listens any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from inferail.providers.facade.chat_completions import ChatCompletionsFacade
from inferail.providers.facade.embeddings import EmbeddingsFacade, IncomingEmbedding
from inferail.server.answering import gateway_call, until_gone
from inferail.server.relaying import known
from inferail.telemetry.otel.inbound import continued

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.types.embedding import EmbeddingModel
    from inferail.types.scope import Scope

__all__ = ["EmbeddingAnswer"]

_EMBEDDINGS = EmbeddingsFacade()
_ERRORS = ChatCompletionsFacade()


class EmbeddingAnswer(Response):
    """One JSON object, made while it is sent."""

    def __init__(self, model: EmbeddingModel, incoming: IncomingEmbedding, scope: Scope | None) -> None:
        super().__init__()
        self._model = model
        self._incoming = incoming
        self._surrounding = scope

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answers."""
        with gateway_call(self._surrounding), continued(scope["headers"]):
            await until_gone(receive, self._deliver(scope, receive, send))

    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            served = _EMBEDDINGS.encode_response(await self._model.embed(self._incoming.request), self._incoming)
        except Exception as error:  # noqa: BLE001 - whatever fails, the caller gets an answer in its format
            served = _ERRORS.encode_error(known(error))
        answer = Response(served.body, status_code=served.status, headers=dict(served.headers))
        await answer(scope, receive, send)

"""A chat behind FastAPI: one client for the app, streams, disconnects, and errors as statuses. Tested as it stands here.

pip install "inferail[server]" fastapi
INFERAIL_MODEL=openai:gpt-5-mini uvicorn --app-dir docs fastapi_chat:app      (with this file as fastapi_chat.py)
curl -N 'http://127.0.0.1:8000/stream?question=Why+is+the+sky+blue'
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

import inferail as ir
from inferail.server import error_body, sse_relay, status_for, websocket_relay


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """One client for the whole app: its connections are kept and shared, and closed when the app ends."""
    async with ir.AsyncClient(os.environ["INFERAIL_MODEL"], timeout=60.0) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


def get_client(request: Request) -> ir.AsyncClient:
    """The client of the app, for the endpoints."""
    client: ir.AsyncClient = request.app.state.client
    return client


Client = Annotated[ir.AsyncClient, Depends(get_client)]


@app.exception_handler(ir.InferailError)
async def failed(_: Request, error: Exception) -> JSONResponse:
    """Every failed call of every endpoint: a status, a sentence for the user, and nothing of the prompt."""
    assert isinstance(error, ir.InferailError)  # noqa: S101 - registered for nothing else
    wait: float | None = getattr(error, "retry_after", None)
    headers = None if wait is None else {"retry-after": f"{wait:g}"}
    return JSONResponse({"error": error_body(error)}, status_for(error), headers)


@app.get("/answer")
async def answer(question: str, client: Client) -> dict[str, Any]:
    """The whole answer at once. A caller that goes away is noticed only at its end: stream where that matters."""
    response = await client.complete(question)
    return {"text": response.text, "cost_usd": response.total_cost_usd}


@app.get("/stream", response_model=None)
async def stream(question: str, client: Client) -> Response:
    """The answer while it arrives. Whoever closes the page closes the provider's stream too."""
    return sse_relay(client.stream(question))


@app.websocket("/converse")
async def converse(websocket: WebSocket) -> None:
    """A conversation that can be interrupted: what is said in the middle of an answer stops it and is the next question."""
    client: ir.AsyncClient = websocket.app.state.client
    history: list[ir.Message] = []
    try:
        await websocket.accept()
        said: str | bytes = await websocket.receive_text()
        while True:
            history.append(ir.user(str(said)))
            answering = client.stream(history)
            interruption = await websocket_relay(websocket, answering)
            history.append(answering.partial.message)
            said = interruption or await websocket.receive_text()
    except WebSocketDisconnect:
        return

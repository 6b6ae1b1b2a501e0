"""A policy asked by hand, as `Cached` would ask it."""

from __future__ import annotations

from typing import Any

from inferail._sync import drive
from inferail.cache.policy import Found
from inferail.types.message import user
from inferail.types.request import Request
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

MODEL = "scripted:model"
COST = Usage(input_tokens=100, output_tokens=50, cost_usd=0.002)


def said(text: str, **fields: Any) -> Response[Any]:
    """A whole answer."""
    return Response(text_message(text), "stop", fields.pop("usage", COST), **fields)


def request(text: str, *before: Any, **fields: Any) -> Request:
    """A request that ends with this turn."""
    return Request((*before, user(text)), **fields)


def find(cache: Any, asked: str | Request, model: str = MODEL) -> Any:
    """What the cache finds."""
    return drive(cache.find(request(asked) if isinstance(asked, str) else asked, model))


def answer(cache: Any, asked: str | Request, response: str | Response[Any], model: str = MODEL) -> str:
    """The answer somebody gets: from the cache, or `response`, which the cache then keeps."""
    asked = request(asked) if isinstance(asked, str) else asked
    response = said(response) if isinstance(response, str) else response
    found = find(cache, asked, model)
    if isinstance(found, Found):
        return found.response.text
    drive(cache.keep(asked, model, found, response))
    return response.text

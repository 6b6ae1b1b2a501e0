"""Asking a client without asking a model: what request it would send, and what it makes of an answer that is known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.errors import InferailError
from inferail.types.model import Around

if TYPE_CHECKING:
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Complete", "answered", "request_for"]

# `BaseClient._complete`: the one door through which a batch asks.
Complete: TypeAlias = "Callable[..., Coroutine[Any, Any, Response[Any]]]"


async def request_for(complete: Complete, prompt: Any, model: Model, output: Any, options: dict[str, Any]) -> Request:
    """The request that the client makes of a prompt and options; nothing is sent.

    Raises:
        ConfigError: The prompt or an option is wrong.
    """
    catcher = _Catcher(model)
    with suppress(_CaughtError):
        await complete(prompt, output=output, **{**options, "model": catcher})
    assert catcher.request is not None  # noqa: S101 - a client that has no error has asked
    return catcher.request


async def answered(
    complete: Complete, response: Response[Any], model: Model, output: Any, options: dict[str, Any]
) -> Response[Any]:
    """What the client gives for an answer that came in an earlier run: with its typed output.

    Raises:
        OutputValidationError: It is not what `output` asks for.
    """
    return await complete("known", output=output, **{**options, "model": _Known(model, response)})


class _CaughtError(InferailError):
    """Ends a call that is not to be made."""


class _Stand(Around):
    """Looks like the model, so that the client treats it alike."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def name(self) -> str:
        return self.model.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def stream(self, request: Request) -> DeltaStream:
        return self.model.stream(request)


class _Catcher(_Stand):
    request: Request | None = None

    async def generate(self, request: Request) -> Response[Any]:
        self.request = request
        raise _CaughtError("a request was made and not sent")


class _Known(_Stand):
    def __init__(self, model: Model, response: Response[Any]) -> None:
        super().__init__(model)
        self._response = response

    async def generate(self, request: Request) -> Response[Any]:  # noqa: ARG002 - every Model is asked the same way
        return self._response

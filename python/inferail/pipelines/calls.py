"""How a pipeline asks its client: one coroutine for both kinds, awaited by the asynchronous twin and driven by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from inferail.client import AsyncClient, BaseClient, CallOptions, Prompt, ResponseStream, Schema
from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.types.response import Response

__all__ = ["complete", "is_blocking", "stream"]


def is_blocking(client: BaseClient) -> bool:
    """Whether this client blocks its thread: then everything awaited here must never suspend.

    Raises:
        ConfigError: Not a client.
    """
    if not isinstance(client, BaseClient):
        raise ConfigError(f"client must be an ir.Client or an ir.AsyncClient, not {type(client).__name__}")
    return not isinstance(client, AsyncClient)


async def complete(
    client: BaseClient, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
) -> Response[Any]:
    """What `client.complete` gives and raises, for a client of either kind."""
    return await client._complete(prompt, output=output, **options)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def stream(
    client: BaseClient, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
) -> ResponseStream[Any]:
    """What `client.stream` gives and raises, for a client of either kind."""
    return client._stream(prompt, output=output, **options)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

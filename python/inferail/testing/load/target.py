"""Whom a load test asks: a server on this machine, unless somebody has said that another one is meant."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inferail.errors import ConfigError
from inferail.telemetry.estimate import estimate_tokens
from inferail.telemetry.prices import PriceTable
from inferail.testing.load.generator import Send, Sent
from inferail.types.accumulate import has_content
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.client import AsyncClient

__all__ = ["check_host", "is_loopback", "may_cost", "sender"]


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by its name or address; a name that would have to be looked up does not."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(url: str, *, allow_remote: bool, cost: str) -> None:
    """Raises ConfigError for a server that is not on this machine, unless that is allowed; it says what it may cost."""
    if allow_remote or is_loopback(url):
        return
    host = urlsplit(url).hostname or "the server"
    raise ConfigError(
        f"{host} is not this machine: a load test {cost}; add --allow-remote if it is yours to load, and a --budget"
    )


def may_cost(target: Any, prompt: str, max_tokens: int, requests: float) -> str:
    """What so many requests may cost at most, in words."""
    usage = Usage(estimate_tokens(len(prompt.encode())), max_tokens)
    price = (target.prices or PriceTable.bundled()).find(target.provider, target.model)
    usd = None if price is None else price.cost_usd(usage)
    about = f"of about {requests:,.0f} requests"
    return f"{about} has no known price" if usd is None else f"{about} may cost up to ${usd * requests:,.2f}"


def sender(client: AsyncClient, prompt: str, **options: Any) -> Send:
    """Streams an answer to `prompt`, through the client as it is."""

    async def send(number: int, content: Callable[[], None]) -> Sent:  # noqa: ARG001 - every request is the same
        async with client.stream(prompt, **options) as stream:
            async for delta in stream.deltas():
                if has_content([delta]):
                    content()
            response = await stream.final()
        return Sent(response.usage.output_tokens, response.usage.cost_usd)

    return send

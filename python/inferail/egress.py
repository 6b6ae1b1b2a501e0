"""Local-only mode: nothing is connected to but this machine.

`INFERAIL_LOCAL_ONLY=1` asks for it for the whole process, `local_only()` for a block, and a `DataPolicy(local_only=True)`
for the calls of a Scope or client. Whatever of this package is about to connect asks `check` first. Only literal loopback
addresses pass, sockets of the file system, and `localhost` where it leads to nothing else; other names are not looked up.
"""

from __future__ import annotations

import os
import socket
from contextvars import ContextVar, Token
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from inferail.errors import PolicyError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LocalOnly", "check", "check_transport", "host_in", "is_local", "local_only", "required"]

VARIABLE: Final = "INFERAIL_LOCAL_ONLY"
# Read once, when the first client is about to be made: a look at the environment costs every call 0.7 µs.
# Whatever is written there turns it on, but for nothing and 0: a misspelt "yes" must not open the door.
FORCED: Final = os.environ.get(VARIABLE, "").strip() not in ("", "0")
_asked: ContextVar[bool] = ContextVar("inferail_local_only", default=False)
_UNIX: Final = "unix:"
_PROXIES: Final = ("all_proxy", "http_proxy", "https_proxy")


class LocalOnly:
    """The `with` block of `local_only`."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token: Token[bool] = _asked.set(True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _asked.reset(self._token)


def local_only() -> LocalOnly:
    """A `with` block in which nothing of this package connects to another machine."""
    return LocalOnly()


def required() -> bool:
    """Whether local-only mode is on, by the variable or by a block."""
    return FORCED or _asked.get()


def check(address: str, what: str = "") -> None:
    """Lets a connection be made, unless local-only mode is on and it would leave this machine.

    Args:
        address: A URL, or a host with or without a port.
        what: Whose connection it is, for the message.

    Raises:
        PolicyError: It would; nothing has been connected to, and no name was looked up.
    """
    if not required():
        return
    if address.startswith(_UNIX):
        return
    host = host_in(address)
    if not is_local(host):
        raise refusal(what or host or "the address", "is not on this machine")


def check_transport(transport: Any, url: str, what: str) -> None:
    """The same for a request to `url` over a transport: a proxy is another machine, and a redirect may lead to one.

    Raises:
        PolicyError: It would leave this machine, goes through a proxy elsewhere, or follows redirects.
    """
    if not required():
        return
    given = getattr(transport, "_given", None)
    proxy = getattr(transport, "proxy", None)
    if given is not None and hasattr(given, "follow_redirects"):  # an httpx client of the user's
        if given.follow_redirects:
            raise refusal(what, "is reached by a client that follows redirects: make it with follow_redirects=False")
        pool = _pool_of(given, url)
        if getattr(pool, "_uds", None) is not None:
            return
        proxy = _text(getattr(pool, "_proxy_url", ""))
    check(url, what)
    proxy = _proxy_in_environment(host_in(url)) if proxy is None else proxy
    if proxy and not is_local(host_in(proxy)):
        raise refusal(
            what, "would be reached through a proxy on another machine: name its host in NO_PROXY, or use none"
        )


def is_local(host: str) -> bool:
    """Whether a host is this machine for certain: a literal loopback address, or `localhost` that leads to nothing else."""
    name = host.strip("[]").lower()
    if name == "localhost":
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            return False
        return bool(found) and all(_is_loopback(address) for address in found)
    return _is_loopback(name)


@lru_cache(maxsize=1024)
def host_in(address: str) -> str:
    """The host of a URL, or of `host:port`, in lower case; empty where there is none, or where readers might disagree."""
    if "\\" in address or any(map(str.isspace, address)):  # what some take for the host others take for a user's name
        return ""
    try:
        if address.count(":") > 1 and "://" not in address and "[" not in address:
            return str(ip_address(address))
        return urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""


def refusal(what: str, why: str) -> PolicyError:
    """The error of a connection that is not to be made."""
    return PolicyError(
        f"local-only mode: {what} {why}, and nothing was sent (see {VARIABLE})", label=None, missing="local"
    )


@lru_cache(maxsize=1024)
def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _proxy_in_environment(host: str) -> str:
    """A proxy that might be used for `host`; empty where there is none for certain.

    Each HTTP library reads NO_PROXY in its own way: only what all of them understand counts, the host itself or `*`.
    """
    variables = {name.lower(): value.strip() for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    without = {each.strip().lower().strip("[]") for each in variables.get("no_proxy", "").split(",")}
    if host in without or "*" in without:
        return ""
    return next((value for name in _PROXIES if (value := variables.get(name))), "")


def _pool_of(client: Any, url: str) -> Any:
    """The connection pool that an httpx client would use for `url`; None where its transport has none."""
    return getattr(client._transport_for_url(client.build_request("POST", url).url), "_pool", None)  # noqa: SLF001 - no public way


def _text(address: Any) -> str:
    return address if isinstance(address, str) else bytes(address).decode("ascii", "replace")

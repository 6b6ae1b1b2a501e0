"""What a user may choose about connections."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inferail import core
from inferail.errors import ConfigError

__all__ = ["Generation", "HttpSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Settings of the connections of a client: `ir.Client(…, transport=HttpSettings(ca_file="corporate.pem"))`.

    Certificates are read when the first TLS connection is made.

    Attributes:
        ca_file: PEM file of the certificate authorities to trust. Default: those of the system, or what the variables
            `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
        client_certificate: PEM file with the client's certificate chain and its key (not encrypted), or a pair of files,
            for servers that ask for one (mTLS).
        proxy: `http://` or `https://` URL of a proxy for every request, `user:password@` included. Default: what
            `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say; `""` is none at all.
        no_proxy: Hosts that are reached without `proxy`, in the form of `NO_PROXY`.
        http2: Whether HTTP/2 is offered to servers that are reached by TLS: one connection then carries many calls.
        max_connections: Most connections at a time, per event loop or thread; calls beyond it wait.
        idle_seconds: How long an unused connection is kept.
    """

    ca_file: str | os.PathLike[str] | None = None
    client_certificate: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None
    proxy: str | None = field(default=None, repr=False)
    no_proxy: str = ""
    http2: bool = False
    max_connections: int = 1024
    idle_seconds: float = 50.0

    def __post_init__(self) -> None:
        if (
            isinstance(self.max_connections, bool)
            or not isinstance(self.max_connections, int)
            or self.max_connections < 1
        ):
            raise ConfigError(f"max_connections must be a number, 1 or more, not {self.max_connections!r}")
        seconds: Any = self.idle_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise ConfigError(f"idle_seconds must be a number of seconds, 0 or more, not {seconds!r}")
        for file in self._files():
            if not Path(file).is_file():
                raise ConfigError(f"there is no certificate file {os.fspath(file)}")

    def _files(self) -> list[str | os.PathLike[str]]:
        given = self.client_certificate
        pair = given if isinstance(given, tuple) else (given,)
        return [file for file in (self.ca_file, *pair) if file is not None]

    def of_core(self) -> core.HttpSettings:
        """The same for the core."""
        given = self.client_certificate
        return core.HttpSettings(
            ca_file=self.ca_file,
            client_certificate=given if isinstance(given, tuple) or given is None else (given, given),
            proxy=self.proxy,
            no_proxy=self.no_proxy,
            http2=self.http2,
            max_connections=self.max_connections,
            idle_seconds=self.idle_seconds,
        )


class Generation:
    """Counts the forks this process comes from: sockets of an earlier generation are the parent's."""

    number = 0


def _forked() -> None:
    Generation.number += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

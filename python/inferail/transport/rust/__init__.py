"""The fast transports, over the Rust core: one for event loops, one for threads, and the settings of both."""

from __future__ import annotations

from inferail.transport.rust.asynchronous import RustTransport
from inferail.transport.rust.blocking import BlockingRustTransport
from inferail.transport.rust.settings import HttpSettings

__all__ = ["BlockingRustTransport", "HttpSettings", "RustTransport"]

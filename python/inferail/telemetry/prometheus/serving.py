"""An address for Prometheus to scrape, with the standard library alone."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.telemetry.prometheus.metrics import Metrics

__all__ = ["MetricsServer", "serve_metrics"]


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds for a request line and its headers
    protocol_version = "HTTP/1.1"
    metrics: Metrics

    def do_GET(self) -> None:
        """The metrics, below `/metrics`."""
        if self.path.partition("?")[0] == "/metrics":
            kind, body = self.metrics.answer(self.headers.get("accept", ""))
            status = 200
        else:
            status, kind, body = 404, "text/plain; charset=utf-8", b"the metrics are at /metrics\n"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""

    def version_string(self) -> str:
        """What the `Server` header says; not which Python this is."""
        return "inferail"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that goes away is no error of ours."""


class MetricsServer:
    """The running endpoint; `close` it, or use it in a `with` block.

    Attributes:
        url: Where the metrics are.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        handler = type("Handler", (_Handler,), {"metrics": metrics})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot listen on {host} port {port}: is it in use?") from error
        self.url = f"http://{host}:{self._server.server_address[1]}/metrics"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="inferail-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Ends it; closing twice is the same as once."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def serve_metrics(metrics: Metrics, host: str = "127.0.0.1", port: int = 9464) -> MetricsServer:
    """Serves `GET /metrics` from a thread until it is closed. Only this machine reaches it, unless `host` says otherwise.

    Args:
        metrics: What is served.
        host: Address to listen on.
        port: 0 takes a free one.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    return MetricsServer(metrics, host, port)

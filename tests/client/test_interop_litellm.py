"""Our clients against a server nobody here wrote: litellm's proxy with a scripted answer, on loopback."""

import asyncio
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

import inferail as ir

pytestmark = pytest.mark.slow

ANSWER = "The signal is green, so the train may go: “proceed”, übrigens."
READY_SECONDS = 120.0
CONFIG = f"""
model_list:
  - model_name: mock
    litellm_params:
      model: openai/mock
      api_base: http://127.0.0.1:9
      api_key: unused
      mock_response: "{ANSWER}"
  - model_name: limited
    litellm_params:
      model: openai/limited
      api_base: http://127.0.0.1:9
      api_key: unused
      mock_response: litellm.RateLimitError
router_settings:
  num_retries: 0
litellm_settings:
  telemetry: false
"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy: where it listens and the key it asks for."""

    url: str
    key: str

    def target(self, model: str = "openai:mock", *, key: str | None = None) -> ir.Target:
        base_url = self.url if model.startswith("anthropic:") else f"{self.url}/v1"
        return ir.Target(model, base_url=base_url, api_key=key or self.key, retries=0)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/health/liveliness", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, ConnectionError, TimeoutError):
            pass
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the proxy ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
    pytest.fail(f"the proxy was not ready in {READY_SECONDS:.0f} s:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def running_proxy(program: Path, folder: Path) -> Generator[Proxy, None, None]:
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = f"sk-{secrets.token_hex(24)}"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = [str(program), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "proxy.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}", log)
            yield Proxy(f"http://127.0.0.1:{port}", key)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def start_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Proxy]]:
    running: list[Proxy] = []
    with ExitStack() as stack:

        def start(program: Path) -> Proxy:
            if not running:
                running.append(stack.enter_context(running_proxy(program, tmp_path_factory.mktemp("litellm"))))
            return running[0]

        yield start


@pytest.fixture
def proxy(litellm_program: Path, start_once: Callable[[Path], Proxy]) -> Proxy:
    return start_once(litellm_program)


def test_client_completes_when_the_server_is_the_litellm_proxy(proxy):
    """Serves R25."""
    with ir.Client("openai:mock", base_url=f"{proxy.url}/v1", api_key=proxy.key) as client:
        response = client.complete("May the train go?")

        assert response.text == ANSWER
        assert response.finish_reason == "stop"
        assert response.usage.input_tokens > 0
        assert response.usage.output_tokens > 0
        assert not response.usage.estimated
        assert [record.error for record in client.records] == [None]


def test_client_streams_when_the_server_is_the_litellm_proxy(proxy):
    """Serves R25."""
    with (
        ir.Client("openai:mock", base_url=f"{proxy.url}/v1", api_key=proxy.key) as client,
        client.stream("May the train go?") as stream,
    ):
        pieces = list(stream.text())

    assert len(pieces) > 3
    assert "".join(pieces) == ANSWER
    assert stream.response.text == ANSWER
    assert stream.response.finish_reason == "stop"
    assert stream.response.usage.output_tokens > 0
    assert not stream.response.usage.estimated


def test_async_client_streams_many_at_once_when_the_server_is_the_litellm_proxy(proxy):
    """Serves R25."""

    async def one(client: ir.AsyncClient) -> str:
        async with client.stream("May the train go?") as stream:
            return "".join([piece async for piece in stream.text()])

    async def main() -> list[str]:
        async with ir.AsyncClient(proxy.target()) as client:
            return await asyncio.gather(*(one(client) for _ in range(8)))

    assert asyncio.run(main()) == [ANSWER] * 8


def test_client_completes_over_anthropic_messages_when_the_server_is_the_litellm_proxy(proxy):
    with ir.Client(proxy.target("anthropic:mock")) as client:
        response = client.complete("May the train go?")

    assert response.text == ANSWER
    assert response.finish_reason == "stop"


@pytest.mark.parametrize(
    ("model", "key", "expected"),
    [
        pytest.param("openai:limited", None, ir.RateLimitError, id="rate-limited"),
        # Without a database the proxy cannot look a key up and answers 400.
        pytest.param("openai:mock", "sk-wrong", ir.InvalidRequestError, id="wrong-key"),
        pytest.param("openai:absent", None, ir.ProviderError, id="unknown-model"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["complete", "stream"])
def test_client_raises_the_right_error_when_the_litellm_proxy_refuses(proxy, model, key, expected, streamed):
    with ir.Client(proxy.target(model, key=key)) as client:
        with pytest.raises(expected) as caught:
            if streamed:
                with client.stream("May the train go?") as stream:
                    stream.final()
            else:
                client.complete("May the train go?")

        assert caught.value.status_code in {400, 401, 403, 404, 429}
        assert [record.error for record in client.records] == [type(caught.value).__name__]

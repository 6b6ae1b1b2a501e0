"""Uses an installed inferail from outside its source tree: `python smoke_wheel.py 0.1.0`."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import inferail as ir
from inferail import core
from inferail.testing import ScriptedModel

OPENAI_CHUNKS = (
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def main() -> None:
    """Every part of the package once, or a failing exit status."""
    check_versions(sys.argv[1])
    check_core()
    check_client()
    check_command()
    check_sandbox()


def check_versions(expected: str) -> None:
    """Wheel, package and extension are of one version, and come from the environment, not from a checkout."""
    assert importlib.metadata.version("inferail") == ir.__version__ == core.__version__ == expected
    assert Path(ir.__file__).is_relative_to(sys.prefix)


def check_core() -> None:
    """The compiled classes, alone."""
    events = core.SSEParser().feed(b"event: greeting\ndata: hello\n\n")
    assert [(event.event, event.data) for event in events] == [("greeting", "hello")]

    decoder = core.StreamDecoder("openai_chat")
    deltas = decoder.feed(OPENAI_CHUNKS)
    assert "".join(delta.text or "" for delta in deltas if delta.kind == "text") == "Hello"
    assert decoder.finish() is None


def check_client() -> None:
    """A call without any network."""
    with ir.Client(ScriptedModel(["four"])) as client:
        assert client.complete("What is two and two?").text == "four"


def check_command() -> None:
    """The command is installed and explains itself."""
    command = Path(sys.prefix) / "bin" / "inferail"
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "chat" in shown.stdout


def check_sandbox() -> None:
    """A stream over a socket, from the sandbox of the server extra."""
    from inferail.testing.sandbox import Sandbox

    with Sandbox() as sandbox:
        target = ir.Target("openai:any", api_key="not-a-key", base_url=sandbox.base_url("openai"))
        with ir.Client(target) as client, client.stream("What is a rail?") as stream:
            text = "".join(stream.text())
            assert text
            assert stream.response.text == text


if __name__ == "__main__":
    main()

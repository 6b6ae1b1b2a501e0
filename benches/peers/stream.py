"""A streamed body to pieces of text through every peer: CPU time per event, all layers between bytes and text.

    make peers                                                      # with everything else, into benches/RESULTS.md
    python benches/peers/stream.py --peers inferail,openai --workloads openai-1400 --rounds 3 --no-write

inferail's row is `StreamDecoder.feed` with the kind and the text of every delta read. An SDK is called the way its docs
show, over a transport of its own HTTP library that answers from memory, and gives its own chunk objects, whose text is
read; what that transport costs alone is the row `httpx2 (bytes)`. `msgspec` is by hand: split at blank lines, typed
structs of just the members that are needed, no errors, tools, usage or other line endings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from decoders.bodies import Body
from decoders.cells import Found, Peer, Program, Read, Workload, main

URL = "http://memory"
MESSAGES: Any = [{"role": "user", "content": "Explain in one sentence why a railway needs signals."}]
GRAMMARS = {"openai": "openai_chat", "anthropic": "anthropic", "gemini": "gemini", "cohere": "cohere"}


def inferail(wire: str, reads: Sequence[bytes]) -> Read:
    """`StreamDecoder.feed`, one call per read."""
    from inferail.core import StreamDecoder

    grammar: Any = GRAMMARS[wire]

    def read() -> Found:
        count, last = 0, ""
        decoder = StreamDecoder(grammar)
        feed = decoder.feed
        for piece in reads:
            for delta in feed(piece):
                kind, text = delta.kind, delta.text
                if kind == "text":
                    count, last = count + 1, text
        assert decoder.finish() is None
        return Found(count, last or "")

    return read


def _memory_client(library: ModuleType, reads: Sequence[bytes]) -> Any:
    """A client of httpx or httpx2 that answers everything with those reads."""

    class Memory(library.SyncByteStream):  # type: ignore[name-defined,misc]
        def __iter__(self) -> Iterator[bytes]:
            return iter(reads)

    class Transport(library.BaseTransport):  # type: ignore[name-defined,misc]
        def handle_request(self, request: Any) -> Any:
            headers = {"content-type": "text/event-stream"}
            return library.Response(200, headers=headers, stream=Memory(), request=request)

    return library.Client(transport=Transport())


def _texts(stream: Callable[[], Iterable[Any]], text_of: Callable[[Any], str | None]) -> Read:
    """A pass that counts the pieces of text in a stream of an SDK's own objects."""

    def read() -> Found:
        count, last = 0, ""
        for item in stream():
            text = text_of(item)
            if text:
                count, last = count + 1, text
        return Found(count, last)

    return read


def _choice_text(chunk: Any) -> str | None:
    text: str | None = chunk.choices[0].delta.content if chunk.choices else None
    return text


def openai(_wire: str, reads: Sequence[bytes]) -> Read:
    """`chat.completions.create(stream=True)`."""
    import httpx2
    from openai import OpenAI

    client = OpenAI(api_key="x", base_url=URL, http_client=_memory_client(httpx2, reads), max_retries=0)
    create: Any = client.chat.completions.create
    return _texts(lambda: create(model="m", messages=MESSAGES, stream=True), _choice_text)


def groq(_wire: str, reads: Sequence[bytes]) -> Read:
    """`chat.completions.create(stream=True)`."""
    import httpx
    from groq import Groq

    client = Groq(api_key="x", base_url=URL, http_client=_memory_client(httpx, reads), max_retries=0)
    create: Any = client.chat.completions.create
    return _texts(lambda: create(model="m", messages=MESSAGES, stream=True), _choice_text)


def mistral(_wire: str, reads: Sequence[bytes]) -> Read:
    """`chat.stream`, whose wire format is OpenAI's."""
    import httpx2
    from mistralai.client import Mistral

    client = Mistral(api_key="x", server_url=URL, client=_memory_client(httpx2, reads))
    return _texts(lambda: client.chat.stream(model="m", messages=MESSAGES), lambda item: _choice_text(item.data))


def anthropic(_wire: str, reads: Sequence[bytes]) -> Read:
    """`messages.create(stream=True)`, the raw events: its cheapest way."""
    import httpx2
    from anthropic import Anthropic

    client = Anthropic(api_key="x", base_url=URL, http_client=_memory_client(httpx2, reads), max_retries=0)
    create: Any = client.messages.create
    return _texts(
        lambda: create(model="m", max_tokens=1024, messages=MESSAGES, stream=True),
        lambda event: event.delta.text if event.type == "content_block_delta" else None,
    )


def google_genai(_wire: str, reads: Sequence[bytes]) -> Read:
    """`models.generate_content_stream`."""
    import httpx2
    from google.genai import Client, types

    options = types.HttpOptions(base_url=URL, httpx_client=_memory_client(httpx2, reads))
    client = Client(api_key="x", http_options=options)
    contents: Any = MESSAGES[0]["content"]
    stream = client.models.generate_content_stream
    return _texts(lambda: stream(model="m", contents=contents), lambda chunk: chunk.text)


def cohere(_wire: str, reads: Sequence[bytes]) -> Read:
    """`ClientV2.chat_stream`."""
    import httpx
    from cohere import ClientV2

    client = ClientV2(api_key="x", base_url=URL, httpx_client=_memory_client(httpx, reads))
    return _texts(
        lambda: client.chat_stream(model="m", messages=MESSAGES),
        lambda event: event.delta.message.content.text if event.type == "content-delta" else None,
    )


def msgspec(wire: str, reads: Sequence[bytes]) -> Read:
    """`bytes.split` and `msgspec.json.Decoder`."""
    from msgspec import defstruct
    from msgspec.json import Decoder

    delta = defstruct("Delta", [("content", str | None, None), ("text", str | None, None)])
    choice = defstruct("Choice", [("delta", delta), ("finish_reason", str | None, None)])
    chunk = defstruct("Chunk", [("choices", list[choice])])  # type: ignore[valid-type]
    event = defstruct("Event", [("type", str), ("delta", delta | None, None)])
    decode: Callable[[bytes], Any] = Decoder(chunk if wire == "openai" else event).decode

    def event_text(item: Any) -> str | None:
        text: str | None = item.delta.text if item.delta is not None else None
        return text

    text_of = _choice_text if wire == "openai" else event_text

    def stream() -> Iterable[Any]:
        buffer = b""
        for piece in reads:
            *events, buffer = (buffer + piece).split(b"\n\n")
            for event in events:
                data = event[event.index(b"data: ") + 6 :]
                if data != b"[DONE]":
                    yield decode(data)

    return _texts(stream, text_of)


def httpx2_bytes(_wire: str, reads: Sequence[bytes]) -> Read:
    """The transport from memory and nothing else: the body is read and thrown away."""
    import httpx2

    client = _memory_client(httpx2, reads)
    whole = b"".join(reads)

    def read() -> Found:
        size = 0
        with client.stream("POST", URL) as response:
            for piece in response.iter_bytes():
                size += len(piece)
        assert size == len(whole)
        return Found(0, "")

    return read


PEERS = {
    "inferail": Peer(inferail, "ours", ("openai", "anthropic", "gemini", "cohere")),
    "openai": Peer(openai, "library", ("openai",), "openai"),
    "groq": Peer(groq, "library", ("openai",), "groq"),
    "mistralai": Peer(mistral, "library", ("openai",), "mistralai"),
    "anthropic": Peer(anthropic, "library", ("anthropic",), "anthropic"),
    "google-genai": Peer(google_genai, "library", ("gemini",), "google-genai"),
    "cohere": Peer(cohere, "library", ("cohere",), "cohere"),
    "msgspec": Peer(msgspec, "by hand", ("openai", "anthropic"), "msgspec"),
    "httpx2 (bytes)": Peer(httpx2_bytes, "floor", ("openai", "anthropic", "gemini", "cohere"), "httpx2"),
}
WORKLOADS = {
    "openai-1400": Workload("2,000 OpenAI chunks in reads of 1,400 bytes", "openai", 2000, 1400),
    "anthropic-1400": Workload("2,000 Anthropic events in reads of 1,400 bytes", "anthropic", 2000, 1400),
    "gemini-1400": Workload("2,000 Gemini chunks in reads of 1,400 bytes", "gemini", 2000, 1400),
    "cohere-1400": Workload("2,000 Cohere events in reads of 1,400 bytes", "cohere", 2000, 1400),
    "openai-event": Workload("2,000 OpenAI chunks, one per read", "openai", 2000, None),
    "anthropic-event": Workload("2,000 Anthropic events, one per read", "anthropic", 2000, None),
    "openai-1": Workload("100 OpenAI chunks in reads of one byte", "openai", 100, 1, unit="call"),
}


def expected(body: Body) -> Found:
    """Every piece of text."""
    return Found(body.texts, body.last)


PROGRAM = Program(
    name="stream",
    heading="A streamed body to pieces of text",
    intro=(
        "inferail reads the kind and the text of every delta; an SDK's row is its client over an in-memory transport of its "
        "HTTP library (alone: `httpx2 (bytes)`)."
    ),
    peers=PEERS,
    workloads=WORKLOADS,
    expected=expected,
)

if __name__ == "__main__":
    main(PROGRAM, __doc__ or "", Path(__file__).resolve())

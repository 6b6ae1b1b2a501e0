"""The synchronous client: the same coroutines, driven by hand over a blocking transport, with no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from inferail.client import BaseClient, CallOptions, Prompt, ResponseStream, Schema, begun_anew
from inferail.embedding import BaseEmbedder, EmbedOptions
from inferail.errors import ConfigError
from inferail.types.accumulate import voids
from inferail.types.response import OutputT, Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from inferail.batch import Batch, Items
    from inferail.client import RunOptions
    from inferail.core import Delta
    from inferail.structured.output import Output
    from inferail.types.embedding import Embeddings
    from inferail.types.model import ModelInfo
    from inferail.types.response import Partial

__all__ = ["Client", "Embedder", "Stream", "drive"]

ResultT = TypeVar("ResultT")


def drive(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Runs a coroutine that never suspends to its end.

    Raises:
        ConfigError: It did suspend (a Model inside it needs an event loop), or a loop is running in this thread.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the documented one raises instead of answering
        coroutine.close()
        raise ConfigError("Client would block the running event loop: use AsyncClient and await it")
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise ConfigError("a Model in this client waits on an event loop: use AsyncClient")


class Client(BaseClient):
    """The synchronous client. Blocks; refuses to run inside an event loop, where it would stall everything else.

    Thread-safe: one client may serve many threads.
    """

    _blocking = True

    @overload
    def complete(
        self, prompt: Prompt, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Response[OutputT]: ...
    @overload
    def complete(
        self, prompt: Prompt, *, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]: ...
    def complete(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]:
        """The whole answer; takes and raises what `AsyncClient.complete` does."""
        return drive(self._complete(prompt, output=output, **options))

    @overload
    def stream(
        self, prompt: Prompt, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Stream[OutputT]: ...
    @overload
    def stream(
        self, prompt: Prompt, *, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> Stream[Any]: ...
    def stream(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Stream[Any]:
        """The answer while it arrives; takes what `AsyncClient.stream` does. Use it in a `with` block."""
        return Stream(self._stream(prompt, output=output, **options))

    def batch(
        self,
        items: Items,
        *,
        output: type[OutputT] | Output[OutputT] | Schema | None = None,
        **options: Unpack[RunOptions],
    ) -> Batch[OutputT]:
        """Many rows, some at a time, in threads; takes and raises what `AsyncClient.batch` does."""
        from inferail.batch.running import Batch

        return Batch(self._complete, self._model(options), items, output, options)

    def models(self, *, limit: int = 1000) -> list[ModelInfo]:
        """The models of the provider, as `AsyncClient.models` gives them."""
        return drive(self._models(limit))

    def warm(self, connections: int = 1) -> None:
        """Makes connections ahead, as `AsyncClient.warm` does: one for each thread that will call."""
        drive(self._warm(connections))

    def close(self) -> None:
        """Closes the connections."""
        drive(self._aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Stream(Generic[OutputT]):
    """An answer while it arrives, synchronously: the twin of `inferail.client.ResponseStream`."""

    def __init__(self, stream: ResponseStream[OutputT]) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        drive(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        drive(self._stream.__aexit__(kind, error, traceback))

    def batches(self) -> Iterator[list[Delta]]:
        """The deltas in lists, one list per network read."""
        while True:
            try:
                deltas = drive(self._stream.next())
            except StopAsyncIteration:
                return
            yield deltas

    def deltas(self) -> Iterator[Delta]:
        """The deltas, one by one."""
        for deltas in self.batches():
            yield from deltas

    def __iter__(self) -> Iterator[Delta]:
        return self.deltas()

    def text(self) -> Iterator[str]:
        """The pieces of text, without reasoning and tool calls; raises what `ResponseStream.text` does."""
        begun = False
        for deltas in self.batches():
            for delta in deltas:
                if delta.kind == "text" and delta.text:
                    begun = True
                    yield delta.text
                elif begun and voids(delta):
                    raise begun_anew(self.partial)

    def objects(self) -> Iterator[Any]:
        """The structured output while it grows; gives and raises what `ResponseStream.objects` does."""
        parser = self._stream.parser()
        for deltas in self.batches():
            if any(map(voids, deltas)):
                parser = self._stream.parser()
            yield from self._stream.grown(parser, deltas)

    def final(self) -> Response[OutputT]:
        """The whole answer; reads what is left first."""
        return drive(self._stream.final())

    @property
    def partial(self) -> Partial:
        """What has arrived so far, also after an exception."""
        return self._stream.partial

    @property
    def response(self) -> Response[OutputT]:
        """The whole answer, once the stream has been read to its end."""
        return self._stream.response

    @property
    def attempts(self) -> Sequence[Any]:
        """The attempts that have ended."""
        return self._stream.attempts


class Embedder(BaseEmbedder):
    """Embeds texts and blocks meanwhile: the twin of `AsyncEmbedder`. Thread-safe."""

    _blocking = True

    def embed(self, texts: str | Iterable[str], **options: Unpack[EmbedOptions]) -> Embeddings:
        """One vector for each text; takes and raises what `AsyncEmbedder.embed` does."""
        return drive(self._embed(texts, options))

    def close(self) -> None:
        """Closes the connections."""
        drive(self._aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

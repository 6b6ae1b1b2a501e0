"""Conversations: a history that is the caller's, and one call for each turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from inferail._sync import Stream, drive
from inferail.client import CallOptions, ResponseStream, Schema
from inferail.errors import ConfigError
from inferail.pipelines import calls
from inferail.pipelines.conversation.base import BaseConversation, Content
from inferail.pipelines.conversation.log import Change
from inferail.pipelines.conversation.state import as_messages
from inferail.types.response import OutputT, Response

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.structured.output import Output
    from inferail.types.message import Message

__all__ = ["AsyncConversation", "Conversation"]


class Conversation(BaseConversation):
    """A conversation with a model, synchronously.

    The history is yours: read `messages`, `append` to it, `fork` it, write it with `to_json`. A turn is added when its answer
    is complete; one that fails leaves the history as it was. Every request is the system text, the facts, the summary, and as
    many of the newest turns as fit into the window.
    """

    def _begin(self) -> None:
        if not calls.is_blocking(self.client):
            raise ConfigError("a Conversation needs an ir.Client: for an AsyncClient there is AsyncConversation")
        if not self._is_loaded:
            drive(self._load())

    def close(self) -> None:
        """Closes the store, if it was opened from a path or an address; the client is its owner's."""
        drive(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @overload
    def say(
        self, *content: Content, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Response[OutputT]: ...
    @overload
    def say(self, *content: Content, output: Schema | None = None, **options: Unpack[CallOptions]) -> Response[Any]: ...
    def say(
        self, *content: Content, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]:
        """The answer; takes and raises what `AsyncConversation.say` does."""
        return drive(self._say(content, options, output))

    @overload
    def stream(
        self, *content: Content, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Stream[OutputT]: ...
    @overload
    def stream(
        self, *content: Content, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> Stream[Any]: ...
    def stream(
        self, *content: Content, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Stream[Any]:
        """The answer while it arrives; use it in a `with` block. The turn is kept once it has been read to its end."""
        return Stream(self._stream(content, options, output))

    def append(self, *content: Content) -> None:
        """Adds turns without asking; takes and raises what `AsyncConversation.append` does."""
        messages = as_messages(content)
        drive(self._change(lambda _: Change(messages)))

    def pin(self, *which: int | Message) -> None:
        """Sends these messages with every request; takes and raises what `AsyncConversation.pin` does."""
        drive(self._change(self._pins(which, added=True)))

    def unpin(self, *which: int | Message) -> None:
        """Treats these messages like any other."""
        drive(self._change(self._pins(which, added=False)))

    def remember(self, *facts: str) -> None:
        """Tells the model these facts with every request, word for word."""
        drive(self._change(self._facts(facts, added=True)))

    def forget(self, *facts: str) -> None:
        """Tells the model these facts no longer."""
        drive(self._change(self._facts(facts, added=False)))

    def fork(self, *, at: int | None = None, id: str | None = None) -> Self:  # noqa: A002
        """A conversation of its own with the first `at` messages; takes and raises what `AsyncConversation.fork` does."""
        made = self._forked(at, id)
        drive(made._load())  # noqa: SLF001 - of its own class
        return made

    def reload(self) -> None:
        """Takes over what others have added to it in the store."""
        drive(self._reload())

    def _attach(self, store: Any) -> None:
        super()._attach(store)
        drive(self._load())


class AsyncConversation(BaseConversation):
    """A conversation with a model, asynchronously: the twin of `Conversation`.

    One that is kept in a store is read there with the first call that is awaited; `await reload()` does nothing else.
    """

    def _begin(self) -> None:
        if calls.is_blocking(self.client):
            raise ConfigError("an AsyncConversation needs an ir.AsyncClient: for a Client there is Conversation")

    async def aclose(self) -> None:
        """Closes the store, if it was opened from a path or an address; the client is its owner's."""
        await self._close()

    async def __aenter__(self) -> Self:
        await self._load()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @overload
    async def say(
        self, *content: Content, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Response[OutputT]: ...
    @overload
    async def say(
        self, *content: Content, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]: ...
    async def say(
        self, *content: Content, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]:
        """The answer to what is said, which becomes part of the history with it.

        Args:
            content: Texts and parts, which are one message of the user; messages, such as results of tools; nothing asks
                for an answer to the history as it is.
            output: As for `Client.complete`.
            options: See `CallOptions`; `system` stands for the conversation's own in this call.

        Returns:
            The answer. Its `warnings` also say when turns were left out and when the window is nearly full.

        Raises:
            ContextLengthError: What must be kept does not fit into the window; nothing was sent.
            ConflictError: Somebody else has added to the conversation. Found out before the call nothing was sent;
                afterwards `.messages` has the turn with its answer.
            ConfigError: The request is wrong; nothing was sent.
            RequestError: No answer; the history is as it was.
        """
        return await self._say(content, options, output)

    @overload
    def stream(
        self, *content: Content, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> ResponseStream[OutputT]: ...
    @overload
    def stream(
        self, *content: Content, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> ResponseStream[Any]: ...
    def stream(
        self, *content: Content, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> ResponseStream[Any]:
        """The answer while it arrives; use it in an `async with` block. The turn is kept once it has been read to its end."""
        return self._stream(content, options, output)

    async def append(self, *content: Content) -> None:
        """Adds turns without asking: the user's, a model's, or results of tools.

        Raises:
            ConfigError: A system message, or an empty one.
            ConflictError: Somebody else has added to the conversation.
        """
        messages = as_messages(content)
        await self._change(lambda _: Change(messages))

    async def pin(self, *which: int | Message) -> None:
        """Sends these messages with every request, also when they no longer fit with all others.

        Args:
            which: Positions in `messages`, or the messages themselves. The question before an answer and the results of
                a call go with them.

        Raises:
            ConfigError: There is no such message.
        """
        await self._change(self._pins(which, added=True))

    async def unpin(self, *which: int | Message) -> None:
        """Treats these messages like any other."""
        await self._change(self._pins(which, added=False))

    async def remember(self, *facts: str) -> None:
        """Tells the model these facts with every request, word for word."""
        await self._change(self._facts(facts, added=True))

    async def forget(self, *facts: str) -> None:
        """Tells the model these facts no longer."""
        await self._change(self._facts(facts, added=False))

    async def fork(self, *, at: int | None = None, id: str | None = None) -> Self:  # noqa: A002
        """A conversation of its own with the first `at` messages of this one, by default all.

        Args:
            at: How many messages.
            id: Keeps it in the same store under this name; without one it is kept in memory.

        Raises:
            ConfigError: There are not so many messages, or there is no store.
            ConflictError: The store has a conversation of this id.
        """
        made = self._forked(at, id)
        await made._load()  # noqa: SLF001 - of its own class
        return made

    async def reload(self) -> None:
        """Takes over what others have added to it in the store.

        Raises:
            FormatError: The store has something that is no conversation.
        """
        await self._reload()

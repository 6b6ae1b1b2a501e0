"""What both kinds of conversation share: everything but the way they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

from inferail.client import BaseClient, CallOptions, ResponseStream, Schema
from inferail.errors import CancelledError, ConfigError, ConflictError, RequestError
from inferail.pipelines import calls
from inferail.pipelines.conversation.counting import PromptCounter, leaves
from inferail.pipelines.conversation.headroom import Headroom
from inferail.pipelines.conversation.log import Change, Log
from inferail.pipelines.conversation.memory import Summary
from inferail.pipelines.conversation.state import State, Turn, as_messages, as_system, noted
from inferail.pipelines.conversation.streaming import TurnStream
from inferail.pipelines.conversation.window import ANSWER_TOKENS, Fitted, Window, fit, units
from inferail.routing.known import known
from inferail.store.opening import open_store
from inferail.telemetry.records import new_id
from inferail.types.message import Message, Part

if TYPE_CHECKING:
    import os

    from inferail.store.protocol import Store
    from inferail.types.model import Model
    from inferail.types.response import Response

__all__ = ["BaseConversation", "Content"]

Content: TypeAlias = "str | Part | Message"


class BaseConversation:
    """A conversation with a model whose history is the caller's. Made as `Conversation` or `AsyncConversation`."""

    def __init__(
        self,
        client: BaseClient,
        *,
        system: str | Message | None = None,
        messages: Sequence[Message] = (),
        store: Store | str | os.PathLike[str] | None = None,
        id: str | None = None,  # noqa: A002 - what it is called everywhere
        window: int | Window | None = None,
        summary: Summary | None = None,
        on_headroom: Callable[[Headroom], object] | None = None,
    ) -> None:
        """Sets it up; nothing is sent.

        Args:
            client: Who is asked.
            system: Instructions that stand before every request.
            messages: Turns that it begins with.
            store: Where it is kept: a Store, a path of a SQLite file or a `redis://` address; None keeps it in memory.
            id: Its name in the store; a new one by default. One that is there already is gone on with.
            window: The most tokens of a prompt, or a `Window`; by default the context window that is known of the
                model, without the room for an answer, and no limit where none is known. Older turns beyond it are left
                out of requests, never out of the history.
            summary: How turns that are left out are summarised; None leaves them out.
            on_headroom: Called with the `Headroom` before each request: for a metric, or for a warning where `is_low`.

        Raises:
            ConfigError: Something of it is wrong.
        """
        calls.is_blocking(client)
        self.client = client
        self.system = as_system(system)
        self.id = new_id() if id is None else id
        self.summary_settings = summary
        self._window = Window(window) if isinstance(window, int) else window
        if self._window is not None and not isinstance(self._window, Window):
            raise ConfigError("window is a number of tokens, or a Window")
        if summary is not None:
            summary.asked(client)
        self._on_headroom = on_headroom
        self._store = None if store is None else open_store(store)
        self._log = None if self._store is None else Log(self._store, self.id)
        self._state = State().changed(Change(as_messages(messages)))
        self._unsaved = bool(self._state.messages)
        self._is_loaded = self._log is None
        self._counters: dict[str, PromptCounter] = {}
        self._guard = threading.Lock()
        self._is_saving = False
        self._owned = self._store if self._store is not store else None
        self._begin()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.client.model.name!r}, id={self.id!r}, messages={len(self._state.messages)})"
        )

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every turn so far, oldest first, also those that no longer fit; without the system message.

        Raises:
            ConfigError: It is kept in a store and has not been read yet.
        """
        return self._known().messages

    @property
    def pinned(self) -> tuple[Message, ...]:
        """The messages that are sent with every request."""
        state = self._known()
        return tuple(state.messages[at] for at in state.pinned)

    @property
    def facts(self) -> tuple[str, ...]:
        """What the model is told with every request."""
        return self._known().facts

    @property
    def summary(self) -> str:
        """What stands for the turns that were summarised; empty if none were."""
        return self._known().summary

    def to_json(self) -> str:
        """The whole conversation as JSON: system text, turns, pins, facts and summary, without loss."""
        return self._known().to_json(self.system)

    @classmethod
    def from_json(cls, text: str | bytes, client: BaseClient, **options: Any) -> Self:
        """The conversation that `to_json` wrote.

        Args:
            text: The JSON.
            client: Who is asked from now on; another provider is not sent what the first one has sealed.
            options: As for the class; `system` goes before the system text that was written.

        Raises:
            FormatError: It is no such text.
        """
        state, instructions = State.from_json(text)
        options.setdefault("system", instructions)
        given: dict[str, Any] = {**options, "store": None}
        made = cls(client, **given)
        made._state = state
        made._attach(options.get("store"))
        return made

    def headroom(self, *content: Content, **options: Any) -> Headroom:
        """How much of its window the conversation takes, with what is to be said next.

        Args:
            content: What is to be said.
            options: Options of the call; tools and `output` count.
        """
        output = options.pop("output", None)
        state = self._known()
        said = as_messages(content)
        return self._headroom(state, said, cast("CallOptions", options), output)

    def explain(
        self, *content: Content, output: type[Any] | Schema | None = None, stream: bool = False, **options: Any
    ) -> str:
        """The exact wire request of the next turn; where a summary is due before it, that one's first. Sends nothing.

        The request after a summary is shown with the summary there is so far, as the new one is not known yet.

        Args:
            content: What would be said.
            output: As for `say`.
            stream: Whether it would be streamed.
            options: Options of the call.
        """
        given = cast("CallOptions", options)
        state = self._known()
        said = as_messages(content)
        shown: list[str] = []
        instructions, call = self._split(given)
        gone = self._to_summarise(state, said, given, output)
        if gone and (settings := self.summary_settings) is not None:
            asked = settings.asked(self.client)
            limit = self._limit(given) or 0
            for piece in settings.pieces(state.messages[state.summarised : gone], self.client, limit):
                prompt = settings.written(state.summary, piece)
                shown.append("# a summary of older turns\n" + asked.explain(prompt, **settings.options()))
            state = state.changed(Change(summarised=gone))
        fitted = self._fit(state, said, given, output, instructions)
        shown.append(self.client.explain(fitted.messages, stream=stream, output=output, **call))
        return "\n\n".join(shown)

    def _begin(self) -> None:
        """What a kind of conversation does at the end of its `__init__`."""

    async def _close(self) -> None:
        """Closes the store, if it was opened here."""
        if self._owned is not None:
            await self._owned.aclose()

    async def _load(self) -> None:
        """Reads what the store has, once."""
        if self._is_loaded:
            return
        assert self._log is not None  # noqa: S101 - else it counts as loaded
        found = await self._log.read()
        if found and self._unsaved:
            raise ConflictError(f"the store has a conversation {self.id!r} already", messages=self._state.messages)
        if self._unsaved:
            await self._log.append(self._state.as_change())
            self._unsaved = False
        for change in found:
            self._state = self._state.changed(change)
        self._is_loaded = True

    async def _reload(self) -> None:
        await self._load()
        if self._log is not None:
            for change in await self._log.read():
                self._state = self._state.changed(change)

    async def _change(self, change: Callable[[State], Change]) -> None:
        """Changes the conversation here and in the store."""
        await self._load()
        state = self._state
        await self._save(state, change(state))

    async def _save(self, begun: State, change: Change) -> None:
        """Keeps a change of the conversation `begun`, unless that is no longer the conversation."""
        with self._guard:
            if self._state is not begun or self._is_saving:
                raise ConflictError(
                    "this conversation went on meanwhile: ask again, or fork() it for each task",
                    messages=change.messages,
                )
            self._is_saving = True
        try:
            if self._log is not None:
                await self._log.append(change)
            self._state = begun.changed(change)
        finally:
            self._is_saving = False

    async def _turn(self, content: Sequence[Content], options: CallOptions, output: Any) -> Turn:
        """What is to be sent for the next turn; older turns are summarised first where they have to be."""
        await self._load()
        if self._log is not None:
            await self._log.check()
        said = as_messages(content)
        if not said and not self._state.messages:
            raise ConfigError("there is nothing to answer yet: say something")
        notes = await self._remember_less(said, options, output)
        state = self._state
        instructions, _ = self._split(options)
        headroom = self._headroom(state, said, options, output)
        if headroom.is_low:
            notes.append(headroom.sentence)
        if self._on_headroom is not None:
            self._on_headroom(headroom)
        fitted = self._fit(state, said, options, output, instructions)
        if fitted.left_out and (gone := [at for at in fitted.left_out if at >= state.summarised]):
            notes.append(f"{len(gone)} older messages did not fit into the window and were left out of the request")
        return Turn(said, fitted, state, tuple(notes))

    async def _say(self, content: Sequence[Content], options: CallOptions, output: Any) -> Response[Any]:
        turn = await self._turn(content, options, output)
        _, call = self._split(options)
        response = await calls.complete(self.client, turn.fitted.messages, output=output, **call)
        return await self._keep(turn, response)

    def _stream(self, content: Sequence[Content], options: CallOptions, output: Any) -> ResponseStream[Any]:
        async def begin() -> tuple[Turn, ResponseStream[Any]]:
            turn = await self._turn(content, options, output)
            _, call = self._split(options)
            return turn, calls.stream(self.client, turn.fitted.messages, output=output, **call)

        return ResponseStream(TurnStream(begin, self._keep), None)

    async def _keep(self, turn: Turn, response: Response[Any]) -> Response[Any]:
        """Adds a turn to the history, now that it has an answer."""
        answer = (response.message,) if response.message.parts else ()
        await self._save(turn.state, Change((*turn.said, *answer)))
        answered: Response[Any] = noted(response, turn.notes)
        return answered

    async def _remember_less(self, said: tuple[Message, ...], options: CallOptions, output: Any) -> list[str]:
        """Summarises older turns if the window is full; notes on what went wrong, which is no reason not to answer."""
        gone = self._to_summarise(self._state, said, options, output)
        if not gone or (settings := self.summary_settings) is None:
            return []
        state = self._state
        older = state.messages[state.summarised : gone]
        try:
            summary = await settings.of(state.summary, older, self.client, self._limit(options) or 0)
        except CancelledError:
            raise
        except RequestError as error:
            return [
                f"older turns could not be summarised ({type(error).__name__}) and are left out where they do not fit"
            ]
        await self._save(state, Change(summary=summary, summarised=gone))
        return []

    def _to_summarise(self, state: State, said: tuple[Message, ...], options: CallOptions, output: Any) -> int:
        """How many messages the next summary is to stand for; 0 if none is due."""
        settings, limit = self.summary_settings, self._limit(options)
        if settings is None or limit is None:
            return 0
        if self._headroom(state, said, options, output).tokens <= limit * settings.after:
            return 0
        recent = (*state.messages[state.summarised :], *said)
        counter = self._counter(options)
        instructions, _ = self._split(options)
        before = counter.count(state.before(instructions), tools=options.get("tools") or ()).tokens
        room = limit * settings.keep - before
        kept = 0
        parts = units(recent)
        begins = len(parts)
        for number in range(len(parts) - 1, -1, -1):
            kept += sum(counter.cost(recent[at]) for at in parts[number])
            if kept > room and begins < len(parts):
                break
            if recent[parts[number].start].role == "user":
                begins = number
        # Nothing but whole turns that are in the history, and never the question itself.
        stop = parts[begins].start if begins < len(parts) else 0
        last_user = max((at for at, message in enumerate(recent) if message.role == "user"), default=0)
        stop = min(stop, last_user, len(state.messages) - state.summarised)
        return state.summarised + stop if stop > 0 else 0

    def _fit(
        self,
        state: State,
        said: tuple[Message, ...],
        options: CallOptions,
        output: Any,
        instructions: Message | None,
    ) -> Fitted:
        history = (*state.messages, *said)
        kept = [*_unsummarised(state), *range(len(state.messages), len(history))]
        fitted = fit(
            [history[at] for at in kept],
            self._limit(options),
            self._counter(options),
            system=state.before(instructions),
            pinned=[place for place, at in enumerate(kept) if at in state.pinned],
            tools=options.get("tools") or (),
            schema=_schema(output),
            step=self._step(options),
        )
        chosen = tuple(kept[place] for place in fitted.kept)
        gone = tuple(sorted(set(range(len(history))).difference(chosen)))
        return replace(fitted, kept=chosen, left_out=gone)

    def _headroom(self, state: State, said: Sequence[Message], options: CallOptions, output: Any) -> Headroom:
        instructions, _ = self._split(options)
        turns = (*(state.messages[at] for at in _unsummarised(state)), *said)
        counted = self._counter(options).total(
            state.before(instructions), turns, tools=options.get("tools") or (), schema=_schema(output)
        )
        warn = 0.8 if self._window is None else self._window.warn
        return Headroom(counted.tokens, self._limit(options), warn, counted.estimate)

    def _limit(self, options: CallOptions) -> int | None:
        """The most tokens of a prompt of this call."""
        if self._window is not None:
            return self._window.tokens
        sampling = options.get("sampling")
        answer = (sampling.max_tokens if sampling is not None else None) or ANSWER_TOKENS
        windows = [known(name).context_tokens for name in self._names(options)]
        found = [window - answer for window in windows if window is not None and window > answer]
        return min(found) if found else None

    def _step(self, options: CallOptions) -> int:
        """Tokens that are left out at once."""
        limit = self._limit(options)
        return 0 if self._window is None or limit is None else int(limit * self._window.step)

    def _names(self, options: CallOptions) -> tuple[str, ...]:
        model = options.get("model") or self.client.model
        return tuple(name for _, name in leaves(model))

    def _counter(self, options: CallOptions) -> PromptCounter:
        model: str | Model = options.get("model") or self.client.model
        name = model if isinstance(model, str) else model.name
        if name not in self._counters:
            self._counters[name] = PromptCounter(model)
        return self._counters[name]

    def _split(self, options: CallOptions) -> tuple[Message | None, CallOptions]:
        """The instructions of this call, and the rest of its options."""
        if "system" not in options:
            return self.system, options
        rest = options.copy()
        return as_system(rest.pop("system")), rest

    def _known(self) -> State:
        if not self._is_loaded:
            raise ConfigError(
                "this conversation has not been read from its store yet: await conversation.reload() first"
            )
        return self._state

    def _attach(self, store: Store | str | os.PathLike[str] | None) -> None:
        """Keeps it in a store from now on; it is written there with the next change."""
        if store is None:
            return
        self._store = open_store(store)
        self._owned = self._store if self._store is not store else None
        self._log = Log(self._store, self.id)
        self._unsaved = self._state != State()
        self._is_loaded = False

    def _forked(self, at: int | None, name: str | None) -> Self:
        state = self._known()
        stop = len(state.messages) if at is None else at
        if isinstance(stop, bool) or not isinstance(stop, int) or not 0 <= stop <= len(state.messages):
            raise ConfigError(f"a fork has the first 0 to {len(state.messages)} messages, not {at!r}")
        if name is not None and self._store is None:
            raise ConfigError("id names a conversation in a store, and this one has none")
        made = type(self)(
            self.client,
            system=self.system,
            id=name,
            window=self._window,
            summary=self.summary_settings,
            on_headroom=self._on_headroom,
        )
        made._state = state.until(stop)  # noqa: SLF001 - of its own class
        made._counters = self._counters  # noqa: SLF001 - they remember what messages cost
        if name is not None:
            made._attach(self._store)  # noqa: SLF001
        return made

    def _pins(self, which: Sequence[int | Message], *, added: bool) -> Callable[[State], Change]:
        def change(state: State) -> Change:
            found = {_position(state.messages, one) for one in which}
            pinned = found.union(state.pinned) if added else set(state.pinned) - found
            return Change(pinned=tuple(sorted(pinned)))

        return change

    def _facts(self, facts: Sequence[str], *, added: bool) -> Callable[[State], Change]:
        if not all(isinstance(fact, str) and fact.strip() for fact in facts):
            raise ConfigError("a fact is a text")

        def change(state: State) -> Change:
            if added:
                return Change(facts=tuple(dict.fromkeys((*state.facts, *facts))))
            return Change(facts=tuple(fact for fact in state.facts if fact not in facts))

        return change


def _unsummarised(state: State) -> list[int]:
    """Positions of the messages that no summary stands for, and of pinned ones with what belongs to them."""
    chosen = set(range(state.summarised, len(state.messages)))
    if state.pinned and state.summarised:
        asked: range | None = None
        for part in units(state.messages):
            if state.messages[part.start].role == "user":
                asked = part
            if any(at in state.pinned for at in part):
                chosen.update(part, asked or ())
    return sorted(chosen)


def _position(messages: Sequence[Message], which: int | Message) -> int:
    if isinstance(which, Message):
        found = next((at for at, message in enumerate(messages) if message is which), None)
        if found is None:
            found = next((at for at, message in enumerate(messages) if message == which), None)
        if found is None:
            raise ConfigError("that message is not in the conversation")
        return found
    if isinstance(which, bool) or not isinstance(which, int) or not -len(messages) <= which < len(messages):
        raise ConfigError(f"there is no message {which!r}: the conversation has {len(messages)}")
    return which % len(messages)


def _schema(output: Any) -> Mapping[str, Any] | None:
    """The JSON Schema that an output type is sent as."""
    if output is None:
        return None
    from inferail.structured.output import OutputType

    schema = OutputType.of(output).schema
    return None if schema is None else schema.schema

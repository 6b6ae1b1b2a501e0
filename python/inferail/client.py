"""The client: one model, its transport, its records, and requests made from plain Python values."""

from __future__ import annotations

import difflib
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypedDict, Unpack, overload

from inferail.core import PartialJSON
from inferail.errors import ConfigError, OutputValidationError, StreamError
from inferail.structured.answering import answered, explained
from inferail.structured.output import Output, OutputType
from inferail.structured.streaming import Growing, StructuredStream
from inferail.telemetry.records import new_id
from inferail.telemetry.sinks import MemorySink
from inferail.transport import async_transport, blocking_transport
from inferail.transport.deadlines import Timeouts
from inferail.types.accumulate import voids
from inferail.types.message import Message, Text, system
from inferail.types.registry import resolve
from inferail.types.request import NO_SAMPLING, OutputSchema, Request, Sampling
from inferail.types.response import OutputT, Response
from inferail.types.scope import Recorder, Scope, agreed, check_labels, current_scope

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.batch import AsyncBatch, BatchOptions, Items
    from inferail.core import Delta
    from inferail.telemetry.records import Record
    from inferail.types.model import DeltaStream, Model, ModelInfo
    from inferail.types.response import Attempt, Partial
    from inferail.types.tools import Tool

__all__ = ["AsyncClient", "BaseClient", "CallOptions", "Prompt", "ResponseStream", "Schema"]

Prompt: TypeAlias = "str | Message | Sequence[Message]"
# Checkers take only classes for types: unions and Literals are objects to them, and typed by way of `Output[A | B]()`.
Schema: TypeAlias = "Mapping[str, Any] | OutputSchema | Output[Any] | object"
_TARGET_OPTIONS = frozenset(
    {
        "api_key",
        "base_url",
        "retries",
        "api_version",
        "headers",
        "unsupported",
        "require_done",
        "first_token_timeout",
        "max_event_bytes",
        "think_tags",
        "prices",
        "transport",
    }
)


class CallOptions(TypedDict, total=False):
    """What a single call may set.

    Attributes:
        model: Another model for this call.
        system: System text, put before the messages.
        tools: Tools the model may call.
        tool_choice: `auto`, `none`, `required`, or a tool's name.
        sampling: Overrides the client's, field by field.
        provider_options: Per provider name, a mapping merged verbatim into that provider's body.
        labels: Carried to the records.
        timeout: Seconds for the whole call, or `Timeouts`.
    """

    model: str | Model
    system: str
    tools: Sequence[Tool]
    tool_choice: str
    sampling: Sampling
    provider_options: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, str]
    timeout: float | Timeouts


if TYPE_CHECKING:

    class RunOptions(CallOptions, BatchOptions, total=False):
        """What a batch may set: `BatchOptions`, and `CallOptions` for all of its calls."""


class BaseClient:
    """What the asynchronous and the synchronous client share: everything but the way they wait."""

    _blocking = False

    def __init__(
        self,
        model: str | Model,
        *,
        timeout: float | Timeouts | None = None,
        sampling: Sampling | None = None,
        labels: Mapping[str, str] | None = None,
        transport: Any = None,
        recorder: Recorder | None = None,
        policy: Any = None,
        **target: Any,
    ) -> None:
        """Sets up the client; nothing is sent.

        Args:
            model: `provider:model`, or any Model.
            timeout: Seconds for each whole call, fallbacks and retries included, or `Timeouts` for each phase.
                Default: `Timeouts()`, which is 30 s for a call and 600 s for a stream; a Target with a timeout of its
                own is not cut by the default.
            sampling: Defaults for every call.
            labels: Carried to every record.
            transport: An httpx client (`httpx.AsyncClient` here, `httpx.Client` for `Client`; httpx2's as well) or a
                Transport. A client that is passed in is used as it is and not closed.
            recorder: Takes one Record per attempt; by default a `MemorySink`, read through `.records`.
            policy: A `DataPolicy`: which labelled data may go where.
            target: Options of `Target` (`api_key`, `base_url`, …) where `model` is a string.

        Raises:
            ConfigError: Unknown model string, missing key, or a wrong option.
        """
        self.model: Model = resolve(model, **target)
        self._timeouts = Timeouts.of(timeout)
        self._asked_for_time = timeout is not None
        self._sampling = sampling
        self._labels = dict(labels or {})
        check_labels(self._labels)
        if recorder is not None and not hasattr(recorder, "record"):
            raise ConfigError(
                f"recorder needs a method record(record), as a MemorySink has; {type(recorder).__name__} has none"
            )
        self._recorder: Recorder = recorder if recorder is not None else MemorySink()
        self._given, self._policy = transport, agreed(None, policy)
        self._transport = blocking_transport(transport) if self._blocking else async_transport(transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.name!r})"

    @property
    def records(self) -> list[Record]:
        """One Record per attempt made through this client (of a recorder that keeps them)."""
        return list(getattr(self._recorder, "records", ()))

    def explain(
        self,
        prompt: Prompt,
        *,
        stream: bool = False,
        output: type[Any] | Schema | None = None,
        **options: Unpack[CallOptions],
    ) -> str:
        """The exact wire request(s) of this call and the order of the models around them; sends nothing."""
        output_type = None if output is None else OutputType.of(output)
        request = self._request(prompt, output_type, options)
        model = self._model(options)
        explain = getattr(model, "explain", None)
        if explain is None:
            raise ConfigError(f"{model.name} sends nothing over a wire, so there is nothing to explain")
        with self._scope(options, stream=stream).enter():
            text: str = explain(request, stream=stream)
        return explained(output_type, text) if output_type else text

    async def _complete(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]:
        output_type = None if output is None else OutputType.of(output)
        request = self._request(prompt, output_type, options)
        with self._scope(options, stream=False).enter():
            model = self._model(options)
            return await (answered(model, request, output_type) if output_type else model.generate(request))

    def _stream(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> ResponseStream[Any]:
        output_type = None if output is None else OutputType.of(output)
        request = self._request(prompt, output_type, options)
        with self._scope(options, stream=True).enter():
            model = self._model(options)
            stream = StructuredStream(model, request, output_type) if output_type else model.stream(request)
            return ResponseStream(stream, output_type)

    async def _models(self, limit: int) -> list[ModelInfo]:
        list_models = getattr(self.model, "list_models", None)
        if list_models is None:
            raise ConfigError(f"{self.model.name} has no list of models: ask a client of a provider's model")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigError(f"limit must be a number, 1 or more, not {limit!r}")
        with self._scope({}, stream=False).enter():
            found: list[ModelInfo] = await list_models(limit)
        return found

    async def _warm(self, connections: int) -> None:
        warm = getattr(self.model, "warm", None)
        if warm is not None:
            with self._scope({}, stream=False).enter():
                await warm(connections)

    async def _aclose(self) -> None:
        if self._transport is not self._given:
            await self._transport.aclose()
        close = getattr(self.model, "aclose", None)
        if close is not None:
            await close()

    def _model(self, options: CallOptions) -> Model:
        model = options.get("model")
        return self.model if model is None else resolve(model)

    def _scope(self, options: CallOptions, *, stream: bool) -> Scope:
        outer = current_scope()
        timeout = options.get("timeout")
        timeouts = self._timeouts if timeout is None else Timeouts.of(timeout)
        total = timeouts.stream_total if stream else timeouts.total
        deadline, default_deadline = outer.deadline, outer.default_deadline
        if total is not None:
            ends = self._transport.clock.now() + total
            if timeout is not None or self._asked_for_time:
                deadline = min(ends, math.inf if deadline is None else deadline)
            else:
                default_deadline = min(ends, math.inf if default_deadline is None else default_deadline)
        return Scope(
            deadline,
            default_deadline,
            outer.budget,
            {**outer.labels, **self._labels} if self._labels else outer.labels,
            outer.cancellation,
            self._transport,
            self._recorder,
            outer.alternatives,
            outer.reason,
            timeouts,
            outer.rivals,
            new_id(),
            agreed(outer.policy, self._policy),
            outer.path,
        )

    def _request(self, prompt: Prompt, output: OutputType | None, options: CallOptions) -> Request:
        messages = _messages(prompt)
        if not options:  # a call like most
            schema = output.schema if output else None
            return Request(messages, (), None, schema, self._sampling or NO_SAMPLING)
        if not options.keys() <= _CALL_OPTIONS:
            raise _unknown_option(options)
        instructions = options.get("system")
        if instructions:
            messages = (system(instructions), *messages)
        sampling = options.get("sampling")
        if self._sampling is not None and (sampling is None or isinstance(sampling, Sampling)):
            sampling = self._sampling if sampling is None else sampling.over(self._sampling)
        return Request(
            messages=messages,
            tools=tuple(options.get("tools") or ()),
            tool_choice=options.get("tool_choice"),
            output=output.schema if output else None,
            sampling=sampling or NO_SAMPLING,
            provider_options=options.get("provider_options") or {},
            labels=options.get("labels") or {},
        )


class AsyncClient(BaseClient):
    """The asynchronous client. One per application, used by many tasks at once."""

    @overload
    async def complete(
        self, prompt: Prompt, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> Response[OutputT]: ...
    @overload
    async def complete(
        self, prompt: Prompt, *, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]: ...
    async def complete(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> Response[Any]:
        """The whole answer.

        Args:
            prompt: A text, a Message, or the whole conversation.
            output: What `.output` will be: a pydantic class, TypedDict, dataclass, Enum, Literal, union or list of them; a
                JSON Schema, for plain data; or an `Output` with options. An answer that is something else is repaired
                where that is beyond doubt, then corrected in one more call.
            options: See `CallOptions`.

        Raises:
            ConfigError: The request is wrong, or this provider cannot take it; nothing was sent.
            RequestError: No answer; its class says why, `.attempts` lists every attempt.
            OutputValidationError: The answer is not what `output` asks for.
            BudgetError: The Scope's budget is spent.
        """
        return await self._complete(prompt, output=output, **options)

    @overload
    def stream(
        self, prompt: Prompt, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
    ) -> ResponseStream[OutputT]: ...
    @overload
    def stream(
        self, prompt: Prompt, *, output: Schema | None = None, **options: Unpack[CallOptions]
    ) -> ResponseStream[Any]: ...
    def stream(
        self, prompt: Prompt, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
    ) -> ResponseStream[Any]:
        """The answer while it arrives; use it in an `async with` block. Takes what `complete` takes."""
        return self._stream(prompt, output=output, **options)

    def batch(
        self,
        items: Items,
        *,
        output: type[OutputT] | Output[OutputT] | Schema | None = None,
        **options: Unpack[RunOptions],
    ) -> AsyncBatch[OutputT]:
        """Many rows, some at a time: `async with client.batch(rows) as batch`, then `async for item in batch`.

        Items come in the order of the rows. A row that fails is an item with an `error`, never an exception.

        Args:
            items: Texts, messages, Requests or mappings (`{"id": "a", "prompt": "…"}`): a list, an iterator of either kind,
                the path of a `.jsonl` or `.parquet` file, or a table of pyarrow. Iterators are read no faster than needed.
            output: As for `complete`, for every row.
            options: See `BatchOptions` and `CallOptions`; `to="out.jsonl"` writes a file, `checkpoint=` keeps what is done.

        Raises:
            ConfigError: `items` or an option is wrong.
        """
        from inferail.batch.running import AsyncBatch

        return AsyncBatch(self._complete, self._model(options), items, output, options)

    async def models(self, *, limit: int = 1000) -> list[ModelInfo]:
        """The models that the provider of this client's model has now, with context windows and prices where known.

        A Fallback lists the models of all its providers. Lists that come in pages are read to their end. It costs
        nothing and leaves no records.

        Args:
            limit: The most models of one provider.

        Raises:
            ConfigError: This client's model has no provider with a list.
            RequestError: A provider gave none.
        """
        return await self._models(limit)

    async def warm(self, connections: int = 1) -> None:
        """Makes connections to the servers of the model, so that the first calls do not wait for them.

        Does nothing where the transport or the model has no connections to make.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection in time (phase `connect`).
        """
        await self._warm(connections)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class ResponseStream(Generic[OutputT]):
    """An answer while it arrives. An async context manager; leaving it closes the connection.

    Read it once, in one of these ways: `text()`, `objects()`, `deltas()` (or plain iteration), or `batches()`. `final()`
    reads what is left and gives the whole answer; `partial` is what has arrived, at any moment, also after an exception.
    """

    def __init__(self, stream: DeltaStream, output: OutputType | None) -> None:
        self._stream = stream
        self._output = output
        self._response: Response[OutputT] | None = None
        self._ended = False

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, traceback)

    async def next(self) -> list[Delta]:
        """The next list of deltas.

        Raises:
            StopAsyncIteration: The answer is complete.
        """
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._ended = True
            raise

    async def batches(self) -> AsyncIterator[list[Delta]]:
        """The deltas in lists, one list per network read: the cheapest way to read."""
        async for deltas in self._stream:
            yield deltas
        self._ended = True

    async def deltas(self) -> AsyncIterator[Delta]:
        """The deltas, one by one."""
        async for deltas in self._stream:
            for delta in deltas:
                yield delta
        self._ended = True

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self.deltas()

    async def text(self) -> AsyncIterator[str]:
        """The pieces of text, without reasoning and tool calls.

        Raises:
            StreamError: The answer began anew after text of it had been given out (a broken answer in JSON, a tier that
                replaces another): read `deltas()`, whose `restart` and `upgrade` say so, or `final()`.
        """
        begun = False
        async for deltas in self._stream:
            for delta in deltas:
                if delta.kind == "text":
                    text = delta.text
                    if text:
                        begun = True
                        yield text
                elif begun and voids(delta):
                    raise begun_anew(self.partial)
        self._ended = True

    async def objects(self) -> AsyncIterator[Any]:
        """The structured output while it grows: the JSON of the text as plain Python objects, after each network read.

        It is one object, to which the next read adds: copy what is to be kept (`copy.deepcopy`). The last string may be
        cut off. `final()` has the output checked and typed. With `output=`, a corrected answer grows from nothing again.

        Raises:
            OutputValidationError: The text cannot become JSON, `.text` has it as far as it has come; or, with `output=`, the
                whole answer and its correction do not match.
        """
        parser = self.parser()
        async for deltas in self._stream:
            if any(map(voids, deltas)):
                parser = self.parser()
            for value in self.grown(parser, deltas):
                yield value
        self._ended = True

    def parser(self) -> PartialJSON | Growing:
        """What `objects` reads the text with."""
        return Growing(self._output) if self._output else PartialJSON()

    def grown(self, parser: PartialJSON | Growing, deltas: list[Delta]) -> Iterator[Any]:
        """What `parser` makes of the text with that of `deltas`, where they bring some."""
        last = max([0, *(at + 1 for at, delta in enumerate(deltas) if voids(delta))])
        text = "".join([delta.text for delta in deltas[last:] if delta.kind == "text" and delta.text])
        try:
            parser.feed(text)
        except OutputValidationError as error:
            error.text = self.partial.text
            raise
        if text and (value := parser.value) is not None:
            yield value

    async def final(self) -> Response[OutputT]:
        """The whole answer, with `output` parsed if it was asked for; reads what is left first.

        Raises:
            RequestError: The stream broke; `.partial` has what arrived.
            OutputValidationError: The answer is not what `output` asks for.
        """
        if self._response is None:
            self._response = await self._stream.final()
        return self._response

    @property
    def partial(self) -> Partial:
        """What has arrived so far, also after an exception."""
        return self._stream.partial

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended."""
        return self._stream.attempts

    @property
    def response(self) -> Response[OutputT]:
        """The whole answer, once the stream has been read to its end.

        Raises:
            StreamError: It has not; `.partial` has what arrived.
        """
        if self._response is None:
            if not self._ended:
                raise StreamError("the stream has not been read to its end", partial=self.partial)
            # A stream that has ended has its response at hand: `final` does not wait any more.
            try:
                self.final().send(None)
            except StopIteration as done:
                self._response = done.value
        assert self._response is not None  # noqa: S101 - `final` of an ended stream returns or raises
        return self._response


def begun_anew(partial: Partial) -> StreamError:
    """The error for a reader of pieces of text, which cannot be taken back."""
    return StreamError("the answer began anew after text was given out: read deltas() or final()", partial=partial)


_CALL_OPTIONS = CallOptions.__annotations__.keys()
_SAMPLING = frozenset(field.name for field in fields(Sampling))


def _unknown_option(options: CallOptions) -> ConfigError:
    name = next(name for name in options if name not in _CALL_OPTIONS)
    if name in _SAMPLING:
        return ConfigError(f"{name} belongs into sampling: sampling=ir.Sampling({name}=…)")
    if name in _TARGET_OPTIONS:
        return ConfigError(f"{name} is chosen with the model: ir.Target('provider:model', {name}=…), or ir.Client")
    near = difflib.get_close_matches(name, _CALL_OPTIONS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: output, {', '.join(sorted(_CALL_OPTIONS))}"
    return ConfigError(f"a call has no option {name!r}; {hint}")


def _messages(prompt: Prompt) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        if not prompt:
            raise ConfigError("the prompt is empty: pass some text")
        return (Message("user", (Text(prompt),)),)
    if isinstance(prompt, Message):
        return (prompt,)
    try:
        return tuple(prompt)
    except TypeError:
        raise ConfigError("the prompt must be a text, a Message or a list of Messages") from None

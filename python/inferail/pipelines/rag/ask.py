"""RAG: a question, the chunks of a corpus that fit it, and an answer whose citations are true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Unpack

from inferail._sync import drive
from inferail.client import BaseClient, CallOptions
from inferail.errors import ConfigError, OutputValidationError
from inferail.pipelines.calls import complete, is_blocking, stream
from inferail.pipelines.rag.answer import Answer
from inferail.pipelines.rag.citations import checked, open_at
from inferail.pipelines.rag.corpus import AsyncCorpus, BaseCorpus, Ranking
from inferail.pipelines.rag.documents import Document, Hit
from inferail.pipelines.rag.prompt import INSTRUCTIONS, corrected, is_abstention, messages

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.client import ResponseStream
    from inferail.pipelines.rag.documents import Where
    from inferail.types.response import Response

__all__ = ["RAG", "AnswerStream", "AsyncAnswerStream", "AsyncRAG", "BaseRAG", "Lookup"]

Lookup: TypeAlias = "Callable[[str], Iterable[Document] | Awaitable[Iterable[Document]]]"


class BaseRAG:
    """What the synchronous and the asynchronous one share: everything but the way they wait."""

    _blocking = False

    def __init__(
        self,
        client: BaseClient,
        corpus: BaseCorpus,
        k: int = 5,
        *,
        namespace: str = "",
        by: Ranking = "both",
        lookup: Lookup | None = None,
        instructions: str = INSTRUCTIONS,
    ) -> None:
        """Sets it up; nothing is sent.

        Args:
            client: Asks the model: `ir.Client` for `RAG`, `ir.AsyncClient` for `AsyncRAG`.
            corpus: Where the sources are: a `Corpus` or an `AsyncCorpus`, likewise.
            k: How many sources the model is given.
            namespace: Where in the corpus.
            by: How sources are found; see `Corpus.search`.
            lookup: Called with the question before the corpus is searched; the Documents that it gives, such as rows of a
                database, are the first sources, as a whole, and are cited like the others.
            instructions: What the model is told before the sources. It has to ask for citations as `INSTRUCTIONS` does.

        Raises:
            ConfigError: A wrong argument, or one of each kind.
        """
        if not isinstance(corpus, BaseCorpus):
            raise ConfigError(f"corpus must be an ir.Corpus or an ir.AsyncCorpus, not {type(corpus).__name__}")
        if is_blocking(client) != self._blocking or isinstance(corpus, AsyncCorpus) == self._blocking:
            wanted = "an ir.Client and an ir.Corpus" if self._blocking else "an ir.AsyncClient and an ir.AsyncCorpus"
            raise ConfigError(f"{type(self).__name__} needs {wanted}")
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ConfigError(f"k must be a number, 1 or more, not {k!r}")
        self._client, self._corpus, self._k = client, corpus, k
        self._namespace, self._instructions = namespace, instructions
        self._by: Ranking = by
        self._lookup = lookup

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r}, {self._corpus!r}, k={self._k})"

    async def _found(self, question: str, where: Where | None) -> list[Hit]:
        looked_up: list[Hit] = []
        if self._lookup is not None:
            given = self._lookup(question)
            looked_up = [
                _whole(number, each) for number, each in enumerate(await given if isawaitable(given) else given)
            ]
        found = await self._corpus.find(question, self._k, self._namespace, where, self._by, rerank=True)
        return looked_up + found

    def _unasked(self) -> Answer:
        """What there is to say without a source."""
        empty = not self._corpus.documents(self._namespace)
        return Answer("", abstention="empty_corpus" if empty else "nothing_found")

    async def _ask(self, question: str, where: Where | None, options: CallOptions) -> Answer:
        hits = await self._found(question, where)
        if not hits:
            return self._unasked()
        asked = messages(question, hits, self._instructions)
        responses: list[Response[Any]] = [await complete(self._client, asked, **options)]
        problems, answer = _judged(responses, hits)
        if answer is None:
            responses.append(await complete(self._client, corrected(asked, problems), **options))
            problems, answer = _judged(responses, hits)
        if answer is None:
            raise _refused(responses, problems)
        return answer

    def _streamed(self, question: str, where: Where | None, options: CallOptions) -> AsyncAnswerStream:
        def ask(hits: list[Hit]) -> ResponseStream[Any]:
            return stream(self._client, messages(question, hits, self._instructions), **options)

        return AsyncAnswerStream(partial(self._found, question, where), self._unasked, ask)

    async def _explain(self, question: str, where: Where | None, options: CallOptions, *, streamed: bool) -> str:
        hits = await self._found(question, where)
        if not hits:
            raise ConfigError("nothing would be sent: there is no source for this question")
        return self._client.explain(messages(question, hits, self._instructions), stream=streamed, **options)


def _whole(number: int, document: Document) -> Hit:
    """A document that was looked up, as a source."""
    if not isinstance(document, Document):
        raise ConfigError(f"lookup must give Documents; item {number} is {type(document).__name__}")
    return Hit(
        document.text, document.id, document.name, 0, 0, len(document.text), metadata=document.metadata, score=1.0
    )


def _judged(responses: Sequence[Response[Any]], hits: Sequence[Hit]) -> tuple[list[tuple[str, str]], Answer | None]:
    """What is wrong with the last response, or the answer that it is."""
    text = responses[-1].text
    citations, problems = checked(text, hits)
    abstained = not citations and not problems and is_abstention(text)
    if not problems and not citations and not abstained:
        problems = [("answer", "it cites no source")]
    if problems:
        return problems, None
    usage = responses[0].usage
    for response in responses[1:]:
        usage += response.usage
    return [], Answer(
        text,
        tuple(citations),
        tuple(hits),
        abstention="not_in_sources" if abstained else None,
        retried=len(responses) > 1,
        usage=usage,
        responses=tuple(responses),
    )


def _refused(responses: Sequence[Response[Any]], problems: Sequence[tuple[str, str]]) -> OutputValidationError:
    count = len(problems)
    return OutputValidationError(
        f"the answer's citations do not hold ({count} problem{'s' if count > 1 else ''}): "
        ".errors says which, .text is the answer",
        text=responses[-1].text,
        errors=problems,
        attempts=[attempt for response in responses for attempt in response.attempts],
    )


class AsyncAnswerStream:
    """An answer while it arrives. Use it in an `async with` block.

    What may become a citation is held back until it is whole and was compared with its source: a citation that is wrong is
    never shown. There is no second try, because the first words have been shown.
    """

    def __init__(
        self,
        find: Callable[[], Awaitable[list[Hit]]],
        unasked: Callable[[], Answer],
        ask: Callable[[list[Hit]], ResponseStream[Any]],
    ) -> None:
        self._find, self._unasked, self._ask = find, unasked, ask
        self._hits: list[Hit] = []
        self._stream: ResponseStream[Any] | None = None
        self._said = ""
        self._shown = 0
        self._answer: Answer | None = None

    @property
    def sources(self) -> tuple[Hit, ...]:
        """What the model was given; known before the first word."""
        return tuple(self._hits)

    async def __aenter__(self) -> Self:
        self._hits = await self._find()
        if not self._hits:
            self._answer = self._unasked()
            return self
        self._stream = self._ask(self._hits)
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.__aexit__(kind, error, traceback)

    async def next(self) -> str:
        """The next piece of text that may be shown, perhaps empty.

        Raises:
            StopAsyncIteration: It was the last.
            OutputValidationError: A citation is wrong.
        """
        if self._stream is None or self._answer is not None:
            raise StopAsyncIteration
        try:
            deltas = await self._stream.next()
        except StopAsyncIteration:
            return self._end(await self._stream.final())
        self._said += "".join(delta.text or "" for delta in deltas if delta.kind == "text")
        return self._released(open_at(self._said))

    def _released(self, end: int) -> str:
        """What is new up to a place; every citation in it is right."""
        _, problems = checked(self._said[:end], self._hits)
        if problems:
            raise OutputValidationError(
                "the answer's citations do not hold: .errors says which, .text is what has arrived",
                text=self._said,
                errors=problems,
                attempts=list(self._stream.attempts) if self._stream else [],
            )
        piece, self._shown = self._said[self._shown : end], max(self._shown, end)
        return piece

    def _end(self, response: Response[Any]) -> str:
        self._said = response.text
        piece = self._released(len(self._said))
        problems, answer = _judged([response], self._hits)
        if answer is None:
            raise _refused([response], problems)
        self._answer = answer
        return piece

    async def text(self) -> AsyncIterator[str]:
        """The pieces of the answer."""
        while True:
            try:
                piece = await self.next()
            except StopAsyncIteration:
                return
            if piece:
                yield piece

    async def final(self) -> Answer:
        """The whole answer; reads what is left first."""
        while self._answer is None:
            await self.next()
        return self._answer


class AnswerStream:
    """An answer while it arrives, synchronously: the twin of `AsyncAnswerStream`. Use it in a `with` block."""

    def __init__(self, stream: AsyncAnswerStream) -> None:
        self._stream = stream

    @property
    def sources(self) -> tuple[Hit, ...]:
        """What the model was given; known before the first word."""
        return self._stream.sources

    def __enter__(self) -> Self:
        drive(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        drive(self._stream.__aexit__(kind, error, traceback))

    def text(self) -> Iterator[str]:
        """The pieces of the answer; raises what `AsyncAnswerStream.next` does."""
        while True:
            try:
                piece = drive(self._stream.next())
            except StopAsyncIteration:
                return
            if piece:
                yield piece

    def final(self) -> Answer:
        """The whole answer; reads what is left first."""
        return drive(self._stream.final())


class RAG(BaseRAG):
    """Questions to a corpus. Blocks; thread-safe.

    rag = ir.RAG(client, corpus, k=5)
    answer = rag.ask("What is the refund window?")
    print("not in the documents" if answer.abstained else answer.text)
    """

    _blocking = True

    def ask(self, question: str, *, where: Where | None = None, **options: Unpack[CallOptions]) -> Answer:
        """The answer, or an abstention; takes and raises what `AsyncRAG.ask` does."""
        return drive(self._ask(question, where, options))

    def stream(self, question: str, *, where: Where | None = None, **options: Unpack[CallOptions]) -> AnswerStream:
        """The answer while it arrives; takes what `ask` takes. Use it in a `with` block."""
        return AnswerStream(self._streamed(question, where, options))

    def explain(
        self, question: str, *, stream: bool = False, where: Where | None = None, **options: Unpack[CallOptions]
    ) -> str:
        """The exact wire request of this question; takes and raises what `AsyncRAG.explain` does."""
        return drive(self._explain(question, where, options, streamed=stream))


class AsyncRAG(BaseRAG):
    """Questions to a corpus, asynchronously: the twin of `RAG`."""

    async def ask(self, question: str, *, where: Where | None = None, **options: Unpack[CallOptions]) -> Answer:
        """The answer, or an abstention.

        Every citation is compared with its source. If one does not hold, or the answer has none and does not abstain, the
        model is asked once more, with the same question and what was wrong.

        Args:
            question: What to answer.
            where: What the metadata of the sources' documents have; see `AsyncCorpus.search`.
            options: Of the calls to the model; see `CallOptions`.

        Raises:
            OutputValidationError: The second answer does not hold either; `.errors` says why.
            ConfigError: An empty question, or a wrong option.
            RequestError: The question could not be embedded, or the model did not answer.
            BudgetError: The Scope's budget is spent.
        """
        return await self._ask(question, where, options)

    def stream(self, question: str, *, where: Where | None = None, **options: Unpack[CallOptions]) -> AsyncAnswerStream:
        """The answer while it arrives; takes what `ask` takes. Use it in an `async with` block."""
        return self._streamed(question, where, options)

    async def explain(
        self, question: str, *, stream: bool = False, where: Where | None = None, **options: Unpack[CallOptions]
    ) -> str:
        """The exact wire request of this question; sends nothing to the model. The question is embedded to find the sources.

        Raises:
            ConfigError: There is no source, so that nothing would be sent.
        """
        return await self._explain(question, where, options, streamed=stream)

"""A model that looks things up in documents, so that the whole path can be tried without a network, a key or weights.

It is no language model and never says that it is one: it quotes sentences, says from which files, fills schemas by rules
and calls tools that are named. The same request always gets the same answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from inferail.core import Delta
from inferail.errors import ConfigError
from inferail.pipelines.rag.citations import locate
from inferail.pipelines.rag.prompt import ABSTENTION, sources_in
from inferail.testing.corpus import Corpus, tokens
from inferail.testing.filling import Filler
from inferail.testing.streams import ScriptStream, pause, words
from inferail.types.message import Text, ToolCall, ToolResult
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

    from inferail.types.message import Message
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.tools import Tool

__all__ = ["DocumentModel"]

_NOTHING = "The documents say nothing about that."
_MOST_SENTENCES = 4
_LEAST_SENTENCES = 2
_NEAR_THE_BEST = 0.5  # of the best score: what is below does not belong to the answer
_NAME_PARTS = re.compile(r"[a-z]+|\d+")
_PARTS = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n(?:[-*+#]+|\d+\.)\s")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What will be said: text, or calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


class DocumentModel:
    """Answers with the sentences of some documents that fit the last question best; see the module's text.

    It keeps to the request: an output schema is filled, an offered tool that the question names is called, an assistant
    message at the end is continued, `max_tokens` and `stop` are honoured. Its tokens are words, so its usage counts words.
    """

    def __init__(self, *, folder: Path | str | None = None, pace: float = 0.0, name: str = "inferail-docs") -> None:
        """Reads the documents.

        Args:
            folder: Folder with `.md` files; default: inferail's own documentation.
            pace: Seconds between the words of a stream.
            name: Its name; also the model id in its answers.

        Raises:
            ConfigError: There are no documents.
        """
        self._corpus = Corpus.load(folder)
        self._pace = pace
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer, at once.

        Raises:
            InvalidRequestError: The output schema asks for what the rules cannot make.
        """
        async with ScriptStream(self._play(request, 0.0), provider="inferail", model=self._name) as stream:
            return await stream.final()

    def stream(self, request: Request) -> ScriptStream:
        """The answer word by word: one list of deltas for each."""
        return ScriptStream(self._play(request, self._pace), provider="inferail", model=self._name)

    def explain(self, request: Request, *, stream: bool = False) -> str:  # noqa: ARG002 - every Model is asked the same way
        """Says that nothing would be sent."""
        return f"{self._name}: looks the answer up in documents, sends nothing"

    async def _play(self, request: Request, pace: float) -> AsyncIterator[list[Delta]]:
        answer = self._answer(request)
        text, stopped = _stopped(answer.text, request.sampling.stop)
        pieces = [*_text_pieces(text), *_call_pieces(answer.calls)]
        asked = _count(request)
        begun = Delta("start", id=_identifier("docs", request), name=self._name)
        yield [begun, Delta("usage", usage=Usage(input_tokens=asked))]
        left = request.sampling.max_tokens
        reason, raw = ("tool_calls", None) if answer.calls else ("stop", "stop_sequence" if stopped else None)
        said = 0
        for deltas in pieces:
            costs = any(delta.kind in ("text", "tool_args") for delta in deltas)
            if costs and left is not None and said >= left:
                reason, raw = "length", None
                break
            if said:
                await pause(pace)
            said += costs
            yield deltas
        usage = Usage(input_tokens=asked, output_tokens=said)
        yield [Delta("usage", usage=usage), Delta("finish", reason=reason, raw_reason=raw)]

    def _answer(self, request: Request) -> _Answer:
        last, begun = request.messages[-1], None
        if last.role == "user" and len(request.messages) > 2 and request.messages[-2].role == "assistant":
            begun = request.messages[-2]
        question = _question(request)
        results = last.tool_results
        if not results and (called := _named_tools(request, question)):
            return _Answer(calls=tuple(_call(tool, question, request) for tool in called))
        if request.output is not None:
            known = [result.content for result in results] or self._sentences(question)
            text = json.dumps(Filler(request.output.schema, question, known).value(), ensure_ascii=False)
        elif not results and (sources := sources_in(question)):
            text = _cited(sources, question)
        else:
            text = _relayed(results) if results else self._looked_up(question)
        if begun is not None and not results and request.output is None:
            # An answer of its own that was cut off, and a user who asks for the rest of it.
            cut_off = self._looked_up(_question(replace(request, messages=request.messages[:-2])))
            if begun.text.strip() and cut_off.startswith(begun.text.rstrip()) and len(cut_off) > len(begun.text):
                return _Answer(_continued(cut_off, begun).lstrip())
        return _Answer(_continued(text, last) if last.role == "assistant" else text)

    def _sentences(self, question: str) -> list[str]:
        found = self._corpus.best(question, _MOST_SENTENCES)
        return [sentence.text for _, sentence in found] or [_NOTHING]

    def _looked_up(self, question: str) -> str:
        found = self._corpus.best(question, _MOST_SENTENCES)
        if not found:
            return _NOTHING
        enough = found[0][0] * _NEAR_THE_BEST
        kept = [hit for number, (score, hit) in enumerate(found) if score >= enough or number < _LEAST_SENTENCES]
        kept.sort(key=lambda sentence: sentence.position)
        sources = ", ".join(dict.fromkeys(sentence.source for sentence in kept))
        return f"{' '.join(sentence.text for sentence in kept)}\n\nSources: {sources}"


def _cited(sources: list[tuple[int, str]], prompt: str) -> str:
    """The sentence of the sources that fits the question best, with its citation; that it does not know, without one."""
    asked = prompt.rpartition("\nQuestion:")[2]
    try:
        corpus = Corpus([(str(number), _closed(text)) for number, text in sources])
    except ConfigError:
        return ABSTENTION
    texts = dict(sources)
    for _, sentence in corpus.best(asked, _MOST_SENTENCES):
        number = int(sentence.source)
        quote = _as_written(sentence.text, texts[number])
        if '"' not in quote and locate(quote, texts[number]) is not None:
            return f'{sentence.text} [{number}: "{quote}"]'
    return ABSTENTION


def _closed(text: str) -> str:
    """A chunk with the mark before the code that it begins inside of."""
    marks = [line.strip() for line in text.splitlines() if line.lstrip().startswith("```")]
    return f"```\n{text}" if len(marks) % 2 and marks[0] == "```" else text


def _as_written(sentence: str, text: str) -> str:
    """The part of a source that a sentence without markup is from."""
    wanted = set(tokens(sentence))
    return max(_PARTS.split(text), key=lambda part: (len(wanted & set(tokens(part))), -len(part))).strip()


def _question(request: Request) -> str:
    """What the user said last."""
    asked = (message.text for message in reversed(request.messages) if message.role == "user")
    return next(asked, "")


def _named_tools(request: Request, question: str) -> list[Tool]:
    """The offered tools that are to be called, in the order they are offered."""
    choice = request.tool_choice or "auto"
    if not request.tools or choice == "none":
        return []
    if choice not in ("auto", "required"):
        return [tool for tool in request.tools if tool.name == choice]
    asked, said = set(tokens(question)), question.lower()
    named = [tool for tool in request.tools if _is_named(tool.name, said, asked)]
    return named or (list(request.tools[:1]) if choice == "required" else [])


def _is_named(name: str, said: str, asked: set[str]) -> bool:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    parts = tokens(" ".join(_NAME_PARTS.findall(plain)))
    return name.lower() in said or (bool(parts) and all(part in asked for part in parts))


def _call(tool: Tool, question: str, request: Request) -> ToolCall:
    arguments = Filler(tool.parameters, question).value()
    return ToolCall(_identifier(f"call_{tool.name}", request), tool.name, json.dumps(arguments, ensure_ascii=False))


def _relayed(results: tuple[ToolResult, ...]) -> str:
    said = (
        f"{result.name or 'The tool'} {'failed' if result.is_error else 'says'}: {result.content}" for result in results
    )
    return "\n".join(said)


def _continued(text: str, prefill: Message) -> str:
    """What follows the words that were put into the model's mouth."""
    begun = prefill.text
    if text.startswith(begun.rstrip()):
        return text[len(begun.rstrip()) :].lstrip() if begun != begun.rstrip() else text[len(begun) :]
    return text if not begun or begun[-1].isspace() else f" {text}"


def _stopped(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    ends = [place for word in stop if (place := text.find(word)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _text_pieces(text: str) -> list[list[Delta]]:
    return [[Delta("text", text=word)] for word in words(text)]


def _call_pieces(calls: tuple[ToolCall, ...]) -> list[list[Delta]]:
    pieces: list[list[Delta]] = []
    for block, call in enumerate(calls):
        pieces.append([Delta("tool_start", block=block, id=call.id, name=call.name)])
        pieces += [[Delta("tool_args", block=block, text=word)] for word in words(call.arguments)]
        pieces.append([Delta("tool_end", block=block)])
    return pieces


def _count(request: Request) -> int:
    """The words of a request; this model's tokens are words."""
    count = 0
    for message in request.messages:
        for part in message.parts:
            text = part.text if isinstance(part, Text) else part.content if isinstance(part, ToolResult) else ""
            count += len(text.split())
    return count


def _identifier(prefix: str, request: Request) -> str:
    """An id that depends on the conversation only, so that the same request gives the same bytes."""
    digest = blake2b(digest_size=8)
    for message in request.messages:
        digest.update(message.role.encode())
        for part in message.parts:
            shown: Mapping[str, object] = {name: getattr(part, name) for name in part.__slots__}
            digest.update(repr(shown).encode("utf-8", "replace"))
    return f"{prefix}_{digest.hexdigest()}"

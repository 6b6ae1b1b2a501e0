"""What goes into a batch and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from inferail.errors import ConfigError
from inferail.types.message import Message, Text
from inferail.types.request import Request, Sampling
from inferail.types.response import OutputT

if TYPE_CHECKING:
    from inferail.errors import InferailError
    from inferail.types.response import Response

__all__ = ["Broken", "Item", "Prepared", "Row", "prepared"]

Row: TypeAlias = "str | Message | Sequence[Message] | Request | Mapping[str, Any]"


class Item(Generic[OutputT]):
    """One row of a batch and what became of it: `response` or `error`, never both.

    Attributes:
        index: Its place in the input, from 0.
        id: The row's own id, where it has one.
        key: Names it in the checkpoint: a digest of what is asked, and the number of its occurrence.
        input: The row as it was given.
        ran: Whether it was asked for, now or in an earlier run. Not where the budget, the deadline or a cancellation ended
            the batch before: `error` says which, and a resumed batch asks for it.
        resumed: Whether it was done in an earlier run and comes from the checkpoint.
    """

    __slots__ = ("_error", "_line", "_read", "_response", "id", "index", "input", "key", "ran", "resumed")

    def __init__(  # noqa: PLR0917 - made for every row, by position
        self,
        index: int,
        row_id: str | None,
        key: str,
        given: Any,
        response: Response[OutputT] | None = None,
        error: Exception | None = None,
        *,
        ran: bool = True,
        line: bytes = b"",
        read: Callable[[bytes], tuple[Response[OutputT] | None, Exception | None]] | None = None,
    ) -> None:
        """A row that is done; `read` makes of the `line` of an earlier run what it says, when somebody looks."""
        self.index = index
        self.id = row_id
        self.key = key
        self.input = given
        self.ran = ran
        self.resumed = read is not None
        self._line, self._read = line, read
        self._response = response
        self._error = error

    @property
    def response(self) -> Response[OutputT]:
        """The answer.

        Raises:
            Exception: `error`, where there is none.
        """
        self._recall()
        if self._response is None:
            assert self._error is not None  # noqa: S101 - one of the two is there
            raise self._error
        return self._response

    @property
    def error(self) -> Exception | None:
        """Why there is no answer, or None where there is one."""
        self._recall()
        return self._error

    @property
    def output(self) -> OutputT | None:
        """The typed output; raises `error` where there is no answer."""
        return self.response.output

    @property
    def text(self) -> str:
        """The text of the answer; raises `error` where there is none."""
        return self.response.text

    def __repr__(self) -> str:
        what = (
            "not run" if not self.ran else "resumed" if self._read is not None else "failed" if self._error else "done"
        )
        return f"Item({self.index}, {what})"

    def _recall(self) -> None:
        if self._read is not None:
            read, self._read = self._read, None
            self._response, self._error = read(self._line)
            self._line = b""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read.

    Attributes:
        error: Says where it is and what is wrong with it.
        raw: The bytes it was read from.
    """

    error: InferailError
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row as the client is asked for it.

    Attributes:
        prompt: A text or messages.
        options: Options of the call that the row itself has.
        output: The schema that the row itself has.
    """

    prompt: Any = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    output: Any = None


_NO_OPTIONS: dict[str, Any] = {}
_SAMPLING = frozenset(each.name for each in fields(Sampling))
_FORM = (
    "{'prompt': '…'} or {'messages': [{'role': 'user', 'content': '…'}]}, with 'id', 'system' and 'options' if wanted"
)


def prepared(row: object) -> Prepared:
    """How to ask for a row.

    Raises:
        ConfigError: It is none of the kinds that a batch takes.
    """
    if isinstance(row, str):
        return Prepared(row, _NO_OPTIONS)
    if isinstance(row, Message):
        return Prepared(row, _NO_OPTIONS)
    if isinstance(row, Request):
        return Prepared(row.messages, _options_of(row), row.output)
    if isinstance(row, Mapping):
        return _from_mapping(cast("Mapping[str, Any]", row))
    if isinstance(row, Sequence):
        return Prepared(_messages(row), _NO_OPTIONS)
    raise ConfigError(f"a row of a batch is a text, messages, a Request or a mapping, not {type(row).__name__}")


def _options_of(request: Request) -> dict[str, Any]:
    options = {
        "tools": request.tools,
        "tool_choice": request.tool_choice,
        "sampling": request.sampling,
        "provider_options": request.provider_options,
        "labels": request.labels,
    }
    return {name: value for name, value in options.items() if value}


def _from_mapping(row: Mapping[str, Any]) -> Prepared:
    prompt, messages = row.get("prompt"), row.get("messages")
    if (prompt is None) == (messages is None):
        raise ConfigError(f"a row that is a mapping has either a prompt or messages: {_FORM}")
    given: Any = row.get("options") or {}
    if not isinstance(given, Mapping):
        raise ConfigError("the options of a row are a mapping, for example {'sampling': {'max_tokens': 100}}")
    options = dict(cast("Mapping[str, Any]", given))
    if isinstance(sampling := options.get("sampling"), Mapping):
        options["sampling"] = _sampling(cast("Mapping[str, Any]", sampling))
    if row.get("system"):
        options["system"] = row["system"]
    output = options.pop("output", None)
    return Prepared(prompt if messages is None else _messages(messages), options, output)


def _sampling(given: Mapping[str, Any]) -> Sampling:
    unknown = sorted(set(given) - _SAMPLING)
    if unknown:
        raise ConfigError(f"sampling has no {unknown[0]!r}: it takes {', '.join(sorted(_SAMPLING))}")
    return Sampling(**given)


def _messages(given: Any) -> tuple[Message, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"messages is a list of messages: {_FORM}")
    return tuple(map(_message, cast("Any", given)))


def _message(given: Any) -> Message:
    if isinstance(given, Message):
        return given
    if isinstance(given, Mapping):
        said = cast("Mapping[str, Any]", given)
        role, content = said.get("role"), said.get("content")
        if role in ("system", "user", "assistant") and isinstance(content, str):
            return Message(role, (Text(content),))
    raise ConfigError(
        "a message in data has a role (system, user or assistant) and a text: {'role': 'user', 'content': '…'}"
    )

"""What is compared, and with what: the text of the last turn, within a scope that has to be the same.

The scope is the exact key of the request without the words of its last turn. So everything else that decides about an
answer counts, and counts exactly: model, system prompt, tools, schema, sampling, provider options, tenant, earlier turns,
pictures of this turn. What only rephrases may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from inferail.cache.canonical import request_key
from inferail.errors import ConfigError
from inferail.frozen import quick
from inferail.types.message import Message, Text

if TYPE_CHECKING:
    from inferail.types.request import OutputSchema, Request, Sampling
    from inferail.types.tools import Tool

__all__ = ["Context", "Conversation", "Question"]

Conversation: TypeAlias = Literal["last", "first", "window"]
_BLANK: Final = Text("")
_POLICIES: Final = ("last", "first", "window")


class _Scope(NamedTuple):
    """What `request_key` reads of a Request, whose own checks (four times as long as all of this) it has passed already."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    tool_choice: str | None
    output: OutputSchema | None
    sampling: Sampling
    provider_options: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, str]


@quick
@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks, for a semantic lookup.

    Attributes:
        text: What is embedded.
        scope: What has to be equal, hashed: 64 hexadecimal digits.
    """

    text: str = field(repr=False)
    scope: str


@dataclass(frozen=True, slots=True)
class Context:
    """How a question is taken from a request.

    Attributes:
        conversation: `last`: the last turn is compared, the earlier ones have to be equal. `first`: only a conversation
            that has just begun is looked up. `window`: the last `window` turns are compared together, and what was before
            them does not count.
        window: How many turns that is.
        labels: Labels that keep requests apart.
        model_class: Maps a model's name to the name under which it shares answers with others.
        sampling_class: The same for the sampling.
        max_characters: Longer texts are not looked up: an embedding model reads so far and no further.
    """

    conversation: Conversation = "last"
    window: int = 3
    labels: Sequence[str] = ("tenant",)
    model_class: Callable[[str], str] | None = None
    sampling_class: Callable[[Sampling], Sampling] | None = None
    max_characters: int = 1_000

    def __post_init__(self) -> None:
        if self.conversation not in _POLICIES:
            raise ConfigError(f"conversation must be one of {', '.join(_POLICIES)}, not {self.conversation!r}")
        for name in ("window", "max_characters"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigError(f"{name} must be an integer of at least 1, not {number!r}")
        if isinstance(self.labels, str) or not all(isinstance(label, str) for label in self.labels):
            raise ConfigError("labels must be names, for example labels=('tenant',)")

    def question(self, request: Request, model: str, embedder: str) -> Question | None:
        """What is looked up; None where a request is only ever answered by its exact twin.

        That is so where it does not end with words of the user (a tool's result, a prefill, a picture alone), where they are
        too long, and where the policy says so.

        Args:
            request: What is asked.
            model: Who would answer.
            embedder: Whose vectors these are: different ones never meet.
        """
        messages = request.messages
        asked = messages[-1]
        text = asked.text.strip()
        if asked.role != "user" or not text:
            return None
        earlier = messages[:-1]
        if self.conversation == "first" and any(message.role != "system" for message in earlier):
            return None
        if self.conversation == "window":
            earlier, text = self._window(messages)
        if not text or len(text) > self.max_characters:
            return None
        model = self.model_class(model) if self.model_class is not None else model
        sampling = request.sampling
        scope = _Scope(
            (*earlier, _without_words(asked)),
            request.tools,
            request.tool_choice,
            request.output,
            sampling if self.sampling_class is None else self.sampling_class(sampling),
            request.provider_options,
            request.labels,
        )
        who = f"{len(model)}:{model}{self.conversation}:{embedder}"
        return Question(text, request_key(cast("Request", scope), who, labels=self.labels))

    def _window(self, messages: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
        """The system messages, and the last turns as one text; no text where one of the turns is more than words."""
        turns = [message for message in messages if message.role != "system"][-self.window :]
        system = tuple(message for message in messages if message.role == "system")
        if not all(isinstance(part, Text) for message in turns[:-1] for part in message.parts):
            return system, ""
        # With their roles, so that an answer is not taken for a question.
        return system, "\n".join(f"{message.role}: {message.text.strip()}" for message in turns)


def _without_words(message: Message) -> Message:
    if len(message.parts) == 1:
        return _NOTHING
    return replace(message, parts=tuple(_BLANK if isinstance(part, Text) else part for part in message.parts))


_NOTHING: Final = Message("user", (_BLANK,))

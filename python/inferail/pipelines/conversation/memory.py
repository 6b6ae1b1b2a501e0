"""What stays of turns that no longer fit: a summary by a model of your choice, and facts that are kept word for word.

Nothing here is hidden: the prompt of the summary and the words that stand before it in the conversation are constants of this
module, every summary is a call with a Record (label `task`: `conversation-summary`), and `Conversation.explain` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from inferail.client import BaseClient, CallOptions
from inferail.errors import ConfigError, RequestError
from inferail.pipelines import calls
from inferail.pipelines.conversation.counting import PromptCounter, leaves
from inferail.routing.known import known
from inferail.types.message import Message, Part, Refusal, Text, ToolCall, ToolResult, system, user
from inferail.types.request import Sampling

if TYPE_CHECKING:
    from inferail.types.model import Model

__all__ = ["FACTS_PROMPT", "SUMMARY_CONTEXT", "SUMMARY_PROMPT", "SUMMARY_TASK", "Summary", "transcript"]

SUMMARY_PROMPT: Final = """\
Below is the summary so far of a conversation between a user and an assistant, and the turns that came after it. Write the
summary anew so that the assistant can go on with only the summary: what the user wants and has decided, names, numbers,
dates and other facts word for word, what was done and with what result, and what is still open. Leave out greetings and
everything that was taken back. Do not add anything that is not in the text, and do not answer the user. Use at most
{max_words} words.

<summary>
{summary}
</summary>

<turns>
{turns}
</turns>"""
"""The prompt of a summary: `{summary}` is the one before, `{turns}` what is to be added, `{max_words}` how long it may be."""

SUMMARY_CONTEXT: Final = "Summary of the earlier part of this conversation, which is left out:\n\n{summary}"
"""The system message in which the summary stands in front of the turns that are kept."""

FACTS_PROMPT: Final = "Keep in mind throughout this conversation:\n\n{facts}"
"""The system message that lists the pinned facts, one a line."""

SUMMARY_TASK: Final = "conversation-summary"
"""The label `task` of the Records of summaries."""

_NO_SUMMARY: Final = "(none yet)"
_CUT: Final = "\n[… cut …]\n"
_LEAST_PIECE: Final = 64


@dataclass(frozen=True, slots=True)
class Summary:
    """How older turns are summarised once a conversation has filled its window.

    Attributes:
        client: Who is asked; None is the conversation's own client.
        model: Another model of that client, often a small one; None is the client's.
        prompt: The prompt, with `{summary}`, `{turns}` and `{max_words}`.
        max_tokens: The longest summary, in tokens.
        after: The share of the window at which turns are summarised, 0 to 1.
        keep: The share of the window that the newest turns may have afterwards, below `after`.

    Raises:
        ConfigError: A share is none, or the prompt lacks one of its fields.
    """

    client: BaseClient | None = None
    model: str | Model | None = None
    prompt: str = SUMMARY_PROMPT
    max_tokens: int = 512
    after: float = 0.9
    keep: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.keep < self.after <= 1:
            raise ConfigError("a summary needs 0 < keep < after <= 1: the shares of the window after and before it")
        if isinstance(self.max_tokens, bool) or not isinstance(self.max_tokens, int) or self.max_tokens < 1:
            raise ConfigError("max_tokens of a summary is a positive number")
        if not all(field in self.prompt for field in ("{summary}", "{turns}")):
            raise ConfigError("the prompt of a summary needs {summary} and {turns}")

    def written(self, summary: str, turns: str) -> Message:
        """The prompt for these turns: what is sent to be summarised."""
        words = max(1, self.max_tokens * 3 // 5)  # three words of English have four tokens, and some room
        text = self.prompt.replace("{max_words}", str(words))
        head, turns_mark, tail = text.partition("{turns}")
        # Not `format`, and the turns last: braces in what was said are no fields.
        head, tail = (half.replace("{summary}", summary or _NO_SUMMARY) for half in (head, tail))
        return user(f"{head}{turns if turns_mark else ''}{tail}")

    def options(self) -> CallOptions:
        """How the summary is asked for."""
        options: CallOptions = {
            "sampling": Sampling(max_tokens=self.max_tokens),
            "labels": {"task": SUMMARY_TASK},
        }
        if self.model is not None:
            options["model"] = self.model
        return options

    def asked(self, client: BaseClient) -> BaseClient:
        """Whom to ask.

        Raises:
            ConfigError: One client blocks and the other one does not.
        """
        chosen = self.client or client
        if calls.is_blocking(chosen) != calls.is_blocking(client):
            raise ConfigError("the client of the summary must be of the same kind: both Client, or both AsyncClient")
        return chosen

    def pieces(self, messages: Sequence[Message], client: BaseClient, limit: int) -> Iterator[str]:
        """The turns as texts, each short enough to be summarised in a window of `limit` tokens."""
        model = self.model or self.asked(client).model
        counter = PromptCounter(model)
        windows = [known(name).context_tokens for _, name in leaves(model)]
        # The summary before is in the prompt, and the new one comes behind it.
        fixed = counter.count([self.written("", "")]).tokens + 2 * self.max_tokens
        room = max(_LEAST_PIECE, min([limit, *(window for window in windows if window is not None)]) - fixed)
        piece: list[str] = []
        taken = 0
        for message in messages:
            text = _shortened(transcript([message]), room, counter)
            tokens = counter.cost(user(text)) if text else 0
            if piece and taken + tokens > room:
                yield "\n\n".join(piece)
                piece, taken = [], 0
            if text:
                piece.append(text)
                taken += tokens
        if piece:
            yield "\n\n".join(piece)

    async def of(self, summary: str, messages: Sequence[Message], client: BaseClient, limit: int) -> str:
        """A summary of the one before and these turns.

        Raises:
            RequestError: No answer, or one without text.
            BudgetError: The Scope's budget is spent.
        """
        asked = self.asked(client)
        for piece in self.pieces(messages, client, limit):
            answer = await calls.complete(asked, self.written(summary, piece), **self.options())
            summary = answer.text.strip()
            if not summary:
                raise RequestError("the model gave no summary", provider=answer.provider, model=answer.model)
        return summary


def transcript(messages: Sequence[Message]) -> str:
    """Turns as text for a model to read: who said what, which tools were called and what they gave.

    Reasoning is left out, and of pictures, recordings and files it is only said that they were there.
    """
    lines: list[str] = []
    for message in messages:
        said = [text for part in message.parts if (text := _said(part))]
        if said:
            lines.append(f"{message.role}: " + "\n".join(said))
    return "\n\n".join(lines)


def context(facts: Sequence[str], summary: str) -> tuple[Message, ...]:
    """The system messages that facts and summary are."""
    made: list[Message] = []
    if facts:
        made.append(system(FACTS_PROMPT.replace("{facts}", "\n".join(f"- {fact}" for fact in facts))))
    if summary:
        made.append(system(SUMMARY_CONTEXT.replace("{summary}", summary)))
    return tuple(made)


def _said(part: Part) -> str:
    match part:
        case Text() | Refusal():
            return part.text
        case ToolCall():
            return f"[calls {part.name} with {part.arguments or '{}'}]"
        case ToolResult():
            return f"[{'failed' if part.is_error else 'gave'}: {part.content}]"
        case _:
            kind: Any = type(part).__name__
            return "" if kind == "Reasoning" else f"[{kind.lower()}]"


def _shortened(text: str, room: int, counter: PromptCounter) -> str:
    """The text, or its beginning and its end where it has more tokens than there is room."""
    while len(text) > len(_CUT) + 2 and (tokens := counter.cost(user(text))) > room:
        half = max(1, int(len(text) * room / tokens * 0.45))
        shorter = text[:half].removesuffix(_CUT) + _CUT + text[-half:]
        if len(shorter) >= len(text):
            break
        text = shorter
    return text

"""What a request needs, and which routes have it. A constraint is never weighed against anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from inferail.telemetry.estimate import estimate_usage
from inferail.types.message import Audio, File, Image, Text

if TYPE_CHECKING:
    from inferail.routing.router.route import Lane
    from inferail.types.request import Request

__all__ = ["ANSWER_ROOM", "Demand", "missing"]

ANSWER_ROOM: Final = 256  # tokens that an answer is given in the context window where the request does not say
_FRAME: Final = 16  # more tokens than any format puts around a message

# Needs that a server may fail to notice by itself: unknown is not enough for them.
_SILENT: Final = ("vision", "audio", "files")
_WORDS: Final = {
    "tools": "it has no tools",
    "schema": "it has no output schema",
    "vision": "it sees no pictures",
    "audio": "it hears no recordings",
    "files": "it reads no documents",
}
_MEDIA: Final[dict[type, str]] = {Image: "vision", Audio: "audio", File: "files"}


class Demand:
    """What a request needs. Made in about a microsecond: nothing is counted that need not be.

    Attributes:
        needs: Names of abilities, and the policy labels with their values; equal for requests that the same routes can take.
        at_most: A number of prompt tokens that is certainly not exceeded: no tokenizer makes more tokens than bytes.
        prompt_tokens: About how many prompt tokens there are.
        answer_tokens: The room that the answer asks for.
    """

    __slots__ = ("answer_tokens", "at_most", "needs", "prompt_tokens")

    def __init__(self, request: Request, labels: Mapping[str, str], policies: Sequence[str]) -> None:
        needs: tuple[Any, ...] = ()
        size = 0
        for message in request.messages:
            size += _FRAME
            for part in message.parts:
                if type(part) is Text:
                    text = part.text
                    size += len(text) if text.isascii() else 4 * len(text)
                else:
                    kind = _MEDIA.get(type(part))
                    if kind is not None and kind not in needs:
                        needs += (kind,)
                    size = -1 << 60  # counted below
        if request.tools:
            needs += ("tools",)
        if request.output is not None:
            needs += ("schema",)
        if needs or size < 0:
            needs = tuple(sorted(needs))
            self.prompt_tokens = estimate_usage(request, 0).input_tokens
            size = 4 * self.prompt_tokens + _FRAME * (len(request.messages) + 4 * len(request.tools))
        else:
            self.prompt_tokens = size // 4
        for policy in policies:
            if (asked := labels.get(policy)) is not None:
                needs += ((policy, asked),)
        self.needs = needs
        self.at_most = size
        self.answer_tokens = request.sampling.max_tokens or ANSWER_ROOM


def missing(lane: Lane, needs: tuple[Any, ...], *, governed: bool = False) -> str | None:
    """The first constraint in `needs` that a route does not meet, in words; None if it meets all.

    Where a DataPolicy is in force (`governed`), that decides about routes which say nothing of their data themselves.
    """
    for need in needs:
        if isinstance(need, str):
            able = lane.able[need]
            if able is False or (able is None and need in _SILENT):
                return _WORDS[need] if able is False else f"{_WORDS[need]}, as far as is known (say {need}=True)"
        else:
            policy, asked = need
            if governed and policy == "data" and policy not in lane.allowed:
                continue
            allowed = lane.allowed.get(policy, frozenset())
            wanted = {word.strip() for word in asked.split(",")}
            if not wanted <= allowed:
                return f"its {policy} policy is not {', '.join(sorted(wanted - allowed))}"
    return None

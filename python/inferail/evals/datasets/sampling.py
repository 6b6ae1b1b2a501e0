"""Production traffic as a dataset, redacted: from the requests that failed and were kept, or from what passes by.

The ledger's Records hold no prompts. What there is of them are the requests of failed attempts (`FailedPayloads`) and the calls of
a running program (`Sampled`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError, InferailError
from inferail.evals.case import Case
from inferail.evals.datasets.jsonl import save
from inferail.evals.datasets.reservoir import Reservoir
from inferail.replaying.decoding import decoded, embeds
from inferail.telemetry.payloads.redacting import default_redactor
from inferail.types.message import Message, Text
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.request import Request

if TYPE_CHECKING:
    import os

    from inferail.telemetry.payloads.keeper import FailedPayloads, Kept
    from inferail.telemetry.payloads.redacting import Redacting
    from inferail.types.model import DeltaStream, Model
    from inferail.types.response import Response

__all__ = ["Sample", "Sampled", "sample_payloads"]

_SAID: Final = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of what was asked. What a good answer is, nobody knows yet: `expected` is for people or a judge.

    Attributes:
        cases: The cases, redacted, in the order of the traffic.
        seen: How many requests there were.
        skipped: How many of the drawn ones are no cases, by reason.
    """

    cases: tuple[Case, ...] = field(repr=False)
    seen: int
    skipped: Mapping[str, int]

    def save(self, path: str | os.PathLike[str]) -> int:
        """Writes them for `load`, and gives their number.

        Raises:
            ConfigError: The file cannot be written.
        """
        return save(self.cases, path)


def sample_payloads(
    payloads: FailedPayloads,
    size: int,
    *,
    seed: int = 0,
    redactor: Redacting | None = None,
    where: Callable[[Kept], bool] | None = None,
) -> Sample:
    """A uniform sample of the kept requests, deterministic by its seed.

    A request becomes a case if it is a conversation in text. Its id is that of its Record; its tags are the class of the error and
    the label `task`, where it had one. It is redacted once more, whatever the store did.

    Args:
        payloads: What was kept.
        size: How many requests are drawn; fewer become cases where some are skipped.
        seed: Of the draws.
        redactor: Takes personal data and secrets out; by default a `Redactor()`.
        where: Which requests count, by their line of the index.

    Raises:
        ConfigError: The size is wrong, or the store cannot be read.
    """
    reservoir: Reservoir[str] = Reservoir(size, seed=seed)
    for kept in payloads.index():
        if where is None or where(kept):
            reservoir.offer(kept.id)
    clean = default_redactor() if redactor is None else redactor
    cases: list[Case] = []
    skipped: Counter[str] = Counter()
    for identity in reservoir.items:
        case = _kept_case(payloads, identity, clean)
        if isinstance(case, Case):
            cases.append(case)
        else:
            skipped[case] += 1
    return Sample(tuple(cases), reservoir.seen, dict(skipped))


class Sampled(Around):
    """A Model around another one that keeps a uniform sample of what it is asked, redacted, in memory. It changes no call.

        sampled = Sampled("openai:gpt-5-mini", 500)
        …
        sampled.sample().save("week.jsonl")

    Redaction is done for requests that have a place in the sample: in the long run for size / n of them.
    """

    def __init__(
        self, model: str | Model, size: int, *, seed: int = 0, redactor: Redacting | None = None, **target: Any
    ) -> None:
        """Sets it up.

        Args:
            model: `provider:model`, or any Model.
            size: How many requests are kept.
            seed: Of the draws.
            redactor: Takes personal data and secrets out; by default a `Redactor()`.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, or a wrong size.
        """
        self.model: Model = resolve(model, **target)
        self._reservoir: Reservoir[Case | str] = Reservoir(size, seed=seed)
        self._redactor = default_redactor() if redactor is None else redactor

    @property
    def name(self) -> str:
        """`sampled(…)` around the name of the model."""
        return f"sampled({self.model.name})"

    def __repr__(self) -> str:
        return f"Sampled({self.model.name!r}, seen={self._reservoir.seen})"

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer."""
        self._take(request)
        return await self.model.generate(request)

    def stream(self, request: Request) -> DeltaStream:
        """The model's answer while it arrives."""
        self._take(request)
        return self.model.stream(request)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send.

        Raises:
            ConfigError: It sends nothing over a wire.
        """
        explain: Callable[..., str] | None = getattr(self.model, "explain", None)
        if explain is None:
            raise ConfigError(f"{self.model.name} sends nothing over a wire, so there is nothing to explain")
        return explain(request, stream=stream)

    def sample(self) -> Sample:
        """What is kept by now."""
        drawn = self._reservoir.items
        cases = {each.id: each for each in drawn if isinstance(each, Case)}  # the same question asked twice is one case
        skipped = Counter(each for each in drawn if isinstance(each, str))
        if repeated := len(drawn) - len(cases) - skipped.total():
            skipped["repeated"] = repeated
        return Sample(tuple(cases.values()), self._reservoir.seen, dict(skipped))

    def _take(self, request: Request) -> None:
        place = self._reservoir.place()
        if place is not None:
            try:
                case = _case(request, self._redactor)
            except Exception:  # noqa: BLE001 - a sample never breaks the call it looks at
                case = "not redacted"
            self._reservoir.put(place, case)


def _kept_case(payloads: FailedPayloads, identity: str, redactor: Redacting) -> Case | str:
    """The case of a payload, or why it is none."""
    try:
        payload = payloads.get(identity)
        if payload.obstacle is not None:
            return "not kept whole"
        if embeds(payload):
            return "embeddings"
        request = decoded(payload).request
    except InferailError as error:
        return f"cannot be read ({type(error).__name__})"
    if not isinstance(request, Request):
        return "embeddings"
    return _case(request, redactor, identity, (payload.record.error,) if payload.record.error else ())


def _case(request: Request, redactor: Redacting, identity: str = "", tags: tuple[str, ...] = ()) -> Case | str:
    """A request as a case, or why it is none: what a case does not say would be missing when it is asked again."""
    if request.tools:
        return "tools"
    if request.output is not None:
        return "output schema"
    if not all(_in_text(message) for message in request.messages):
        return "not only text"
    rows = [{"role": message.role, "content": redactor.redact(message.text)} for message in request.messages]
    task = request.labels.get("task")
    given: Any = rows[0]["content"] if len(rows) == 1 and rows[0]["role"] == "user" else rows
    return Case(given, tags=(*tags, redactor.redact(task)) if task else tags, id=identity)


def _in_text(message: Message) -> bool:
    return message.role in _SAID and all(isinstance(part, Text) for part in message.parts) and bool(message.text)

"""What a request is about and how hard it is: explicit labels first, then a classifier in this process or a model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from inferail.core import TaskModel
from inferail.errors import CancelledError, CapacityError, ConfigError, RequestError
from inferail.governance.gate import carried
from inferail.routing.aside import within
from inferail.transport.clock import clock_of
from inferail.types.message import system, user
from inferail.types.registry import resolve
from inferail.types.request import Request, Sampling
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from os import PathLike

    from inferail.types.model import Model

__all__ = [
    "DEFAULT",
    "TASKS",
    "AsyncClassifier",
    "Classified",
    "Classifier",
    "LLMClassifier",
    "TaskClassifier",
    "classified",
    "labelled",
]

# Below it an output schema says more about a request than its text does.
_SURE: Final = 0.6
# Characters of a system text that can be an instruction; a longer one describes the application.
_SHORT_SYSTEM: Final = 400

# What the classifier that ships with the package tells apart. A label may name any other task.
TASKS = (
    "chat",  # small talk, greetings, feedback
    "classification",  # one of some labels: sentiment, intent, priority, yes or no
    "code",  # write, explain, test or repair a program
    "creative",  # stories, poems, slogans, letters and posts from nothing
    "extraction",  # fields, names or a table out of a text; structured output
    "question",  # facts, definitions, how-to, FAQ
    "reasoning",  # mathematics, logic, planning, trade-offs
    "rewriting",  # correct, shorten, rephrase, change the tone
    "summarization",
    "translation",
)


@dataclass(frozen=True, slots=True)
class Classified:
    """What a request was found to be.

    Attributes:
        task: One of `TASKS`, or what a label or another classifier says.
        complexity: 0 (a greeting) to 1 (a proof, a system design).
        confidence: 0 to 1, that the task is right; 1 for a label, 0 for a default.
        source: Who decided on the task: `label`, `classifier`, `model` or `default`.
    """

    task: str
    complexity: float
    confidence: float = 1.0
    source: str = "classifier"


# Where nobody knows: neither easy nor hard.
DEFAULT = Classified("chat", 0.5, 0.0, "default")


class Classifier(Protocol):
    """Decides in this process, in microseconds."""

    def classify(self, request: Request) -> Classified:
        """What `request` is about. Must not raise for any request."""
        ...


class AsyncClassifier(Protocol):
    """Decides by asking somebody; has its own deadline and gives its default where that passes."""

    async def classify_async(self, request: Request) -> Classified:
        """What `request` is about. Raises nothing but what ends the whole call (a cancellation, a spent budget)."""
        ...


async def classified(classifier: Classifier | AsyncClassifier | None, request: Request) -> Classified:
    """What a router goes by: the request's labels, and `classifier` for what they leave open.

    Raises:
        ConfigError: The label `complexity` is not a number from 0 to 1.
    """
    task, complexity = labelled(request)
    if task is not None and complexity is not None:
        return Classified(task, complexity, 1.0, "label")
    ask: Callable[[Request], Awaitable[Classified]] | None = getattr(classifier, "classify_async", None)
    decide: Callable[[Request], Classified] | None = getattr(classifier, "classify", None)
    if ask is not None:
        return _with(await ask(request), task, complexity)
    return _with(DEFAULT if decide is None else decide(request), task, complexity)


def labelled(request: Request) -> tuple[str | None, float | None]:
    """The labels `task` and `complexity` of a request, or else of the Scope around it; None where there is none.

    Raises:
        ConfigError: `complexity` is not a number from 0 to 1.
    """
    labels, around = request.labels, current_scope().labels
    task = labels.get("task") or around.get("task") or None
    given = labels.get("complexity") or around.get("complexity")
    if not given:
        return task, None
    try:
        complexity = float(given)
    except ValueError:
        complexity = math.nan
    if not 0.0 <= complexity <= 1.0:
        raise ConfigError(f"the label complexity must be a number from 0 to 1, for example '0.7', not {given!r}")
    return task, complexity


def _with(found: Classified, task: str | None, complexity: float | None) -> Classified:
    """`found`, with what labels say in its place."""
    if task is None and complexity is None:
        return found
    return Classified(
        found.task if task is None else task,
        found.complexity if complexity is None else complexity,
        found.confidence if task is None else 1.0,
        found.source if task is None else "label",
    )


class TaskClassifier:
    """The classifier that ships with the package: a linear model in this process, some tens of microseconds.

    It reads the last turn of the user, after the system text where that is short. A request with an output schema is an
    extraction unless the text says otherwise with confidence. Never raises; what it is not sure of is its default.
    """

    def __init__(
        self, path: str | PathLike[str] | None = None, *, default: Classified = DEFAULT, min_confidence: float = 0.2
    ) -> None:
        """Reads the weights.

        Args:
            path: A file of `scripts/train_task_classifier.py`, trained on prompts of your own; by default ours.
            default: What a request is whose task is less likely than `min_confidence`; its complexity is kept.
            min_confidence: 0 to 1.

        Raises:
            ConfigError: `min_confidence` is out of its range.
            FormatError: The file is damaged, or something else.
        """
        if not (isinstance(min_confidence, int | float) and 0.0 <= min_confidence <= 1.0):
            raise ConfigError(f"min_confidence must be a number from 0 to 1, not {min_confidence!r}")
        self._model = TaskModel(path or Path(__file__).parent / "data" / "tasks.model")
        self._default = default
        self._min_confidence = min_confidence

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it tells apart."""
        return self._model.tasks

    def classify(self, request: Request) -> Classified:
        """What the request is about, by its text."""
        task, confidence, complexity = self._model.classify(_asked(request))
        if request.output is not None and confidence < _SURE:
            return Classified("extraction", complexity, _SURE)
        if confidence < self._min_confidence:
            return Classified(self._default.task, complexity, confidence, "default")
        return Classified(task, complexity, confidence)


class LLMClassifier:
    """Asks a model, which should be small and near: it answers within `timeout`, or the default holds.

    The call, its retries included, has a deadline of its own inside that of the Scope, and its costs are in the records as
    any other's (reason `classify`).
    """

    def __init__(
        self,
        model: str | Model,
        tasks: Sequence[str] = TASKS,
        *,
        timeout: float = 0.05,
        default: Classified = DEFAULT,
        max_chars: int = 2_000,
    ) -> None:
        """Takes the model to ask.

        Args:
            model: `provider:model`, or any Model.
            tasks: What it may answer.
            timeout: Seconds it has.
            default: What holds where it is late, fails or answers something else.
            max_chars: How much of the prompt it is shown.

        Raises:
            ConfigError: No task, or a number out of its range.
        """
        if not tasks or isinstance(tasks, str):
            raise ConfigError("tasks must be names of tasks, for example ('code', 'chat')")
        if not (isinstance(timeout, int | float) and math.isfinite(timeout) and timeout > 0):
            raise ConfigError(f"timeout must be a positive number of seconds, not {timeout!r}")
        self.model = resolve(model)
        self.tasks = tuple(tasks)
        self._timeout = timeout
        self._default = default
        self._max_chars = max_chars
        self._instructions = (
            "You sort requests to an assistant; you do not answer them. Reply with one line: a task and how hard it is, from "
            f"0 (trivial) to 1 (very hard), for example '{self.tasks[0]} 0.3'. The tasks: {', '.join(self.tasks)}."
        )

    async def classify_async(self, request: Request) -> Classified:
        """What the model says; the default if it says nothing in time.

        Raises:
            CancelledError: The Scope was cancelled.
            BudgetError: Its budget is spent.
        """
        scope = current_scope()
        now = clock_of(scope).now()
        deadline = min(now + self._timeout, math.inf if scope.deadline is None else scope.deadline)
        left = max(0.0, deadline - now)
        blocking = scope.transport is not None and scope.transport.blocking
        asked = _asked(request)
        question = asked if len(asked) <= self._max_chars else f"{asked[: self._max_chars]} …"
        prompt = Request(
            messages=(system(self._instructions), user(f"<request>\n{question}\n</request>")),
            sampling=Sampling(temperature=0.0, max_tokens=16),
        )
        with carried(request).but(deadline=deadline, reason="classify", alternatives=0).enter():
            try:
                answer = await within(lambda: self.model.generate(prompt), left, blocking=blocking)
            except CancelledError:
                raise
            except (RequestError, CapacityError, ConfigError):
                return self._default
        return self._default if answer is None else self._read(answer.text)

    def _read(self, text: str) -> Classified:
        words = re.findall(r"\w+", text.lower())
        task = next((task for task in self.tasks if task.lower() in words), None)
        if task is None:
            return self._default
        numbers = map(float, re.findall(r"\d*\.\d+|\d+", text))
        complexity = next((number for number in numbers if 0.0 <= number <= 1.0), self._default.complexity)
        return Classified(task, complexity, 1.0, "model")


def _asked(request: Request) -> str:
    """The text that says what is wanted: the last of the user's turns, and the system text where that is short."""
    turn = next((message for message in reversed(request.messages) if message.role == "user"), request.messages[-1])
    instructions = request.messages[0]
    if instructions.role == "system" and len(told := instructions.text) <= _SHORT_SYSTEM:
        return f"{told}\n{turn.text}"
    return turn.text

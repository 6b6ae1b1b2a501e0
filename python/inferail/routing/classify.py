"""What a request is about and how hard it is: explicit labels first, then a classifier in this process or a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from inferail.errors import ConfigError
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.request import Request

__all__ = ["DEFAULT", "TASKS", "AsyncClassifier", "Classified", "Classifier", "classified", "labelled"]

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
    ask = getattr(classifier, "classify_async", None)
    if ask is not None:
        found: Classified = await ask(request)
    else:
        found = DEFAULT if classifier is None else classifier.classify(request)  # type: ignore[union-attr]
    return _with(found, task, complexity)


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

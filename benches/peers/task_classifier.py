"""How often the classifier of tasks is right, who it takes for whom, and how long a decision takes.

    python benches/peers/task_classifier.py [--intents data_full.json]

Measured on `scripts/task_prompts/held_out.txt`, which nothing is trained on. With `--intents` the same features and the same
training are also measured on a public set of intents in the format of CLINC150 (`{"train": [[text, intent], …], "test": …}`,
from github.com/clinc/oos-eval, not part of this repository). Beside it: naive Bayes on the same features, and on words alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import inferail as ir
from inferail.core import BUILD_INFO, TaskModel, __version__
from inferail.routing.classify import TaskClassifier
from inferail.types.request import Request
from report import ROOT, command_line, number, table, write_section

sys.path.insert(0, str(ROOT / "scripts"))
import train_task_classifier as training

INTENT_BITS = 16


def naive_bayes(
    features: Sequence[Any], places: Sequence[int], outputs: int, tested: Sequence[Any], size: int
) -> np.ndarray[Any, Any]:
    """What naive Bayes with add-one smoothing makes of the sets of features `tested`."""
    counts = np.ones((size, outputs))
    for buckets, place in zip(features, places, strict=True):
        counts[buckets, place] += 1
    weights = np.log(counts / counts.sum(axis=0))
    prior = np.log(np.bincount(places, minlength=outputs) + 1)
    return np.array([int((weights[buckets].sum(axis=0) + prior).argmax()) for buckets in tested])


def words_of(texts: Sequence[str], known: dict[str, int]) -> list[np.ndarray[Any, Any]]:
    """The words of each text as numbers; those not seen before get a number of their own while `known` is open."""
    return [np.array(sorted({known.setdefault(word, len(known)) for word in text.lower().split()})) for text in texts]


def word_bayes(trained: Sequence[str], places: Sequence[int], outputs: int, tested: Sequence[str]) -> Any:
    """Naive Bayes on whole words."""
    known: dict[str, int] = {}
    seen = words_of(trained, known)
    new = words_of(tested, known)
    return naive_bayes(seen, places, outputs, new, len(known))


def microseconds(call: Callable[[], object]) -> float:
    """Of one call: the best of seven rounds of two thousand."""
    best = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(2_000):
            call()
        best = min(best, time.perf_counter() - began)
    return best / 2_000 * 1e6


def held_out() -> str:
    """Accuracy, errors and confusion on the prompts that were kept out."""
    model, prompts, trained = TaskModel(training.MODEL), training.held_out(), training.training()
    found = training.measured(model, prompts)
    tasks, texts = list(model.tasks), [prompt.text for prompt in trained]
    places = [tasks.index(prompt.task) for prompt in trained]
    truth = np.array([tasks.index(prompt.task) for prompt in prompts])
    tested = [prompt.text for prompt in prompts]
    features = training.features_of(texts)
    bayes = naive_bayes(features, places, len(tasks), training.features_of(tested), 1 << training.BITS)
    rows = [
        ["**inferail**: linear, hashed words and pieces", f"{found['accuracy']:.1%}"],
        ["naive Bayes on the same features", f"{(bayes == truth).mean():.1%}"],
        ["naive Bayes on words", f"{(word_bayes(texts, places, len(tasks), tested) == truth).mean():.1%}"],
        ["always the same task", f"{np.bincount(truth).max() / len(truth):.1%}"],
    ]
    confused = [
        [task, *(str(found["confusion"].get((task, other), "")) for other in tasks), _share(found["confusion"], task)]
        for task in tasks
    ]
    return (
        f"{len(trained):,} prompts to train on (from hand-written templates and prompts), {len(prompts)} held out: written by "
        "hand without the templates and passages of the others. The complexity is off by "
        f"{found['complexity_error']:.3f} on average, on a scale from 0 to 1, of what the author of the prompt gave it.\n\n"
        + table(["held out", "right"], rows)
        + "\n\nWhat a prompt is (row) and is taken for (column):\n\n"
        + table(["", *tasks, "right"], confused)
    )


def _share(confusion: dict[tuple[str, str], int], task: str) -> str:
    total = sum(count for (truth, _), count in confusion.items() if truth == task)
    return f"{confusion.get((task, task), 0) / total:.0%}"


def times() -> str:
    """Microseconds of a decision, from Python."""
    classifier = TaskClassifier()
    sentence = "Please read the report below and tell me which of the three options you would choose and why. "
    rows: list[list[str]] = []
    for size in (40, 200, 1_000, 4_000, 100_000):
        text = (sentence * (size // len(sentence) + 1))[:size]
        request = Request((ir.user(text),))
        rows.append([f"{size:,}", number(microseconds(lambda request=request: classifier.classify(request)))])
    return "A decision, `TaskClassifier.classify(request)`:\n\n" + table(["characters of the prompt", "µs"], rows)


def intents(path: Path) -> str:
    """The same features and training on a public set."""
    data = json.loads(path.read_text(encoding="utf-8"))
    names = sorted({intent for _, intent in data["train"]})
    texts, truth = [text for text, _ in data["train"]], [names.index(intent) for _, intent in data["train"]]
    tested, expected = [text for text, _ in data["test"]], np.array([names.index(i) for _, i in data["test"]])
    features, unseen = training.features_of(texts, INTENT_BITS), training.features_of(tested, INTENT_BITS)
    began = time.perf_counter()
    linear = training.fit(features, training.one_hot(truth, len(names)), bits=INTENT_BITS, smoothing=0.0)
    took = time.perf_counter() - began
    right = linear.scores(unseen).argmax(axis=1) == expected
    bayes = naive_bayes(features, truth, len(names), unseen, 1 << INTENT_BITS) == expected
    words = word_bayes(texts, truth, len(names), tested) == expected
    rows = [
        ["**inferail**: linear, hashed words and pieces", f"{right.mean():.1%}"],
        ["naive Bayes on the same features", f"{bayes.mean():.1%}"],
        ["naive Bayes on words", f"{words.mean():.1%}"],
    ]
    return (
        f"The same features and training on CLINC150: {len(names)} intents, {len(texts):,} sentences to train on ({took:.0f} s), "
        f"{len(tested):,} to test, without those out of scope, {1 << INTENT_BITS:,} buckets.\n\n"
        + table(["CLINC150", "right"], rows)
    )


def main() -> None:
    """Measures, and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=Path, help="data_full.json of CLINC150")
    options = parser.parse_args()
    if BUILD_INFO["profile"] == "debug":
        raise SystemExit("the extension is a debug build: its times mean nothing")

    parts = [held_out(), times()]
    if options.intents is not None:
        parts.append(intents(options.intents))
    body = "\n\n".join(parts)
    command = command_line().replace(str(options.intents), "data_full.json")
    write_section("tasks", "The classifier of tasks", command, {"inferail": __version__, "numpy": np.__version__}, body)
    print(body)


if __name__ == "__main__":
    main()

"""Trains the classifier of tasks that ships with the package, and writes `python/inferail/routing/data/tasks.model`.

    python scripts/train_task_classifier.py [--check]

The prompts are in `scripts/task_prompts`: a file of templates for each task, and the slots that fill them. Each template is
filled several times, by a generator with a fixed seed, so the same files give the same model, bit for bit on one machine.
`held_out.txt`, whose prompts share no template and no passage with the others, is for measuring alone. Needs numpy.
"""

from __future__ import annotations

import argparse
import random
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inferail.core import TaskModel

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ROOT / "scripts" / "task_prompts"
MODEL = ROOT / "python" / "inferail" / "routing" / "data" / "tasks.model"
MAGIC = b"IRTASKS\x01"
BITS = 14
FILLED = 8  # times that each template with slots is filled
SEED = 20_261_128

F32: TypeAlias = NDArray[np.float32]
_SLOT = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Prompt:
    """One example: what it is about, how hard it is from 0 to 1, and its text."""

    task: str
    complexity: float
    text: str


def held_out() -> list[Prompt]:
    """The prompts that nothing is trained on."""
    return [Prompt(task, float(hard), text) for task, hard, text in _lines("held_out", 3)]


def training() -> list[Prompt]:
    """The templates, filled."""
    slots = {name: [each.strip() for each in values.split(" | ")] for name, values in _lines("slots", 2, ": ")}
    chance = random.Random(SEED)
    found: list[Prompt] = []
    for path in sorted(PROMPTS.glob("*.txt")):
        if path.stem in ("held_out", "slots"):
            continue
        for hard, template in _lines(path.stem, 2):
            names = _SLOT.findall(template)
            for _ in range(FILLED if any(name in slots for name in names) else 1):
                text = _SLOT.sub(lambda slot: chance.choice(slots[slot[1]]) if slot[1] in slots else slot[0], template)
                found.append(Prompt(path.stem, float(hard), _varied(text.replace("\\n", "\n"), chance)))
    return found


def _varied(text: str, chance: random.Random) -> str:
    """As people type: sometimes in small letters, without the last stop, or with a polite word."""
    draw = chance.random()
    if draw < 0.12:
        return text.lower()
    if draw < 0.2:
        return text.rstrip(".?!")
    if draw < 0.26 and text[:1].isascii():
        return f"Please {text[:1].lower()}{text[1:]}"
    if draw < 0.3 and text[:1].isascii():
        return f"{text} Thanks!"
    return text


def _lines(name: str, parts: int, between: str = "|") -> list[list[str]]:
    text = (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")
    return [line.split(between, parts - 1) for line in text.splitlines() if line and not line.startswith("#")]


@dataclass(frozen=True)
class Linear:
    """Weights `[buckets, outputs]` and biases `[outputs]` of a log-linear model."""

    weights: F32
    bias: F32

    def scores(self, features: Sequence[NDArray[np.int64]]) -> F32:
        """Of each set of features, `[examples, outputs]`."""
        sums = [self.weights[buckets].sum(axis=0) / np.sqrt(max(1, len(buckets))) for buckets in features]
        return np.asarray(sums, dtype=np.float32) + self.bias


def features_of(texts: Sequence[str], bits: int = BITS) -> list[NDArray[np.int64]]:
    """What the model sees of each text."""
    return [np.asarray(TaskModel.features(text, bits=bits), dtype=np.int64) for text in texts]


def fit(
    features: Sequence[NDArray[np.int64]],
    targets: F32,
    *,
    bits: int = BITS,
    logistic: bool = False,
    epochs: int = 10,
    smoothing: float = 0.1,
    rate: float = 0.5,
    decay: float = 2e-5,
    batch: int = 64,
) -> Linear:
    """A log-linear model by stochastic gradients with a rate per weight (AdaGrad).

    Args:
        features: The buckets of each example.
        targets: `[examples, outputs]`: a distribution over outputs, or, `logistic`, a number from 0 to 1 for each.
        bits: Of a bucket's number.
        logistic: Each output for itself instead of a softmax over all.
        epochs: How often each example is seen.
        smoothing: Share of each target that is spread over all outputs, so that the shares it gives are not all near 1.
        rate: Of learning.
        decay: What a weight loses of itself at each step in which it is used.
        batch: Examples in a step.
    """
    outputs = targets.shape[1]
    if not logistic:
        targets = np.asarray(targets * (1 - smoothing) + smoothing / outputs, dtype=np.float32)
    weights = np.zeros((1 << bits, outputs), dtype=np.float32)
    squares = np.full((1 << bits, outputs), 1e-2, dtype=np.float32)
    bias, bias_squares = np.zeros(outputs, dtype=np.float32), np.full(outputs, 1e-2, dtype=np.float32)
    order = np.random.default_rng(SEED)
    for _ in range(epochs):
        shuffled: list[int] = order.permutation(len(features)).tolist()
        for begin in range(0, len(shuffled), batch):
            chosen = shuffled[begin : begin + batch]
            sets: list[NDArray[np.int64]] = [features[each] for each in chosen]
            used, place = np.unique(np.concatenate(sets), return_inverse=True)
            rows = np.repeat(np.arange(len(sets)), [len(buckets) for buckets in sets])
            dense = np.zeros((len(sets), len(used)), dtype=np.float32)
            dense[rows, place] = np.repeat(
                [1 / np.sqrt(max(1, len(buckets))) for buckets in sets], [len(buckets) for buckets in sets]
            )
            guess = dense @ weights[used] + bias
            wrong = np.subtract(_sigmoid(guess) if logistic else _softmax(guess), targets[chosen])
            slope = dense.T @ wrong + decay * len(sets) * weights[used]
            squares[used] += slope * slope
            weights[used] -= rate * slope / np.sqrt(squares[used])
            bias_slope = wrong.sum(axis=0)
            bias_squares += bias_slope * bias_slope
            bias -= 0.1 * rate * bias_slope / np.sqrt(bias_squares)
    return Linear(weights, bias)


def _softmax(scores: F32) -> F32:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _sigmoid(scores: F32) -> F32:
    return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)


def one_hot(places: Sequence[int], outputs: int) -> F32:
    """`[examples, outputs]`, 1 at each place."""
    table = np.zeros((len(places), outputs), dtype=np.float32)
    table[np.arange(len(places)), places] = 1
    return table


def written(tasks: Sequence[str], of_tasks: Linear, of_complexity: Linear) -> bytes:
    """The file of a model: see `rust/text/src/classifier/model.rs`."""
    weights = np.concatenate([of_tasks.weights, of_complexity.weights], axis=1)
    bias = np.concatenate([of_tasks.bias, of_complexity.bias])
    # The few largest weights are cut rather than that all others lose a bit.
    scale = np.maximum(np.quantile(np.abs(weights), 0.9995, axis=0), 1e-6) / 127
    rounded = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    body = MAGIC + bytes([BITS, len(tasks)])
    body += b"".join(bytes([len(task.encode())]) + task.encode() for task in tasks)
    body += b"".join(struct.pack("<ff", float(b), float(s)) for b, s in zip(bias, scale, strict=True))
    body += bytes(rounded.tobytes())
    return body + struct.pack("<I", zlib.crc32(body))


def trained() -> bytes:
    """The file of the model that the committed prompts give."""
    prompts = training()
    tasks = sorted({prompt.task for prompt in prompts})
    features = features_of([prompt.text for prompt in prompts])
    of_tasks = fit(features, one_hot([tasks.index(prompt.task) for prompt in prompts], len(tasks)))
    hard = np.asarray([[prompt.complexity] for prompt in prompts], dtype=np.float32)
    return written(tasks, of_tasks, fit(features, hard, logistic=True))


def measured(model: TaskModel, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """How often the task is right, how far the complexity is off on average, and who is taken for whom."""
    confused: dict[tuple[str, str], int] = {}
    off = 0.0
    for prompt in prompts:
        task, _, complexity = model.classify(prompt.text)
        confused[prompt.task, task] = confused.get((prompt.task, task), 0) + 1
        off += abs(complexity - prompt.complexity)
    right = sum(count for (truth, found), count in confused.items() if truth == found)
    return {"accuracy": right / len(prompts), "complexity_error": off / len(prompts), "confusion": confused}


def main() -> None:
    """Writes the model, or (`--check`) says whether it is the one these prompts give; then how good it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the file would be another")
    options = parser.parse_args()

    file = trained()
    if options.check:
        if MODEL.read_bytes() != file:
            raise SystemExit(f"{MODEL.relative_to(ROOT)} is not what the prompts give: run this without --check")
    else:
        MODEL.parent.mkdir(exist_ok=True)
        MODEL.write_bytes(file)
    model = TaskModel(MODEL)
    for name, prompts in (("training", training()), ("held out", held_out())):
        found = measured(model, prompts)
        print(
            f"{name}: {len(prompts)} prompts, {found['accuracy']:.1%} right, complexity off by {found['complexity_error']:.3f}"
        )
        wrong = {pair: count for pair, count in found["confusion"].items() if pair[0] != pair[1]}
        for (truth, guess), count in sorted(wrong.items(), key=lambda each: -each[1])[:20]:
            print(f"  {truth} taken for {guess}: {count}")


if __name__ == "__main__":
    main()

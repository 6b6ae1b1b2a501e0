"""What a prompt says twice, in vain or in the wrong place, and the tokens that are in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from inferail.pipelines.prompts import frontmatter
from inferail.pipelines.prompts.dialect import role_tags
from inferail.pipelines.prompts.report import text_tokenizer

if TYPE_CHECKING:
    from inferail.core import Tokenizer
    from inferail.pipelines.prompts.template import PromptTemplate

__all__ = ["RULES", "Finding", "lint", "tidied"]

RULES: Final = {
    "blanks": "blanks at the end of a line, and more than one empty line in a row",
    "said-twice": "a sentence that stands there twice",
    "example-twice": "a paragraph of several lines that stands there twice",
    "unused-variable": "a variable of input.schema that the text does not use",
    "untyped-variables": "variables without an input.schema: nothing about them is checked",
    "variable-first": "a variable in front of text that never changes: nothing behind it is cached",
    "clock": "a time or an id in the prompt: what is behind it is another prompt each time",
    "late-system": "a system message behind other messages, which no request may have",
    "no-version": "no version in the head",
}
"""Every rule and what it finds."""

_SENTENCE: Final = re.compile(r"[^.!?\n]*[^.!?\s][^.!?\n]*[.!?]*")
_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HOLE: Final = re.compile(
    r"\{\{[{&]?(?!\s*(?:role|history|section|media)\b|[!#/>]|\s*else\b).*?\}\}|\{\{[~]?#(?:each|with)|\{%-?\s*for\b",
    re.DOTALL,
)
_CLOCK: Final = re.compile(
    r"strftime_now|\b(?:now|today|timestamp|current_?(?:date|time)|date_?time|request_?id|session_?id|uuid|nonce)\b",
    re.IGNORECASE,
)
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)")
_LEAST_WORDS: Final = 4
_LEAST_PREFIX: Final = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at in a prompt.

    Attributes:
        rule: Which rule, a name in `RULES`.
        line: The line of the file, from 1.
        message: What it is and what to do.
        tokens: How many tokens of each call are at stake; 0 where that is no matter of tokens.
    """

    rule: str
    line: int
    message: str
    tokens: int = 0

    def __str__(self) -> str:
        at_stake = f" ({self.tokens:,} tokens)" if self.tokens else ""
        return f"{self.line}: {self.rule}: {self.message}{at_stake}"


def lint(prompt: PromptTemplate, model: str = "openai:gpt-5") -> list[Finding]:
    """What is to be looked at in a prompt, in the order of its lines. Nothing is changed.

    Args:
        prompt: The prompt.
        model: Whose tokens are counted.
    """
    tokenizer = text_tokenizer(model)
    found = [
        *_blanks(prompt, tokenizer),
        *_repeats(prompt, tokenizer),
        *_variables(prompt),
        *_order(prompt, tokenizer),
    ]
    if prompt.settings.version is None:
        found.append(Finding("no-version", 1, "give it a version in the head, version: 1.0.0, so that records say it"))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def tidied(source: str) -> str:
    """The file without blanks that say nothing: at ends of lines, and empty lines after the first of a row.

    Nothing but white space is touched, the head and what stands between code fences not at all.
    """
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    head, body, _ = frontmatter.split(text)
    front = text[: len(text) - len(body)] if head or body != text else ""
    lines: list[str] = []
    fenced = False
    for line in body.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        tidy = line if fenced else line.rstrip()
        if tidy or fenced or (lines and lines[-1]):
            lines.append(tidy)
    return front + "\n".join(lines).rstrip("\n") + "\n" * body.endswith("\n")


def _blanks(prompt: PromptTemplate, tokenizer: Tokenizer) -> Iterator[Finding]:
    tidy = frontmatter.split(tidied(prompt.source))[1].strip()
    if tidy == prompt.body:
        return
    saved = tokenizer.count(prompt.body) - tokenizer.count(tidy)
    changed = next(
        (
            number
            for number, (one, other) in enumerate(zip(prompt.body.split("\n"), tidy.split("\n"), strict=False))
            if one != other
        ),
        0,
    )
    message = "blanks that say nothing: `inferail prompts lint --fix` takes them out"
    yield Finding("blanks", _line(prompt, _start_of(prompt.body, changed)), message, max(0, saved))


def _repeats(prompt: PromptTemplate, tokenizer: Tokenizer) -> Iterator[Finding]:
    body = prompt.body
    paragraphs: dict[str, int] = {}
    covered: list[range] = []
    for start, paragraph in _paragraphs(body):
        if paragraph.count("\n") < 1:
            continue
        first = paragraphs.setdefault(_normal(paragraph), start)
        if first != start:
            covered.append(range(start, start + len(paragraph)))
            message = f"the same lines stand on line {_line(prompt, first)}"
            yield Finding("example-twice", _line(prompt, start), message, tokenizer.count(paragraph))
    sentences: dict[str, int] = {}
    blanked = _TAG.sub(lambda found: " " * len(found[0]) if "\n" not in found[0] else found[0], body)
    for found in _SENTENCE.finditer(blanked):
        words = _normal(found[0])
        if len(words.split()) < _LEAST_WORDS or any(found.start() in part for part in covered):
            continue
        first = sentences.setdefault(words, found.start())
        if first != found.start():
            message = f"the same sentence stands on line {_line(prompt, first)}: models need it once"
            at = found.start() + len(found[0]) - len(found[0].lstrip())
            yield Finding("said-twice", _line(prompt, at), message, tokenizer.count(found[0].strip()))


def _variables(prompt: PromptTemplate) -> Iterator[Finding]:
    if prompt.schema is None:
        if prompt.variables:
            message = f"give {', '.join(prompt.variables)} types in the head: input: {{schema: {{…}}}}"
            yield Finding("untyped-variables", 1, message)
        return
    for name in prompt.schema.get("properties", {}):
        if name not in prompt.variables:
            message = f"{name} is in input.schema, and the text does not use it"
            yield Finding("unused-variable", _head_line(prompt, name), message)


def _order(prompt: PromptTemplate, tokenizer: Tokenizer) -> Iterator[Finding]:
    body = prompt.body
    roles = list(role_tags(body))
    spoke = bool(roles and body[: roles[0][1]].strip())
    for role, start, _ in roles:
        if role == "system" and spoke:
            yield Finding("late-system", _line(prompt, start), "put the system message first")
        spoke = spoke or role != "system"
    clock = next((found for found in _TAG.finditer(body) if _CLOCK.search(found[0])), None)
    if clock is not None:
        behind = tokenizer.count(_TAG.sub("", body[clock.end() :]))
        message = "a time or an id changes the prompt each time: put it behind everything else, or leave it out"
        yield Finding("clock", _line(prompt, clock.start()), message, behind)
    hole = _HOLE.search(body)
    if hole is None or (clock is not None and clock.start() <= hole.start()):
        return
    # What stands behind the first variable in the same or a later message that never changes could stand before it.
    fixed = [text for text in _fixed(body[hole.end() :]) if tokenizer.count(text) >= _LEAST_PREFIX]
    if fixed:
        message = "this variable stands in front of text that never changes: behind it, providers could cache that text"
        yield Finding(
            "variable-first", _line(prompt, hole.start()), message, sum(tokenizer.count(text) for text in fixed)
        )


def _fixed(text: str) -> list[str]:
    """The pieces of a text between its tags."""
    return [piece.strip() for piece in _TAG.split(text) if piece.strip()]


def _paragraphs(body: str) -> Iterator[tuple[int, str]]:
    start = 0
    for piece in re.split(r"(\n[ \t]*\n+)", body):
        if piece.strip():
            yield start + len(piece) - len(piece.lstrip()), piece.strip()
        start += len(piece)


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _line(prompt: PromptTemplate, at: int) -> int:
    """The line in the file of a place in the body."""
    skipped = len(prompt.source) - len(frontmatter.split(prompt.source)[1])
    leading = prompt.source[skipped:]
    lead = leading[: len(leading) - len(leading.lstrip())].count("\n")
    return prompt.first_line + lead + prompt.body.count("\n", 0, at)


def _start_of(body: str, number: int) -> int:
    return sum(len(line) + 1 for line in body.split("\n")[:number])


def _head_line(prompt: PromptTemplate, name: str) -> int:
    lines: Sequence[str] = prompt.source.split("\n")[: prompt.first_line]
    return next((n for n, line in enumerate(lines, 1) if re.search(rf"\b{re.escape(name)}\b", line)), 1)

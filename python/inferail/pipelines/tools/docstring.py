"""What a docstring tells a model: the description of a tool, and of each of its parameters (Google style)."""

from __future__ import annotations

import inspect
import re

__all__ = ["read_docstring"]

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Params|Keyword Args|Other Parameters|Returns?|Raises|Yields|Examples?|Notes?|Attributes"
    r"|Warnings?|Warns|See Also|References|Todo):\s*\Z"
)
_PARAMETERS = frozenset({"Args", "Arguments", "Parameters", "Params", "Keyword Args", "Other Parameters"})
_ENTRY = re.compile(r"\*{0,2}(?P<name>[A-Za-z_]\w*)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)\Z")


def read_docstring(docstring: str | None) -> tuple[str, dict[str, str]]:
    """The text before the first section, and the description of each parameter by name.

    Lines of a paragraph are joined; a blank line stays a blank line. What is returned and raised is for readers of the
    code, and not part of it.
    """
    if not docstring:
        return "", {}
    before: list[str] = []
    arguments: list[str] = []
    section: str | None = None
    for line in inspect.cleandoc(docstring).splitlines():
        heading = _SECTION.match(line)
        if heading:
            section = heading[1]
        elif section is None:
            before.append(line)
        elif section in _PARAMETERS:
            arguments.append(line)
    return _paragraphs(before), _entries(arguments)


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    depth = min((_indent(line) for line in lines if line.strip()), default=0)
    current: list[str] = []
    for line in lines:
        entry = _ENTRY.match(line.strip()) if line.strip() and _indent(line) == depth else None
        if entry:
            current = found.setdefault(entry["name"], [])
            current.append(entry["text"])
        else:
            current.append(line.strip())
    return {name: text for name, texts in found.items() if (text := _paragraphs(texts))}


def _paragraphs(lines: list[str]) -> str:
    """Lines with those of one paragraph joined, as long as none of them is indented (a list, an example)."""
    paragraphs = "\n".join(lines).strip("\n").split("\n\n")
    flat = (
        paragraph if re.search(r"^(\s|[-*] )", paragraph, re.MULTILINE) else " ".join(paragraph.split())
        for paragraph in paragraphs
    )
    return "\n\n".join(flat).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

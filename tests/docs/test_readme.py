"""What the documents show works: every Python block runs, every command and every link is there.

A block is run in its own process, with keys and base URLs of a sandbox on loopback. `<!-- no-run -->` above a block leaves it
out, `<!-- continues -->` runs it behind the block before it. `await` and `async with` may stand at the top level.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY_MARKDOWN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

_BLOCK = re.compile(
    r"^(?:<!-- *(?P<mark>[\w-]+) *-->\n+)?```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\((?!\w+:)(?P<path>[^)#\s]+)")
_TARGET = re.compile(r"(?:^|[`&]|\n)\s*(?:\$ )?make (?P<name>[a-z][a-z-]*)")
_COMMAND = re.compile(r"(?:^|\n)\s*(?:\$ )?inferail (?P<name>[a-z]+)")

RUNNER = """
import ast, asyncio, inspect, sys
source = sys.stdin.read()
code = compile(source, "<document>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
names = {"__name__": "__main__"}
waiting = eval(code, names)
if inspect.iscoroutine(waiting):
    asyncio.run(waiting)
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it stands, its language and its text."""

    place: str
    language: str
    mark: str
    code: str


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document; a continuing one has the text of those it continues in front."""
    found: list[Block] = []
    text = document.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        code, mark = match["code"], match["mark"] or ""
        if mark == "continues":
            code = f"{found[-1].code}\n{code}"
        found.append(Block(f"{document.relative_to(ROOT)}:{line}", match["language"], mark, code))
    return found


EVERY_BLOCK = [block for document in DOCUMENTS if document.exists() for block in blocks(document)]
RUN = [block for block in EVERY_BLOCK if block.language == "python" and block.mark != "no-run"]


@pytest.fixture(scope="module")
def providers():
    """Environment in which every provider is a sandbox on loopback."""
    from inferail.testing.sandbox import Sandbox

    with Sandbox() as sandbox:
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        for provider in ("openai", "anthropic", "gemini"):
            environment[f"{provider.upper()}_API_KEY"] = "not-a-key"
            environment[f"INFERAIL_{provider.upper()}_BASE_URL"] = sandbox.base_url(provider)
        yield environment


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.place)
def test_python_block_runs(block, providers, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=block.code,
        cwd=tmp_path,
        env=providers,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, f"{block.place}\n{ran.stderr[-3000:]}"


@pytest.mark.parametrize("document", EVERY_MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")

    dead = [match["path"] for match in _LINK.finditer(text) if not (document.parent / match["path"]).exists()]

    assert not dead


def test_make_targets_in_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        match["name"]
        for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for match in _TARGET.finditer(document.read_text(encoding="utf-8"))
    }

    assert named <= targets


def test_commands_in_documents_exist():
    import click

    from inferail.cli import main

    named = {
        match["name"]
        for block in EVERY_BLOCK
        if block.language in {"sh", "bash", "console", "shell"}
        for match in _COMMAND.finditer(block.code)
    }

    assert named <= set(main.list_commands(click.Context(main)))

"""Five patterns written with four libraries: how much code, what it loads, what it sends, and what becomes of it under faults.

    make compare                                                   # installs the peers, rewrites docs/compare.md
    python benches/peers/patterns.py --libraries inferail --patterns structured --no-write

The programs are benches/peers/patterns/<library>/<pattern>.py, each written as its library's documentation does it. Every run
is a fresh process against a sandbox on loopback, which speaks the format of OpenAI and fails on request.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import ROOT, command_line, cpu_name, number, revision, table

sys.path.insert(0, str(ROOT / "python"))

import inferail as ir
from inferail.testing import DocumentModel, FaultyModel, Sandbox, ScriptedModel
from inferail.types.message import ToolCall
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

HERE = Path(__file__).parent / "patterns"
PAGE = ROOT / "docs" / "compare.md"
SECRET = "SECRETWORD"
LIMIT_SECONDS = 60.0
LIBRARIES = {
    "inferail": "inferail",
    "pydantic_ai": "pydantic-ai",
    "langchain": "LangChain",
    "instructor": "LiteLLM + instructor",
}
PACKAGES = {
    "pydantic_ai": ("pydantic-ai-slim",),
    "langchain": ("langchain", "langchain-openai"),
    "instructor": ("litellm", "instructor"),
}
PATTERNS = {
    "structured": f"The site is down! {SECRET}",
    "agent": f"Use order_status for order_id 1234. {SECRET}",
    "conversation": f"What is a Scope?|What is a Record?|What is a Target? {SECRET}",
    "fan_out": f"What is a Scope?|What is a Record?|What is a Target?|What is a Client?|What is a Store? {SECRET}",
    "guard": f"Write to ada@example.com: what is a Target? {SECRET}",
}
# What `part of it printed` means is for the reader: a fan-out prints a failure in the place of its answer.
FAULTS = ("none", "500 once", "429 once", "500", "429-0.1", "cut-3", "empty", "html", "error200")
ONLY_STRUCTURED = ("malformed", "field missing once", "field missing")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one run.

    Attributes:
        outcome: `answered`, or the error's name.
        requests: How many the sandbox received.
        seconds: From start to end of the process.
        leaked: Whether what the program printed to stderr holds a word of the prompt.
        printed: What the program said.
    """

    outcome: str
    requests: int
    seconds: float
    leaked: bool = False
    printed: str = ""


class Misshapen:
    """Gives a ticket in the wrong shape, some times, then as it should be; never looks at the question."""

    name = "misshapen"

    def __init__(self, text: str, times: int, *, fenced: bool = False) -> None:
        self._text, self._left, self._fenced = text, times, fenced

    async def generate(self, request: ir.Request) -> Response[Any]:
        """As text, or as the arguments of the tool that is offered."""
        return self._said(request)

    def stream(self, request: ir.Request) -> Any:
        """The same as a stream."""
        return ScriptedModel([self._said(request)]).stream(request)

    def _said(self, request: ir.Request) -> Response[Any]:
        self._left -= 1
        text = self._text if self._left >= 0 else '{"category": "outage", "urgent": true}'
        if not request.tools:
            text = f"```json\n{text}\n```" if self._fenced and self._left >= 0 else text
            return Response(text_message(text), "stop", Usage(9, 9), provider="sandbox", model=self.name)
        message = ir.Message("assistant", (ToolCall("call_1", request.tools[0].name, text),))
        return Response(message, "tool_calls", Usage(9, 9), provider="sandbox", model=self.name)


def served(fault: str) -> tuple[ir.Model, str]:
    """What the sandbox answers with, and the model's name there."""
    transient: dict[str, list[Any]] = {
        "500 once": [ir.ServerError("broken", provider="sandbox")],
        "429 once": [ir.RateLimitError("too many", provider="sandbox", retry_after=0.1)],
    }
    if fault in transient:
        return FaultyModel(DocumentModel(), transient[fault]), "docs"
    if fault == "malformed":
        return Misshapen('{"category": "outage", "urgent": true,}', 99, fenced=True), "docs"
    if fault.startswith("field missing"):
        return Misshapen('{"category": "outage"}', 1 if fault.endswith("once") else 99), "docs"
    return DocumentModel(), "docs" if fault == "none" else f"docs@{fault}"


def run(library: str, pattern: str, fault: str) -> Ran:
    """One program under one fault."""
    model, name = served(fault)
    with Sandbox(model) as sandbox:
        command = [python(library), str(HERE / library / f"{pattern}.py")]
        began = time.perf_counter()
        try:
            done = subprocess.run(
                [*command, sandbox.base_url("openai"), name, PATTERNS[pattern]],
                capture_output=True,
                text=True,
                check=False,
                env=environment(),
                timeout=LIMIT_SECONDS,
                cwd=HERE,
            )
        except subprocess.TimeoutExpired:
            return Ran(f"no end in {LIMIT_SECONDS:g} s", len(sandbox.requests), LIMIT_SECONDS)
        seconds = time.perf_counter() - began
        received = [each for each in sandbox.requests if each.method == "POST"]
    outcome = "answered" if done.returncode == 0 else error_of(done.stderr)
    return Ran(outcome, len(received), seconds, SECRET in done.stderr, done.stdout)


def python(library: str) -> str:
    """The interpreter of the environment that has the library."""
    return sys.executable if library == "inferail" else str(ROOT / f".venv-patterns-{library}" / "bin" / "python")


def environment() -> dict[str, str]:
    """No proxy, no keys, and prices that litellm has on disk."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT / "python"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "*",
    }


def error_of(stderr: str) -> str:
    """The name of the exception that ended a program: what stands behind the last line of its traceback."""
    lines = stderr.splitlines()
    last = max((at for at, line in enumerate(lines) if line.startswith('  File "')), default=0)
    ended = next((line for line in lines[last + 1 :] if line[:1].isalpha()), "failed")
    return ended.split(":")[0].rpartition(".")[2]


def size(path: Path) -> tuple[int, int]:
    """Lines of code, without blanks, comments and docstrings, and names imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [
        line
        for at, line in enumerate(lines, 1)
        if line.strip() and not line.strip().startswith("#") and at not in documented
    ]
    imported = sum(len(node.names) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return len(code), imported


def imports(library: str, pattern: str) -> tuple[float, float, float]:
    """Median seconds to import what a program imports, MiB resident then, and modules loaded."""
    tree = ast.parse((HERE / library / f"{pattern}.py").read_text(encoding="utf-8"))
    wanted = "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    used = (
        "\nir.Client, ir.Agent, ir.Conversation" if library == "inferail" else ""
    )  # ours are loaded when they are used
    program = (
        f"import time\nbegan = time.perf_counter()\n{wanted}{used}\nseconds = time.perf_counter() - began\n"
        "import sys\npages = int(open('/proc/self/statm').read().split()[1])\n"
        "print(seconds, pages * 4096 / 2**20, len(sys.modules))"
    )
    samples = [
        [
            float(word)
            for word in subprocess.run(
                [python(library), "-c", program], capture_output=True, text=True, check=True, env=environment()
            ).stdout.split()[-3:]
        ]
        for _ in range(5)
    ]
    seconds, resident, modules = (statistics.median(each) for each in zip(*samples, strict=True))
    return seconds, resident, modules


def versions(library: str) -> str:
    """What was installed."""
    if library == "inferail":
        return f"commit {revision()}"
    wanted = ", ".join(f"'{name}'" for name in PACKAGES[library])
    program = (
        f"from importlib.metadata import version\nprint(*(f'{{n}} {{version(n)}}' for n in ({wanted},)), sep=', ')"
    )
    return subprocess.run([python(library), "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def said(ran: Ran, pattern: str) -> str:
    """A cell of the table of faults."""
    outcome = ran.outcome
    if pattern == "fan_out" and outcome == "answered":
        lines = [line for line in ran.printed.splitlines() if line.isidentifier()]
        outcome = f"answered, {len(lines)} of 5 as {lines[0]}" if lines else outcome
    leak = " **prompt in the traceback**" if ran.leaked else ""
    return f"{outcome} ({ran.requests}){leak}"


def page(libraries: list[str], patterns: list[str], progress: Callable[[str], object]) -> str:
    """The whole document."""
    loads = {library: imports(library, "agent") for library in libraries}
    parts = [
        _HEAD,
        f"Made by `{command_line()}` on {cpu_name()}.",
        "## What is loaded\n\nThe imports of the agent's program in a fresh process, medians of five.",
        table(
            ["library", "version", "import, ms", "resident, MiB", "modules"],
            [
                [
                    LIBRARIES[each],
                    versions(each),
                    number(loads[each][0] * 1e3),
                    number(loads[each][1]),
                    f"{loads[each][2]:.0f}",
                ]
                for each in libraries
            ],
        ),
        "## How much code\n\nLines without blanks, comments and docstrings / names imported / requests sent where nothing fails.",
    ]
    ran: dict[tuple[str, str, str], Ran] = {}
    for pattern in patterns:
        for fault in (*FAULTS, *(ONLY_STRUCTURED if pattern == "structured" else ())):
            for library in libraries:
                ran[library, pattern, fault] = run(library, pattern, fault)
                progress(f"{library} {pattern} {fault}: {ran[library, pattern, fault].outcome}")
    parts.append(table(["pattern", *(LIBRARIES[each] for each in libraries)], _sizes(libraries, patterns, ran)))
    parts.append(_FAULTS)
    for pattern in patterns:
        faults = (*FAULTS, *(ONLY_STRUCTURED if pattern == "structured" else ()))
        rows = [[fault, *(said(ran[each, pattern, fault], pattern) for each in libraries)] for fault in faults]
        parts += [f"### {pattern}", table(["fault", *(LIBRARIES[each] for each in libraries)], rows)]
    return "\n\n".join(parts) + "\n"


def _sizes(libraries: list[str], patterns: list[str], ran: Mapping[tuple[str, str, str], Ran]) -> list[list[str]]:
    rows = []
    for pattern in patterns:
        row = [pattern]
        for library in libraries:
            lines, names = size(HERE / library / f"{pattern}.py")
            row.append(f"{lines} / {names} / {ran[library, pattern, 'none'].requests}")
        rows.append(row)
    return rows


_HEAD = """# Beside other libraries

Five patterns, each written with inferail, pydantic-ai, LangChain, and LiteLLM with instructor, the way the library's
documentation does it: [the programs](../benches/peers/patterns). A library is more than five programs; this page says only
what these do.

- **structured**: a text becomes a pydantic object.
- **agent**: a model with one tool, at most eight steps.
- **conversation**: three questions with their history in a window of 300 tokens. pydantic-ai has no window of tokens; its
  program keeps the last turns.
- **fan_out**: five questions, three at a time; a failure must not take the other answers with it.
- **guard**: an e-mail address is not sent, and no card number is shown. Ours streams; the others wait for the whole answer,
  because what was shown cannot be taken back. LiteLLM has guardrails in its proxy only, so its program and pydantic-ai's do it
  by hand.

This page is written by a program; nobody edits it by hand."""
_FAULTS = """## Under faults

What became of each program, and in brackets how many requests the server received. Retries are the libraries' defaults, two
where LiteLLM asks for a number. The faults are the sandbox's (`inferail sandbox --help`): `cut-3` ends the connection in the middle
of the answer, `empty`, `html` and `error200` are answers with status 200 that hold no answer. `malformed` is JSON with a
comma too many, in a code fence where it is text; `field missing` lacks one field of the type, every time or once."""


def main() -> None:
    """Runs everything and rewrites docs/compare.md when nothing was left out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--libraries", default=",".join(LIBRARIES))
    parser.add_argument("--patterns", default=",".join(PATTERNS))
    parser.add_argument("--no-write", action="store_true", help="print the page, leave docs/compare.md alone")
    options = parser.parse_args()
    libraries, patterns = options.libraries.split(","), options.patterns.split(",")
    text = page(libraries, patterns, lambda line: sys.stderr.write(f"{line}\n"))
    whole = libraries == list(LIBRARIES) and patterns == list(PATTERNS)
    if options.no_write or not whole:
        print(text)
        return
    PAGE.write_text(text, encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

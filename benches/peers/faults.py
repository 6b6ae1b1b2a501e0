"""The fault matrix: what every policy of inferail, and every peer's fallback, makes of every fault, into `benches/FAULTS.md`.

    make faults                                                        # everything, about five minutes
    python benches/peers/faults.py --only "Fallback, resume" --faults cut-20,stall-40   # a part; nothing is written

Two servers on this machine (`faults_servers.py`) answer with the same 60 words, one at a time. The first one breaks its answer
in the way that the model's name asks for, the second one is well, and each library is told to ask the second when the first
fails. All have 1.5 s to the first token, between tokens and for an answer that is not streamed, and one retry. Every library runs
in a process of its own, the peers in environments of their own (`faults/*.txt`); inferail's, and this program, in `.venv`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults_adapters import PEERS
from faults_cases import LIMIT_SECONDS, TIMEOUT, WORDS, Outcome, cases, kind, verdict
from faults_ours import POLICIES, SETTINGS, SWEPT, TRANSPORTS
from report import ROOT, cpu_name, revision, table
from rounds import build

HERE = Path(__file__).resolve().parent
RESULTS = ROOT / "benches" / "FAULTS.md"
PROCESS_SECONDS = 240.0
AT_ONCE = 2
SWEEPS = [
    *((transport, client, "openai") for transport in TRANSPORTS for client in ("AsyncClient", "Client")),
    ("rust", "AsyncClient", "anthropic"),
    ("httpx", "Client", "anthropic"),
]


@dataclass(slots=True)
class Run:
    """One library, or one policy over one transport, and all that became of its cases.

    Attributes:
        title: For the tables.
        owner: Prefix of its model names.
        python: The interpreter it runs in.
        options: For `faults_measure.py`.
        cells: The outcome of each fault, streamed or not.
        failure: Why there is no result, or not every one.
        version: Of the peer.
    """

    title: str
    owner: str
    python: Path
    options: list[str]
    cells: dict[tuple[str, bool], Cell] = field(default_factory=dict)
    failure: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One outcome.

    Attributes:
        told: Its class (`faults_cases.verdict`).
        seconds: How long it took.
        calls: How often the healthy server was asked.
    """

    told: str
    seconds: float
    calls: int

    def text(self) -> str:
        """For a table."""
        return f"{self.told} · {self.seconds:.2f} s" + (f" · {self.calls}" if self.calls else "")


class Servers:
    """The process of `faults_servers.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.urls: list[str] = json.loads(self._line())

    def asked(self) -> list[dict[str, int]]:
        """How often each model was asked, at each of the two."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: list[dict[str, int]] = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def servers() -> Iterator[Servers]:
    """Starts both; ends them."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "faults_servers.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    ) as process:
        assert process.stdin is not None
        try:
            yield Servers(process)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(*, ours: bool = True) -> dict[str, str]:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"}
    environment["PYTHONPATH"] = str(ROOT / "python") if ours else ""
    return environment


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def _process(run: Run, urls: Sequence[str], extra: Sequence[str], *, ours: bool) -> list[dict[str, Any]]:
    """The lines that `faults_measure.py` printed; notes in `run` why some are missing."""
    command = [str(run.python), str(HERE / "faults_measure.py"), "--owner", run.owner, *run.options, *extra, *urls]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS,
            env=_environment(ours=ours),
            check=False,
        )
        output, said = done.stdout, done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        said = [f"not done after {PROCESS_SECONDS:.0f} s"]
    lines: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not any(line.get("end") or "whole" in line for line in lines):
        run.failure = (said[-1] if said else "it ended without a word")[:200]
    return lines


def measure(run: Run, urls: Sequence[str], faults: str) -> None:
    """Every case of one library."""
    if run.failure is not None:
        return
    extra = ["--faults", faults] if faults else []
    for line in _process(run, urls, extra, ours="--policy" in run.options):
        if "version" in line:
            run.version = line["version"]
        elif "fault" in line:
            fault, streamed = line.pop("fault"), line.pop("stream")
            del line["name"]
            outcome = Outcome(**line)
            run.cells[fault, streamed] = Cell(verdict(fault, outcome), outcome.seconds, 0)
    sys.stderr.write(f"{run.title}: {run.failure or f'{len(run.cells)} cases'}\n")


def _runs(only: Sequence[str]) -> list[Run]:
    found: list[Run] = []
    for number, policy in enumerate(POLICIES):
        for transport in TRANSPORTS:
            options = ["--policy", policy, "--transport", transport]
            run = Run(f"{policy} ({transport})", f"{transport}{number}", Path(sys.executable), options)
            if not only or policy in only:
                found.append(run)
    for name, peer in PEERS.items():
        python = ROOT / f".venv-faults-{peer.environment}" / "bin" / "python"
        run = Run(peer.title, name, python, ["--peer", name])
        if not python.exists():
            run.failure = "it could not be installed here"
        if not only or name in only:
            found.append(run)
    return found


def _counted(runs: Sequence[Run], asked: Sequence[dict[str, int]]) -> None:
    for run in runs:
        for case in cases(run.owner):
            if (cell := run.cells.get((case.fault, case.stream))) is not None:
                calls = asked[1].get(case.name, 0)
                run.cells[case.fault, case.stream] = Cell(cell.told, cell.seconds, calls)


def _summary(runs: Sequence[Run]) -> str:
    columns = ["stream faults", "whole", "error, nothing shown", "error after a part", "cut off, no error"]
    columns += ["text twice or wrong", "hangs", "takes 10 MB", "unary: whole", "error", "other"]
    rows: list[list[str]] = []
    for run in runs:
        if not run.cells:
            continue
        streams = [cell.told for (_, streamed), cell in run.cells.items() if streamed]
        unary = Counter(kind(cell.told) for (_, streamed), cell in run.cells.items() if not streamed)
        kinds = Counter(map(kind, streams))
        partial = sum(kind(told) == "error" and f"/{WORDS}" in told for told in streams)
        seams = sum("seam" in told for told in streams)
        title = f"**{run.title}**" if "--policy" in run.options else run.title
        whole = f"{kinds['whole']} of {len(streams)}" + (f" ({seams} with a seam)" if seams else "")
        counts = [kinds["error"] - partial, partial, kinds["SILENT"] + kinds["FABRICATED"]]
        counts += [kinds["DUPLICATED"] + kinds["GARBLED"], kinds["HANGS"], kinds["takes"]]
        rest = sum(unary.values()) - unary["whole"] - unary["error"]
        told = [f"{unary['whole']} of {sum(unary.values())}", str(unary["error"]), str(rest)]
        rows.append([title, whole, *map(str, counts), *told])
    return table(columns, rows)


def _both(cells: Sequence[tuple[str, Cell | None]]) -> str:
    """One policy over both transports: one text where they agree."""
    there = [(name, cell) for name, cell in cells if cell is not None]
    if not there:
        return "–"
    if len({cell.told for _, cell in there}) == 1:
        worst = max((cell for _, cell in there), key=lambda cell: cell.seconds)
        return Cell(worst.told, worst.seconds, max(cell.calls for _, cell in there)).text()
    return "; ".join(f"{name}: {cell.text()}" for name, cell in there)


def _matrix(runs: Sequence[Run], *, streamed: bool, ours: bool) -> str:
    if ours:
        owned = [run for run in runs if "--policy" in run.options]
        names = [
            policy for policy in POLICIES if any(run.title.startswith(f"{policy} (") and run.cells for run in owned)
        ]
        columns = {
            policy: [(t, run) for t in TRANSPORTS for run in owned if run.title == f"{policy} ({t})"]
            for policy in names
        }
    else:
        columns = {run.title: [("", run)] for run in runs if "--peer" in run.options and run.cells}
    faults = [case.fault for case in cases("any") if case.stream == streamed]
    rows = [
        [f"`{fault}`", *(_both([(t, run.cells.get((fault, streamed))) for t, run in of]) for of in columns.values())]
        for fault in faults
    ]
    return table(["fault", *columns], rows) if columns else "No result."


def _sweeps(urls: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for transport, client, provider in SWEEPS:
        options = ["--sweep", client, "--transport", transport, "--provider", provider]
        run = Run(f"sweep {transport} {client} {provider}", "sweep", Path(sys.executable), options)
        lines = _process(run, urls, [], ours=True)
        found += [line for line in lines if "whole" in line]
        told = run.failure or f"{found[-1]['whole']} of {found[-1]['all']} whole {found[-1]['bad'] or ''}"
        sys.stderr.write(f"{run.title}: {told}\n")
    return found


def _sweep_table(found: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            f"`{line['transport']}`, {line['client']}, {line['provider']}'s format",
            f"{line['whole']} of {line['all']}",
            str(line["duplicated"]),
            "; ".join(f"{fault}: {told[:60]}" for fault, told in line["bad"].items()) or "–",
            f"{line['seconds']:.0f} s",
        ]
        for line in found
    ]
    return table(["transport, client", "whole", "duplicated", "others", "took"], rows)


_WORDS = f"""Two servers on this machine answer with the same {WORDS} words, one word an event; the first has the fault (`cut-20`: after 20
words; the table in `python/inferail/testing/faults.py` says what each is), the second is well. Everybody has {TIMEOUT:g} s to
the first token, between two tokens and for an answer without streaming, and one retry. A cell says what the caller
got, after how many seconds, and how often the healthy server was asked (nothing: never).

- `whole`: all {WORDS} words once, and a proper end; `1 seam`: another attempt went on in the middle of the text.
- `SomeError, 20/{WORDS}`: that was raised, after 20 words had been given out; without a number nothing had been.
- `SILENT 20/{WORDS}`: the answer ended after 20 words as if it were complete. `FABRICATED 20/{WORDS}`: and had a finish reason,
  which no server had sent.
- `DUPLICATED`: words were given out twice; `GARBLED`: other words than the server sent. `HANGS`: not done after {LIMIT_SECONDS:g} s.

`none` is no fault and `closed-port` an address where nobody listens. `cut-60`, `early-60`, `stall-60` and `error-60` come after the last word,
before the terminal event: a library that does not wait for it counts as whole there. openai and liter-llm have no fallback.

What goes on after a break is only as good as the model that is asked: these servers go on exactly where they are asked to, and say
the same words when they begin anew, which is what `restart` needs. What models make of it is tests/routing/test_broken_streams.py's
matter (repetitions, answers begun anew, other words)."""


def _page(runs: Sequence[Run], sweeps: Sequence[dict[str, Any]], took: float) -> str:
    versions = {"inferail": build()["version"]} | {
        PEERS[run.owner].distribution: run.version for run in runs if run.owner in PEERS and run.version
    }
    facts = [
        "Command: `make faults`",
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; it took {took:.0f} s",
        f"Commit: {revision()}",
        f"CPU: {cpu_name()}",
        f"Python {platform.python_version()}; " + ", ".join(f"{what} {which}" for what, which in versions.items()),
    ]
    absent_ones = [f"- {run.title}: {run.failure}" for run in runs if run.failure]
    swept = (
        f"A stream broken after each of the words 1 to {WORDS - 1} by each of `{'`, `'.join(SWEPT)}`, under "
        "`Fallback(faulty, healthy, on_break=\"resume\")`. In OpenAI's format the healthy server is asked to go on, in Anthropic's the "
        "faulty one is first asked to go on from its own words."
    )
    parts = [
        "# Fault matrix",
        "Written by `benches/peers/faults.py`, never by hand.",
        "\n".join(f"- {fact}" for fact in facts),
        "## Summary",
        _summary(runs),
        *(["Without a result, or not with every one:\n\n" + "\n".join(absent_ones)] if absent_ones else []),
        "## How to read it",
        _WORDS,
        "inferail's policies: " + "; ".join(f"{name}: {told}" for name, told in SETTINGS.items()) + ".",
        "## A break at every word",
        swept,
        _sweep_table(sweeps),
        "## Streams: inferail",
        _matrix(runs, streamed=True, ours=True),
        "## Streams: peers",
        _matrix(runs, streamed=True, ours=False),
        "## Without streaming: inferail",
        _matrix(runs, streamed=False, ours=True),
        "## Without streaming: peers",
        _matrix(runs, streamed=False, ours=False),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Runs everything and writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", action="append", default=[], help="a policy or a peer; may be repeated")
    parser.add_argument("--faults", default="", help="comma-separated; default all")
    parser.add_argument("--no-sweep", action="store_true", help="without the breaks at every word")
    parser.add_argument("--no-write", action="store_true", help="print the page, leave FAULTS.md alone")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT / "python")
    build()
    started, runs = time.monotonic(), _runs(options.only)
    with servers() as both:
        urls = [*both.urls, closed_port()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda run: measure(run, urls, options.faults), runs))
        sweeps = [] if options.no_sweep else _sweeps(urls)
        _counted(runs, both.asked())
    page = _page(runs, sweeps, time.monotonic() - started)
    if options.only or options.faults or options.no_sweep or options.no_write:
        sys.stdout.write(page)
    else:
        RESULTS.write_text(page, encoding="utf-8")
        sys.stdout.write(page.partition("## How to read it")[0])
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

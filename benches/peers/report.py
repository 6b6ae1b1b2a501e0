"""Writes `benches/RESULTS.md`, one section per benchmark program; nobody edits that file by hand.

A section stands between two marker comments and is replaced as a whole, so each program rewrites its own and leaves the
others alone. Each one carries the command, the date, the CPU and the versions it was made with. As a program it turns a
pytest-benchmark file into the section of `benches/python`:

    python benches/peers/report.py .benchmarks/python.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benches" / "RESULTS.md"
_HEAD = """# Results

Written by the benchmark programs, never by hand: every section says which command made it, when and on what.
"""


def cpu_name() -> str:
    """The processor's model and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        name = named[1].strip() if named else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()} {platform.release()}"


def revision() -> str:
    """The commit the working tree stands on, with `+` if it has changes; `unknown` outside git."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others right-aligned."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three significant digits, no exponent; `–` for nothing."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def write_section(name: str, title: str, command: str, versions: Mapping[str, str], body: str) -> Path:
    """Replaces one section of the results, or adds it; gives back the file."""
    facts = [
        f"Command: `{command}`",
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"Commit: {revision()}",
        f"CPU: {cpu_name()}",
        f"Python {platform.python_version()}; " + ", ".join(f"{what} {which}" for what, which in versions.items()),
    ]
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n## {title}\n\n" + "\n".join(f"- {fact}" for fact in facts) + f"\n\n{body.strip()}\n{end}\n"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _HEAD
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + section + rest.partition(end + "\n")[2]
    else:
        text = text.rstrip("\n") + "\n\n" + section
    RESULTS.write_text(text, encoding="utf-8")
    return RESULTS


def command_line() -> str:
    """How this program was started, with paths relative to the repository."""
    script = Path(sys.argv[0]).resolve()
    shown = script.relative_to(ROOT) if script.is_relative_to(ROOT) else Path(script.name)
    return " ".join(["python", str(shown), *sys.argv[1:]])


_HOW_TO_READ = """CPU time, prepared bytes in, no socket, no thread. `event_per_read` and `long` (ten times as many events) read an
in-memory transport, one event per read; `burst` reads all of it at once; `bench_transport_memory` is that transport alone."""


def _python_rows(benchmarks: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows: list[list[str]] = []
    for benchmark in benchmarks:
        stats = benchmark["stats"]
        events = benchmark["extra_info"].get("events")
        size = benchmark["extra_info"].get("bytes")
        median = stats["median"] * 1e6
        rows.append(
            [
                f"`{benchmark['name']}`",
                number(median),
                number(stats["iqr"] * 1e6),
                number(median / events if events else None),
                number(size / stats["median"] / 1e6 if size else None),
                str(stats["rounds"]),
            ]
        )
    return rows


def _over_the_transport(benchmarks: Sequence[Mapping[str, Any]]) -> str:
    """What our layer adds to a transport, per event: with the whole call spread over a stream, and in a long stream."""
    medians = {benchmark["name"]: benchmark["stats"]["median"] * 1e6 for benchmark in benchmarks}
    events = {benchmark["name"]: benchmark["extra_info"].get("events", 0) for benchmark in benchmarks}
    floor = "bench_transport_memory"
    rows: list[list[str]] = []
    for read in ("text", "lists"):
        short, long = f"bench_client_stream_event_per_read[openai-{read}]", f"bench_client_stream_long[{read}]"
        if not {floor, short, long} <= medians.keys():
            continue
        reading = medians[floor] / events[floor]
        spread = medians[short] / events[short] - reading
        each = (medians[long] - medians[short]) / (events[long] - events[short]) - reading
        rows.append(
            [f"`{read}`", number(spread), number(each), number(medians[short] - events[short] * (each + reading))]
        )
    if not rows:
        return ""
    columns = ["inferail over the transport", "µs per event, call included", "µs per further event", "µs per call"]
    return table(columns, rows)


def main() -> None:
    """Writes the section of `benches/python` from pytest-benchmark's JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("json", type=Path, help="what pytest wrote with --benchmark-json")
    options = parser.parse_args()
    found = json.loads(options.json.read_text(encoding="utf-8"))
    versions = found["benchmarks"][0]["extra_info"].get("versions", {})
    columns = ["benchmark", "median µs", "interquartile µs", "µs per event", "MB/s", "rounds"]
    body = "\n\n".join(
        [
            _HOW_TO_READ,
            _over_the_transport(found["benchmarks"]),
            table(columns, _python_rows(found["benchmarks"])),
        ]
    )
    path = write_section("python", "Our own layer (pytest-benchmark)", "make bench", versions, body)
    sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

"""What `import` costs: wall and CPU milliseconds, peak memory and modules, for inferail and every peer.

    python benches/peers/imports.py            # median of 7, into benches/RESULTS.md

Every import is made in a fresh interpreter, the peers interleaved, after one import that only writes the bytecode cache.
Times are those of the import statement alone; memory is the whole process, whose floor is the `(bare interpreter)` line.
Run it in the peers' environment (`requirements.txt`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

from adapters import PEERS
from report import ROOT, command_line, number, table, write_section
from rounds import build, cores

BARE = "(bare interpreter)"
FIRST_CLIENT = "inferail, first client"
_FIRST_CLIENT = "import inferail; inferail.AsyncClient('openai:m', base_url='http://127.0.0.1:9')"
_CHILD = """
import sys, time
before = len(sys.modules)
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
modules = len(sys.modules) - before
import json
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps(dict(wall=wall * 1e3, cpu=cpu * 1e3, peak=peak, modules=modules)))
"""


def once(statement: str, core: int | None) -> dict[str, float] | str:
    """One statement in a fresh interpreter, or why it failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "python"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = [sys.executable, "-c", _CHILD.format(statement=statement)]
    if core is not None:
        os.sched_setaffinity(0, {core})  # the child inherits it
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measures, prints the table and writes it into `benches/RESULTS.md`."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="imports per peer (default 7)")
    parser.add_argument("--no-write", action="store_true", help="print the table, leave RESULTS.md alone")
    options = parser.parse_args()
    statements = {BARE: "pass", FIRST_CLIENT: _FIRST_CLIENT}
    statements |= {name: f"import {listed.module}" for name, listed in PEERS.items() if listed.module}
    versions = {"inferail": build()["version"]}
    core = cores()[0]
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in statements}
    failures: dict[str, str] = {}
    for turn in range(-1, options.rounds):
        for name, statement in statements.items():
            outcome = once(statement, core)
            if isinstance(outcome, str):
                failures[name] = outcome
            elif turn >= 0:
                samples[name].append(outcome)
        sys.stderr.write(f"round {turn + 1} of {options.rounds}\n")
    rows: list[list[str]] = []
    medians = {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in samples.items()
        if found
    }
    for name in sorted(medians, key=lambda name: medians[name]["wall"]):
        middle = medians[name]
        distribution = PEERS[name].distribution if name in PEERS else None
        if distribution:
            versions[distribution] = PEERS[name].version()
        rows.append(
            [
                f"**{name}**" if name.startswith("inferail") else name,
                number(middle["wall"]),
                number(middle["cpu"]),
                number(middle["peak"]),
                str(round(middle["modules"])),
            ]
        )
    text = table(["import", "wall ms", "CPU ms", "peak MiB", "modules"], rows)
    text += "".join(f"\n\n- {name}: no result: `{reason}`" for name, reason in failures.items())
    intro = (
        f"Medians of {options.rounds}, interleaved, fresh interpreters, warm bytecode cache. inferail loads its parts when "
        f"they are first used: `{FIRST_CLIENT}` is the import and the making of a client, which loads its HTTP library too."
    )
    text = f"{intro}\n\n{text}"
    sys.stdout.write(text + "\n")
    if not options.no_write:
        path = write_section("imports", "What importing costs", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

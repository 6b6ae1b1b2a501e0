"""Runs every case of `faults.py` through one library in this process; prints one line of JSON for each.

`faults.py` starts it in that library's environment. Each case has a limit, so the process ends whatever the library does.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from faults_cases import LIMIT_SECONDS, Case, Outcome, cases

AT_ONCE = 4


async def _one(library: Any, case: Case) -> Outcome:
    outcome, started = Outcome(), time.perf_counter()
    try:
        async with asyncio.timeout(LIMIT_SECONDS) as limit:
            await library.call(case, outcome)
    except asyncio.CancelledError:
        outcome.error = "CancelledError"
    except BaseException as error:  # noqa: BLE001 - whatever a library raises is the outcome
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        outcome.error = "hung" if limit.expired() else type(error).__name__
    outcome.seconds = time.perf_counter() - started
    outcome.shown = "".join(outcome.pieces)
    outcome.pieces = []
    return outcome


def _say(case: Case, outcome: Outcome) -> None:
    outcome.shown = outcome.shown[:2_000]
    sys.stdout.write(
        json.dumps({"fault": case.fault, "stream": case.stream, "name": case.name, **asdict(outcome)}) + "\n"
    )
    sys.stdout.flush()


async def _all(library: Any, chosen: list[Case], urls: list[str]) -> None:
    await library.open(*urls)
    await _one(library, Case("none", stream=True, name="warm"))  # imports, connections
    left = iter([case for case in chosen if not case.alone])

    async def worker(mine: Iterator[Case]) -> None:
        for case in mine:
            _say(case, await _one(library, case))

    await asyncio.gather(*(worker(left) for _ in range(AT_ONCE)))
    for case in chosen:
        if case.alone:
            _say(case, await _one(library, case))
    sys.stdout.write(json.dumps({"end": True}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Prints the outcomes of one library."""
    parser = argparse.ArgumentParser(description="One library, every fault, this process. Started by faults.py.")
    parser.add_argument("--owner", required=True, help="prefix of the model names")
    parser.add_argument("--peer", help="of faults_adapters.PEERS")
    parser.add_argument("--policy", help="of faults_ours.POLICIES")
    parser.add_argument("--transport", default="rust")
    parser.add_argument("--sweep", choices=("Client", "AsyncClient"), help="a break at every word instead of the cases")
    parser.add_argument("--provider", default="openai", help="whose format the sweep speaks")
    parser.add_argument("--faults", default="", help="comma-separated; default all")
    parser.add_argument("urls", nargs=3, help="of the faulty server, of the healthy one, of none")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    chosen = [case for case in cases(options.owner) if not options.faults or case.fault in options.faults.split(",")]
    if options.peer:
        from faults_adapters import PEERS

        peer = PEERS[options.peer]
        sys.stdout.write(json.dumps({"version": importlib.metadata.version(peer.distribution)}) + "\n")
        asyncio.run(_all(peer.make(), chosen, options.urls))
    else:
        from faults_ours import Inferail, sweep

        if options.sweep:
            blocking, urls = options.sweep == "Client", (options.urls[0], options.urls[1])
            told = sweep(urls, options.transport, blocking=blocking, provider=options.provider)
            sys.stdout.write(json.dumps(told) + "\n")
        else:
            asyncio.run(_all(Inferail(options.policy, options.transport), chosen, options.urls))
    sys.stdout.flush()
    os._exit(0)  # the outcomes are out; some libraries leave threads behind


if __name__ == "__main__":
    main()

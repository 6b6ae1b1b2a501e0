"""Rows through `client.batch` on a model that answers at once: rows per second, memory, and how fast a batch goes on.

`python benches/python/bench_batch.py [ROWS]` runs each measurement in a process of its own (a million rows by default) and kills
one batch with SIGKILL in the middle; `pytest benches/python/bench_batch.py --benchmark-enable` times 10,000 rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import inferail as ir
from inferail.core import BUILD_INFO
from inferail.testing import ScriptedModel

ROWS = 10_000


class Counted:
    """What a ScriptedModel was asked, counted and not kept: a million requests would be what is measured."""

    def __init__(self):
        self.count = 0

    def __len__(self):
        return self.count

    def append(self, _):
        self.count += 1


def scripted():
    """A ScriptedModel with one answer, that remembers nothing."""
    model = ScriptedModel(["positive"], cycles=True)
    model.requests = Counted()
    return model


def rows(number):
    """Distinct rows, made while they are read."""
    return (f"Is this review positive or negative? It is the review number {each}." for each in range(number))


def through_threads(number, **options):
    """Rows through a Client."""
    with ir.Client(scripted(), recorder=Nowhere()) as client, client.batch(rows(number), **options) as batch:
        for item in batch:
            assert item.text == "positive"
    return batch


def through_tasks(number, **options):
    """Rows through an AsyncClient."""

    async def work():
        async with (
            ir.AsyncClient(scripted(), recorder=Nowhere()) as client,
            client.batch(rows(number), **options) as batch,
        ):
            async for item in batch:
                assert item.text == "positive"
            return batch

    return asyncio.run(work())


class Nowhere:
    """Takes records."""

    def record(self, record):
        """Forgets it."""


@pytest.mark.parametrize("way", [through_threads, through_tasks], ids=["threads", "asyncio"])
@pytest.mark.parametrize("kept", [False, True], ids=["plain", "checkpoint"])
def bench_batch_ten_thousand_rows(benchmark, way, kept, tmp_path):
    """10,000 rows; divide by that for one."""
    names = (tmp_path / f"done-{number}" for number in range(1000))

    benchmark.pedantic(lambda: way(ROWS, **({"checkpoint": next(names)} if kept else {})), rounds=3)


def resident():
    """Resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(way, number, checkpoint):
    """Runs a batch and says what it took; in a process of its own."""
    ways = {"threads": through_threads, "asyncio": through_tasks}
    ways[way](2000)  # everything is loaded
    options = {"checkpoint": checkpoint} if checkpoint else {}
    before, began, worked = resident(), time.perf_counter(), time.process_time()
    most = [before]
    count = iter(range(1 << 62))

    def looking():
        for row in rows(number):
            if not next(count) % 20_000:
                most[0] = max(most[0], resident())
            yield row

    with ir.Client(scripted(), recorder=Nowhere()) as client:
        if way == "threads":
            client.batch(looking(), **options).run()
        else:

            async def work():
                async with ir.AsyncClient(scripted(), recorder=Nowhere()) as asynchronous:
                    await asynchronous.batch(looking(), **options).run()

            asyncio.run(work())
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    most[0] = max(most[0], resident())
    print(
        json.dumps(
            {
                "rows_per_second": round(number / seconds),
                "rows_per_processor_second": round(number / processor),
                "growth_mib": round(most[0] - before, 1),
            }
        )
    )


def resumed(number, checkpoint):
    """How long a batch whose rows are nearly all done takes until it asks for the first new one."""
    with ir.Client(Clocked(), recorder=Nowhere()) as client:
        began, before, worked = time.perf_counter(), resident(), time.process_time()
        batch = client.batch(rows(number), checkpoint=checkpoint).run()
        seconds = time.perf_counter() - began
        print(
            json.dumps(
                {
                    "resumed": batch.resumed,
                    "asked": batch.done - batch.resumed,
                    "first_new_call_s": round(client.model.first - began, 2) if client.model.first else None,
                    "whole_s": round(seconds, 2),
                    "processor_s": round(time.process_time() - worked, 2),
                    "growth_mib": round(resident() - before, 1),
                    "cut_bytes": batch.cut,
                }
            )
        )


class Clocked(ScriptedModel):
    """Knows when it was asked first."""

    def __init__(self):
        super().__init__(["positive"], cycles=True)
        self.requests = Counted()
        self.first = None

    async def generate(self, request):
        """The answer."""
        self.first = self.first or time.perf_counter()
        return await super().generate(request)


def killed(number, checkpoint):
    """A batch that is killed with SIGKILL when its checkpoint is nearly whole."""
    process = subprocess.Popen([sys.executable, __file__, "endless", str(number), checkpoint])
    size = 0
    while size < number * 200 and process.poll() is None:
        time.sleep(0.01)
        size = Path(checkpoint).stat().st_size if Path(checkpoint).exists() else 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = Path(checkpoint).read_bytes().count(b"\n") - 1
    print(json.dumps({"killed_after_rows": lines}))


def main(number):
    """Every measurement."""
    if BUILD_INFO["profile"] != "release":
        print("the core is a debug build: its numbers say nothing")
        raise SystemExit(1)
    with tempfile.TemporaryDirectory() as folder:
        for way in ("threads", "asyncio"):
            for kept in ("", f"{folder}/{way}.jsonl"):
                told = _run("measured", way, str(number), kept)
                print(f"{way}{', checkpoint' if kept else ''}: {told}")
        checkpoint = f"{folder}/killed.jsonl"
        print("kill -9:", _run("killed", str(number), checkpoint))
        print("goes on:", _run("resumed", str(number), checkpoint))
        print("all done:", _run("resumed", str(number), f"{folder}/threads.jsonl"))


def _run(*arguments):
    ran = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    return json.loads(ran.stdout.strip().splitlines()[-1]) if ran.returncode == 0 else ran.stderr[-2000:]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measured", way, number, checkpoint]:
            measured(way, int(number), checkpoint)
        case ["resumed", number, checkpoint]:
            resumed(int(number), checkpoint)
        case ["killed", number, checkpoint]:
            killed(int(number), checkpoint)
        case ["endless", number, checkpoint]:
            with ir.Client(scripted(), recorder=Nowhere()) as endless:
                endless.batch(rows(int(number)), checkpoint=checkpoint).run()
        case _:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

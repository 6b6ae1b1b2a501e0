"""What it costs to keep account of one call: our record and our span, an OpenTelemetry span, and litellm's logging payload.

    make peers                                                        # with everything else, into benches/RESULTS.md
    python benches/peers/telemetry.py --only "inferail SQLite,otel span" --rounds 1 --no-write

CPU time of all threads, everything written at the end; every row a fresh process, the rows interleaved over the rounds,
medians. Each library has an environment of its own: `--otel` and `--litellm` name their interpreters.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from report import ROOT, command_line, number, table, write_section

OURS = ("inferail memory", "inferail SQLite", "inferail JSON lines", "inferail span")
ROWS = (*OURS, "otel span", "litellm payload")
ROUNDS_INSIDE = 5


def _record() -> Any:
    from inferail.telemetry.records import Record, new_id
    from inferail.types.response import Timing
    from inferail.types.usage import Usage

    return Record(
        started_at=datetime.now(UTC),
        provider="openai",
        model="gpt-5-mini",
        host="api.openai.com",
        streamed=True,
        status_code=200,
        finish_reason="stop",
        usage=Usage(1200, 300, 800, cost_usd=0.0012),
        timing=Timing(0.0, 0.2, 0.3, 1.2),
        request_id="req_abcdef",
        labels={"task": "faq", "tenant": "a"},
        call_id=new_id(),
        model_version="gpt-5-mini-2025-08-07",
        price_version="genai-prices 0.2.3",
    )


def _repeated(work: Callable[[int], None], calls: int) -> float:
    """Microseconds a call, the median of some turns."""
    work(calls // 10)
    turns = []
    for _ in range(ROUNDS_INSIDE):
        gc.collect()
        began = time.process_time()
        work(calls)
        turns.append((time.process_time() - began) / calls * 1e6)
    return statistics.median(turns)


def measure_record(row: str, calls: int) -> dict[str, float]:
    """`call` is what the thread of the call pays, `whole` that and the ledger's thread; the record is made already."""
    from inferail.telemetry.ledger import Ledger
    from inferail.telemetry.sinks import JsonlSink, MemorySink
    from inferail.telemetry.sqlite import SQLiteSink

    pushes, wholes = [], []
    for _ in range(ROUNDS_INSIDE):
        records = [_record() for _ in range(calls)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ledger"
            made: dict[str, Callable[[], Any]] = {
                "inferail memory": MemorySink,
                "inferail SQLite": lambda path=path: SQLiteSink(path),
                "inferail JSON lines": lambda path=path: JsonlSink(path),
            }
            with Ledger(made[row](), capacity=calls + 1) as ledger:
                ledger.record(_record())
                assert ledger.flush()
                gc.collect()
                whole, push = time.process_time(), time.thread_time()
                for record in records:
                    ledger.record(record)
                pushes.append((time.thread_time() - push) / calls * 1e6)
                assert ledger.flush()
                wholes.append((time.process_time() - whole) / calls * 1e6)
    return {"call": statistics.median(pushes), "whole": statistics.median(wholes)}


def _provider() -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> Any:  # noqa: ARG002 - nothing is exported
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=1_000_000))
    return provider


def measure_span(calls: int) -> dict[str, float]:
    """A span of 17 attributes, as the SDK makes and batches it."""
    provider = _provider()
    tracer = provider.get_tracer("bench")
    attributes = {f"gen_ai.attribute.{number}": number if number % 2 else "a value" for number in range(17)}

    def work(many: int) -> None:
        for _ in range(many):
            span = tracer.start_span("chat gpt-5-mini")
            for name, value in attributes.items():
                span.set_attribute(name, value)
            span.end()
        provider.force_flush()

    return {"whole": _repeated(work, calls)}


def measure_our_span(calls: int) -> dict[str, float]:
    """Our span of an attempt through the same SDK, from `begin` to `end`, with the metrics off."""
    import inferail as ir
    from inferail.telemetry.otel.spans import Spans

    provider = _provider()
    spans, record, request = Spans(tracer_provider=provider), _record(), ir.Request((ir.user("Hello"),))

    def work(many: int) -> None:
        for _ in range(many):
            opened = spans.begin(
                provider="openai",
                model="gpt-5-mini",
                operation="chat",
                streamed=True,
                host="api.openai.com",
                reason="first",
                attempt=1,
                request=request,
            )
            if opened is None:
                raise AssertionError
            opened.end(record)
        provider.force_flush()

    return {"whole": _repeated(work, calls)}


def measure_litellm(calls: int) -> dict[str, float]:
    """The standard logging payload that every callback of litellm gets, built again from what one real call gave it."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices while it is imported
    import litellm
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.litellm_core_utils import litellm_logging

    made, seen = litellm_logging.get_standard_logging_object_payload, []

    def watched(*given: Any, **named: Any) -> Any:
        seen.append((given, named))
        return made(*given, **named)

    litellm_logging.get_standard_logging_object_payload = watched
    litellm.callbacks = [CustomLogger()]
    messages = [{"role": "user", "content": "Hello"}]
    litellm.completion("openai/gpt-4o-mini", messages, api_key="x", mock_response="Hello!")
    until = time.monotonic() + 20
    while not seen and time.monotonic() < until:
        time.sleep(0.05)
    given, named = seen[-1]

    def work(many: int) -> None:
        for _ in range(many):
            if not made(*given, **named):
                raise AssertionError

    return {"whole": _repeated(work, max(calls // 10, 50))}


def measure(row: str, calls: int) -> dict[str, float]:
    """One row, in this process."""
    if row == "inferail span":
        return measure_our_span(calls)
    if row == "otel span":
        return measure_span(calls)
    return measure_litellm(calls) if row == "litellm payload" else measure_record(row, calls)


def _process(row: str, python: str, calls: int) -> dict[str, float]:
    command = [python, str(Path(__file__)), "--measure", row, "--calls", str(calls)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr[-2_000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def _text(found: dict[str, dict[str, float]], rounds: int) -> str:
    rows = [[row, number(figures.get("call")), number(figures["whole"])] for row, figures in found.items()]
    return (
        f"CPU time; medians of {rounds} processes a row, interleaved, each of which takes medians itself. A record is made "
        "already; `otel span` and `inferail span` go through the SDK's batch processor to an exporter that does nothing; "
        "litellm's is the payload alone, without the callback that would write it.\n\n"
        + table(["one call", "µs on the thread of the call", "µs of all threads"], rows)
    )


def main() -> None:
    """Measures, prints the table, and writes it into `benches/RESULTS.md` when nothing was left out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--measure", choices=ROWS, help="one row, in this process")
    parser.add_argument("--calls", type=int, default=20_000, help="in each turn of a process")
    parser.add_argument("--only", default="", help=f"comma-separated; default all of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each row")
    parser.add_argument("--otel", default=str(ROOT / ".venv-ledgers-otel/bin/python"), help="interpreter with the SDK")
    parser.add_argument("--litellm", default=str(ROOT / ".venv-ledgers-litellm/bin/python"), help="and with litellm")
    parser.add_argument("--no-write", action="store_true", help="print the table, leave RESULTS.md alone")
    options = parser.parse_args()
    if options.measure:
        print("\n" + json.dumps(measure(options.measure, options.calls)), flush=True)
        os._exit(0)  # the numbers are out; litellm leaves threads behind
    rows = options.only.split(",") if options.only else list(ROWS)
    samples: dict[str, list[dict[str, float]]] = {row: [] for row in rows}
    for turn in range(options.rounds):
        shift = turn % len(rows)
        for row in rows[shift:] + rows[:shift]:
            python = options.litellm if row.startswith("litellm") else options.otel
            samples[row].append(_process(row, python, options.calls))
            sys.stderr.write(f"[{turn + 1}/{options.rounds}] {row}: {samples[row][-1]}\n")
    found = {
        row: {name: statistics.median(sample[name] for sample in several) for name in several[0]}
        for row, several in samples.items()
    }
    text = _text(found, options.rounds)
    print(text)
    if not options.only and not options.no_write:
        pinned = [line for path in (ROOT / "benches/peers/ledgers").glob("*.txt") for line in path.read_text().split()]
        versions = dict(line.split("==") for line in pinned if line.startswith(("litellm==", "opentelemetry")))
        path = write_section("telemetry", "Keeping account of a call", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

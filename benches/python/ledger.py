"""A SQLite ledger of made-up traffic, for benchmarks of the report: the columns of `inferail.telemetry.sqlite`.

`python benches/python/ledger.py PATH [ROWS]` writes one: six models, six tasks, 12 % of the calls with a fallback, 8 % of the
attempts failed, 5 % answered by a cache, one second apart on average.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path
from random import Random

from inferail.telemetry.facts import facts_of, kind_of, number_of
from inferail.telemetry.records import Record
from inferail.types.response import Timing
from inferail.types.usage import Usage

MODELS = (
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("gemini", "gemini-2.5-pro"),
    ("mistral", "mistral-large-latest"),
)
TASKS = ("faq", "triage", "draft", "extract", "code", "search")
END = datetime(2026, 11, 20, 12, tzinfo=UTC)


def traffic(rows: int, seed: int = 1) -> Iterator[Record]:
    """Records in the order they were made; the last one is about at `END`."""
    draw = Random(seed)
    moment = END - timedelta(seconds=rows)
    made, call = 0, 0
    while made < rows:
        call += 1
        moment += timedelta(seconds=draw.expovariate(0.9))
        task, place = draw.choice(TASKS), draw.randrange(len(MODELS))
        labels = {"task": task, "tenant": f"tenant-{draw.randrange(20)}"}
        began = moment
        for attempt in range(1, 4):
            made += 1
            record = _attempt(
                draw, call, made, attempt, model=MODELS[(place + attempt) % len(MODELS)], began=began, labels=labels
            )
            began += timedelta(seconds=record.timing.total)
            yield record
            if record.error is None or made >= rows:
                break


def _attempt(
    draw: Random, call: int, made: int, attempt: int, *, model: tuple[str, str], began: datetime, labels: dict[str, str]
) -> Record:
    millis = int(began.timestamp() * 1000)
    failed = draw.random() < 0.08
    cached = attempt == 1 and not failed and draw.random() < 0.05
    total = draw.lognormvariate(0.3, 0.6)
    usage = Usage(draw.randrange(50, 4000), draw.randrange(1, 800), draw.randrange(50), cost_usd=draw.random() * 0.02)
    return Record(
        id=f"{millis:012x}7{made:019x}",
        call_id=f"{call:032x}",
        started_at=began,
        provider=model[0],
        model=model[1],
        host="api.example.com",
        streamed=True,
        reason="cache" if cached else "first" if attempt == 1 else "fallback",
        attempt=attempt,
        status_code=529 if failed else 200,
        error="OverloadedError" if failed else None,
        finish_reason=None if failed else "stop",
        usage=Usage(cost_usd=0.0) if failed or cached else usage,
        timing=Timing(0.01, total * 0.2, None if failed else total * 0.3, total, 0.02),
        request_id=f"req_{draw.getrandbits(96):024x}",
        labels=labels,
        cache="exact" if cached else None,
        saved_usd=0.01 if cached else None,
        saved_tokens=1200 if cached else 0,
        estimated_usd=None if failed or cached else (usage.cost_usd or 0.0) * draw.uniform(0.9, 1.1),
        trace_id=f"{draw.getrandbits(128):032x}",
        span_id=f"{draw.getrandbits(64):016x}",
        price_version="genai-prices 0.2.3",
    )


def write(path: Path, records: Iterable[Record], *, facts: bool = True) -> None:
    """Writes a new ledger with these Records; without `facts`, only their columns."""
    names = [name for name in Record(started_at=END, provider="p", model="m").as_dict() if name not in {"id", "labels"}]
    columns = ", ".join(("id TEXT PRIMARY KEY", "facts BLOB NOT NULL", *names, "task TEXT", "labels TEXT NOT NULL"))
    numbers: dict[object, int] = {}
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"CREATE TABLE records ({columns}) WITHOUT ROWID")
        connection.execute(
            "CREATE TABLE kinds (number INTEGER PRIMARY KEY, provider, model, path, task, reason, error, error_phase,"
            " cache, finish_reason, streamed, estimated)"
        )
        connection.execute("CREATE INDEX records_by_time ON records (started_at)")

        def rows() -> Iterator[tuple[object, ...]]:
            for record in records:
                kind = kind_of(record)
                if kind not in numbers:
                    numbers[kind] = number_of(kind)
                    connection.execute(
                        "INSERT OR IGNORE INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", (numbers[kind], *kind)
                    )
                values = record.as_dict()
                values["started_at"] = record.started_at.timestamp()
                numbers_and_words = [values[name] for name in names]
                labels = dumps(values["labels"])
                yield record.id, facts_of(record, numbers[kind]), *numbers_and_words, record.task, labels

        marks = ", ".join("?" * (len(names) + 4))
        connection.executemany(f"INSERT OR IGNORE INTO records VALUES ({marks})", rows())
        if not facts:
            connection.execute("ALTER TABLE records DROP COLUMN facts")
            connection.execute("DROP TABLE kinds")
    connection.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), traffic(int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))

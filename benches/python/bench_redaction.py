"""Redaction of a text of 1 MB of prose and JSON, and of a request of 4 kB, through Python."""

from __future__ import annotations

import json

import pytest

from inferail.telemetry.redaction import Redactor

PROSE = "Dear team, please review the document below and answer by Friday. Write to ada@example.com if you are late, or not. "
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": PROSE * 30}], "max_tokens": 4096})


@pytest.mark.parametrize("kind", ["text", "body", "long"])
def bench_redaction(benchmark, kind):
    redactor = Redactor()
    long = (PROSE * 3 + BODY[:200]) * 2_000
    work = {
        "text": lambda: redactor.redact(PROSE * 30),
        "body": lambda: redactor.redact_bytes(BODY.encode()),
        "long": lambda: redactor.find(long),
    }[kind]

    benchmark.extra_info["bytes"] = len({"text": PROSE * 30, "body": BODY, "long": long}[kind])
    benchmark(work)

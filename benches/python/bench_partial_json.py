"""Partial JSON: 4-character deltas, and the value so far after each of them."""

from __future__ import annotations

import json

import pytest

from inferail.core import PartialJSON

STEP = {"id": 17, "title": "Step", "why": "Explain how the queue drains, and why.", "done": True, "cost": 0.5}
DOCUMENTS = {
    "arguments-3k": json.dumps({"steps": [STEP] * 29}),
    "arguments-30k": json.dumps({"steps": [STEP] * 290}),
    "string-3k": json.dumps({"answer": "latency " * 372}),
}


@pytest.mark.parametrize("read", ["feed", "value"])
@pytest.mark.parametrize("document", DOCUMENTS)
def bench_partial_json_deltas(benchmark, document, read):
    text = DOCUMENTS[document]
    pieces = [text[start : start + 4] for start in range(0, len(text), 4)]
    benchmark.extra_info["events"] = len(pieces)
    benchmark.extra_info["bytes"] = len(text)

    def grow() -> PartialJSON:
        parser = PartialJSON()
        for piece in pieces:
            parser.feed(piece)
            if read == "value":
                _ = parser.value
        return parser

    assert benchmark(grow).value == json.loads(text)

"""A Ledger that keeps what failed: from the Record in the file to the request that was sent."""

from __future__ import annotations

import pytest
from tests.telemetry.payloads.redactor import WordRedactor

import inferail as ir
from inferail.errors import RateLimitError
from inferail.replaying import replay
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.payloads import FailedPayloads
from inferail.telemetry.sqlite import SQLiteSink
from inferail.testing import ScriptedModel
from inferail.testing.transport import ScriptedReply, ScriptedTransport


def test_record_in_the_file_leads_to_the_request_that_failed(tmp_path) -> None:
    """Serves R163, R164."""
    path = tmp_path / "ledger.db"
    refused = ScriptedReply([b"{}"], status=429, headers={"x-request-id": "req_7"})
    transport = ScriptedTransport([refused], blocking=True)
    payloads = FailedPayloads(tmp_path / "payloads.db", redactor=WordRedactor(), key=bytes(32))
    ledger = Ledger(SQLiteSink(path), payloads=payloads)

    with (
        ir.Client("openai:gpt-5-mini", transport=transport, recorder=ledger, api_key="k", retries=0) as client,
        pytest.raises(RateLimitError),
    ):
        client.complete("Write to ann@example.com")
    assert ledger.flush(10)
    (record,) = SQLiteSink.read(path)

    assert record.payload_id == record.id
    payload = payloads.get(record.id)
    assert payload.body == transport.wires[0].body.replace(b"ann@example.com", b"<SECRET_0>")
    assert (payload.record.request_id, payload.record.error) == ("req_7", "RateLimitError")
    assert replay(payload, ScriptedModel(["Done."])).outcomes[0].error is None
    ledger.close()

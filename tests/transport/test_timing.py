"""Where the time of a call went: connection, TLS and first byte by themselves."""

import pytest

import inferail as ir


@pytest.mark.parametrize("transport", ["rust", "httpx"])
@pytest.mark.parametrize("streamed", [False, True])
def test_response_says_how_long_connection_handshake_and_first_byte_took(tls, files, monkeypatch, transport, streamed):
    """Serves R201."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))
    url = tls().url
    # The server's answer is no chat completion, which the record of the attempt does not mind.
    with ir.Client("openai:x", base_url=url, api_key="k", transport=transport, retries=0) as client:
        with pytest.raises(ir.RequestError):
            client.complete("Hello") if not streamed else client.stream("Hello").__enter__()
        timing = client.records[0].timing

    assert timing.connect > 0
    assert timing.tls > 0
    assert timing.first_byte is not None
    assert timing.connect + timing.tls < timing.first_byte <= timing.total

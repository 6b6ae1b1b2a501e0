"""Who may use a server that has no key."""

from __future__ import annotations

import httpx
import pytest

from inferail.server import create_app, running
from inferail.server.local import LocalOnly, is_local
from inferail.testing import ScriptedModel


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_host_is_local_when_it_is_this_machine(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.nip.io"]
)
def test_host_is_not_local_when_it_may_be_another(host):
    assert not is_local(host)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="a-program"),
        pytest.param({"origin": "http://localhost:3000"}, 200, id="a-local-page"),
        pytest.param({"host": "localhost:8000"}, 200, id="by-name"),
        pytest.param({"origin": "https://evil.example"}, 403, id="a-foreign-page"),
        pytest.param({"origin": "null"}, 403, id="a-page-without-an-origin"),
        pytest.param({"host": "evil.example"}, 403, id="a-domain-that-leads-here"),
        pytest.param({"host": "["}, 403, id="no-host-at-all"),
    ],
)
def test_server_takes_requests_of_this_machine_only(headers, status):
    app = LocalOnly(create_app({"docs": ScriptedModel([])}))

    with running(app) as base_url:
        answer = httpx.get(f"{base_url}/v1/models", headers=headers, trust_env=False)

    assert answer.status_code == status
    assert status == 200 or "no key" in answer.json()["error"]["message"]

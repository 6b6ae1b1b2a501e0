"""The official conformance suite of MCP, scenario by scenario: our client at its servers, its client at our server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pipelines.mcp.conformance.everything_server import server

from inferail.server.run import running

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[4]
HERE = Path(__file__).parent

CLIENT = (
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/scope-step-up",
    "auth/scope-retry-limit",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
    "auth/2025-03-26-oauth-metadata-backcompat",
    "auth/2025-03-26-oauth-endpoint-fallback",
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/client-credentials-jwt",
    "auth/client-credentials-basic",
    "auth/cross-app-access-complete-flow",
)
SERVER = (
    "server-initialize",
    "logging-set-level",
    "ping",
    "completion-complete",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-with-logging",
    "tools-call-error",
    "tools-call-with-progress",
    "tools-call-sampling",
    "tools-call-elicitation",
    "json-schema-2020-12",
    "elicitation-sep1034-defaults",
    "server-sse-polling",
    "server-sse-multiple-streams",
    "elicitation-sep1330-enums",
    "resources-list",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "resources-subscribe",
    "resources-unsubscribe",
    "prompts-list",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
    "dns-rebinding-protection",
)


@pytest.fixture(scope="module")
def suite():
    """Runs the suite, which `make test-slow` installs, with a Node.js that is new enough for it."""
    modules = Path(os.environ.get("INFERAIL_TEST_MCP", ROOT / ".venv-mcp")) / "npm" / "node_modules"
    node = modules / "node" / "bin" / "node"
    program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    if not (node.exists() and program.exists()):
        pytest.skip("the conformance suite of MCP is not installed: make test-slow")

    def run(*arguments):
        paths = os.pathsep.join([str(ROOT / "python"), str(ROOT)])
        return subprocess.run(
            [node, program, *arguments],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            encoding="utf-8",  # whatever the locale is: the suite prints ✓
            timeout=120,
            check=False,
        )

    return run


def verdicts(folder):
    """What the suite found, by kind: it counts warnings as failures, and so do we."""
    checks = [
        each for path in Path(folder).rglob("checks.json") for each in json.loads(path.read_text(encoding="utf-8"))
    ]
    return {kind: [each for each in checks if each["status"] == kind] for kind in ("SUCCESS", "FAILURE", "WARNING")}


@pytest.mark.parametrize("scenario", CLIENT)
def test_client_passes_scenario(suite, tmp_path, scenario):
    """Serves R142."""
    command = f"{sys.executable} {HERE / 'everything_client.py'}"

    ran = suite("client", "--command", command, "--scenario", scenario, "-o", str(tmp_path))

    found = verdicts(tmp_path)
    assert (found["FAILURE"], found["WARNING"]) == ([], []), ran.stderr[-3000:]
    assert found["SUCCESS"]
    assert ran.returncode == 0, ran.stderr[-3000:]


@pytest.fixture(scope="module")
def everything():
    with running(server.app()) as base:
        yield f"{base}/mcp"


@pytest.mark.parametrize("scenario", SERVER)
def test_server_passes_scenario(suite, everything, tmp_path, scenario):
    """Serves R142."""
    ran = suite("server", "--url", everything, "--scenario", scenario, "-o", str(tmp_path))

    found = verdicts(tmp_path)
    assert (found["FAILURE"], found["WARNING"]) == ([], []), ran.stdout[-3000:]
    assert found["SUCCESS"]
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_no_scenario_of_the_suite_is_left_out(suite):
    listed = [
        line.strip()[2:].partition(" ")[0] for line in suite("list").stdout.splitlines() if line.startswith("  - ")
    ]

    assert sorted(listed) == sorted(CLIENT + SERVER)

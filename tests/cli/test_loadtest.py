"""`inferail loadtest`. How fast this machine is decides nothing here: no time is compared with a real one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

BRIEF = ("--rate", "200", "--duration", "5s", "--max-requests", "12")


@pytest.fixture
def url(sandbox):
    return sandbox.base_url("openai")


def test_server_is_loaded_through_the_normal_client(run, url):
    """Serves R172, R176."""
    result = run("loadtest", url, *BRIEF, "--p95", "60s", "--closed", "2")

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split()[:4] == ["rate", "loop", "requests", "answered"]
    assert lines[1].split()[:4] == ["200", "open", "12", "12"]
    assert lines[2].split()[1] == "closed"
    assert "holds 60 s" in result.output
    assert "were hidden" in result.output


def test_model_is_found_by_its_name(run, sandbox):
    told = json.loads(run("loadtest", "openai:docs", *BRIEF, "--json").output)

    assert told["runs"][0]["answered"] == 12
    assert told["runs"][0]["stopped"] is None
    assert [share for share, _ in told["runs"][0]["total"]] == [0.0, 0.5, 0.75, 0.9, 1.0]


def test_missed_target_is_exit_code_1(run, url):
    result = run("loadtest", url, *BRIEF, "--p95", "0.001ms")

    assert result.exit_code == 1
    assert "misses 1e-06 s" in result.output


def test_errors_are_counted_by_class(run, url):
    told = json.loads(run("loadtest", url, *BRIEF, "--served", "docs@503", "--p95", "1s", "--json").output)

    assert told["runs"][0]["errors"] == {"OverloadedError": 12}
    assert told["runs"][0]["goodput"] == 0.0


def test_ramp_ends_when_the_requests_are_used_up(run, url):
    told = json.loads(run("loadtest", url, *BRIEF, "--p95", "60s", "--ramp", "--json").output)

    assert sum(each["requests"] for each in told["runs"]) <= 24
    assert told["highest_rate"] >= 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("https://models.example/v1",), "--allow-remote", id="remote"),
        pytest.param(("http://127.0.0.1:1/v1", "--ramp"), "--ramp needs the target", id="ramp"),
        pytest.param(("http://127.0.0.1:1/v1", "--p95", "soon"), "is no time", id="time"),
        pytest.param(("nobody:x",), "unknown provider", id="model"),
        pytest.param(("openai:x", "--api-key-env", "NOT_THERE"), "NOT_THERE", id="key"),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_sent(run, arguments, message):
    result = run("loadtest", *arguments)

    assert result.exit_code in (1, 2)
    assert message in result.stderr


def test_server_elsewhere_gets_a_budget(run):
    # An address that is not one of loopback, and that nothing listens on: each request is refused on this machine.
    result = run("loadtest", "http://0.0.0.0:9/v1", *BRIEF, "--allow-remote", "--json")

    assert "has no known price; it ends at $1" in result.stderr
    assert json.loads(result.stdout)["runs"][0]["errors"] == {"ConnectError": 12}


@pytest.mark.slow
def test_interrupt_gives_what_was_measured(url):
    running = subprocess.Popen(
        [sys.executable, "-m", "inferail.cli", "loadtest", url, "--rate", "20", "--duration", "60s", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(4.0)  # it has begun by then; how far it got does not matter
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=30)

    assert running.returncode == 130, errors
    assert json.loads(output)["runs"][0]["stopped"] == "interrupted"

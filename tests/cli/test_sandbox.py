"""`inferail sandbox`: a process that serves until it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

import inferail as ir


@pytest.mark.slow
def test_sandbox_serves_what_it_prints_and_ends_at_an_interrupt(tmp_path):
    (tmp_path / "handbook.md").write_text("# Leave\n\nEvery employee has thirty days of leave.\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "inferail.cli", "sandbox", "--port", "0", "--docs", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = iter(process.stdout.readline, "")
            exported = next(found for line in lines if (found := re.search(r"INFERAIL_OPENAI_BASE_URL=(\S+)", line)))
            target = ir.Target("openai:docs", base_url=exported[1])
            with ir.Client(target) as client:
                answer = client.complete("How many days of leave?").text
        finally:
            process.send_signal(signal.SIGINT)
        rest, errors = process.stdout.read(), process.stderr.read()

    assert answer.startswith("Every employee has thirty days of leave.")
    assert f"curl {exported[1]}/chat/completions" in rest
    assert "Traceback" not in errors
    assert errors.endswith("stopped\n")
    assert process.returncode == 0


def test_sandbox_says_so_when_the_port_is_taken(run, sandbox):
    port = sandbox.base_url("anthropic").rpartition(":")[2]

    result = run("sandbox", "--port", port)

    assert result.exit_code == 1
    assert result.stderr == f"inferail: cannot listen on 127.0.0.1 port {port}: is it in use?\n"


def test_sandbox_says_so_when_a_folder_has_no_documents(run, tmp_path):
    result = run("sandbox", "--port", "0", "--docs", str(tmp_path))

    assert result.exit_code == 1
    assert result.stderr == "inferail: there are no .md files in that folder\n"

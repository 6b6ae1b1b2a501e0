"""Our server over stdio and over HTTP, for clients of every kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.pipelines.mcp.offered import make_server

from inferail.server.run import running

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = Path(__file__).parent


@pytest.fixture(scope="session")
def endpoint():
    """The URL of our server, in a thread of this process."""
    with running(make_server(page=3).app()) as base:
        yield f"{base}/mcp"


@pytest.fixture(scope="session")
def command():
    """What starts our server as a child process."""
    return [sys.executable, str(SCRIPTS / "offered.py")]


@pytest.fixture
def python_path():
    """The variables that a child process needs to import what is tested here."""
    paths = [str(ROOT / "python"), str(ROOT)]
    return {"PYTHONPATH": os.pathsep.join(paths)}


# A process for every test takes half a second each; what needs one in any case is in `test_talking.py` without this fixture.
@pytest.fixture(params=[pytest.param("stdio", marks=pytest.mark.slow), "http"])
def reached(request, python_path):
    """What a client is made with: a command and its variables, or a URL."""
    if request.param == "http":
        return request.getfixturevalue("endpoint"), {}
    return request.getfixturevalue("command"), {"environment": python_path}

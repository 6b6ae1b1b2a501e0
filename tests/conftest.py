"""What every test runs under: no real keys, no network beyond loopback, and no skipped test on CI."""

from __future__ import annotations

import importlib
import ipaddress
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs with interrupts ignored, and programs started from here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("here", deadline=None)
# The same examples on every run: a change is judged by what it changed.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if ON_CI else "here")


class Needs(Protocol):
    """Imports a module, or skips the test (on CI: fails it)."""

    def __call__(self, module: str) -> ModuleType:
        """The imported module."""
        ...


@pytest.fixture
def needs() -> Needs:
    """`needs("openai")` is the module; without it the test is skipped here, and fails with CI=true."""

    def imported(module: str) -> ModuleType:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or module.split(".", maxsplit=1)[0] != error.name.split(".")[0]:
                raise
            pytest.skip(f"{module} is not installed")

    return imported


@pytest.fixture
def litellm_program() -> Path:
    """The litellm command of the interop environment, which `make test-slow` installs."""
    root = Path(__file__).parents[1]
    program = Path(os.environ.get("INFERAIL_TEST_LITELLM", root / ".venv-interop" / "bin" / "litellm"))
    if not program.exists():
        pytest.skip("litellm is not installed: make test-slow")
    return program


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, base URL or proxy of the person who runs the tests is seen by them."""
    for name in list(os.environ):
        if (
            name.endswith("_API_KEY")
            or name.lower().endswith("_proxy")
            or (name.startswith("INFERAIL_") and not name.startswith("INFERAIL_TEST_"))
        ):
            monkeypatch.delenv(name)
    # respx is a pytest plugin, so it is loaded in every test here; a process without it gets this transport by itself.
    monkeypatch.setenv("INFERAIL_TRANSPORT", "rust")
    # The command line would write into the ledger of that person.
    monkeypatch.setenv("INFERAIL_LEDGER", "none")
    # Which models are old depends on the day.
    monkeypatch.setenv("INFERAIL_MODEL_WARNINGS", "off")


# A skipped test on CI is a server or a package that should have been there.


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped, and CI=true allows no skips: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if ON_CI and report.skipped and not hasattr(report, "wasxfail"):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if ON_CI and report.skipped:
        _fail_instead(report)
    return report


# An audit hook sees every connection of this process, whichever library makes it.


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.endswith((".invalid", ".localhost")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if isinstance(host, str) and not _is_here(host):
        raise RuntimeError(f"a test tried to reach {host}: tests stay on loopback")


sys.addaudithook(_refuse_network)

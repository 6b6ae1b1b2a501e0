"""`KVCache(device="cuda")` against a driver that runs the same kernels on the CPU. No GPU is needed; g++ is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

from inferail.core import KVCache
from inferail.errors import ConfigError, DeviceError

CRATE = Path(__file__).parents[2] / "rust" / "cuda"
PROGRAM = Path(__file__).with_name("on_a_device.py")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libcuda.so.1 of our own; -O1 as in rust/cuda/tests/device/fake.rs, which says why."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which compiles the driver that stands in for a GPU's")
    folder = tmp_path_factory.mktemp("driver")
    command = ["g++", "-std=c++20", "-fPIC", "-shared", "-DINFERAIL_SHIM", "-w", "-O1"]
    command += [f"-I{CRATE / 'kernels'}", f"-I{CRATE / 'tests' / 'fake'}", str(CRATE / "tests" / "fake" / "driver.cpp")]
    subprocess.run([*command, "-o", str(folder / "libcuda.so.1")], check=True)
    return folder


def run(driver: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), name],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["same_as_in_memory", "views", "tiers", "errors"])
def test_pages_on_a_device_are_those_in_memory(driver, name):
    done = run(driver, name)

    assert done.returncode == 0, done.stderr
    assert f"ran {name}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["no_device", "old_driver", "memory=1000"])
def test_a_device_that_cannot_be_used_is_one_typed_error(driver, trouble):
    done = run(driver, "same_as_in_memory", FAKE_CUDA=trouble)

    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("inferail.errors.DeviceError")


def test_pages_on_a_device_need_a_geometry():
    with pytest.raises(ConfigError, match="layers="):
        KVCache(blocks=8, device="cuda")


@pytest.mark.skipif(find_library("cuda") is not None, reason="this machine has a driver")
def test_pages_on_a_device_need_a_driver():
    with pytest.raises(DeviceError):
        KVCache(blocks=8, layers=1, kv_heads=1, head_dim=64, device="cuda")

"""The checked-in kernels on the device of this machine (`make gpu-test`)."""

from __future__ import annotations

import pytest
from benches.gpu import device as gpu

pytestmark = pytest.mark.gpu


@pytest.fixture
def device():
    try:
        made = gpu.Device()
    except (OSError, RuntimeError) as error:
        pytest.skip(f"no CUDA device: {error}")
    yield made
    made.free()


@pytest.mark.parametrize("dim", [64, 96, 128, 256])
@pytest.mark.parametrize("kind", gpu.SIZES)
def test_decode_equals_float64_on_the_device(device, kind, dim):
    assert gpu.check(device, kind, dim) < gpu.BOUNDS[kind]


def test_decode_of_eight_rows_and_of_more(device):
    for group in (1, 8, 12):
        assert gpu.check(device, "bf16", 128, group=group) < gpu.BOUNDS["bf16"]

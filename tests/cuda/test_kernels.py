"""The compiled kernels that are checked in: all there, within their limits, and what their sources compile to."""

from __future__ import annotations

import json
import re

import pytest
from scripts import build_kernels

BUILT = build_kernels.KERNELS / "built"
FORMATS = ["f32", "bf16", "f16", "int8", "fp8"]
HEAD_DIMS = [64, 96, 128, 256]
KERNELS = {
    *(f"attend_{of}_{dim}" for of in FORMATS for dim in HEAD_DIMS),
    *(f"write_{of}" for of in FORMATS),
    *("copy_slots", "gather_blocks", "scatter_blocks", "merge_states"),
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, build_kernels.Use]]:
    return json.loads((BUILT / "manifest.json").read_text())


def test_manifest_has_every_kernel_on_every_architecture(manifest):
    assert set(manifest) == KERNELS
    assert {tuple(sorted(uses)) for uses in manifest.values()} == {
        tuple(sorted(f"sm_{architecture}" for architecture in build_kernels.CHECKED))
    }


def test_no_kernel_spills_or_takes_more_than_it_may(manifest):
    assert not [line for kernel, uses in manifest.items() for line in build_kernels.too_much(kernel, uses)]


@pytest.mark.parametrize("what", ["registers", "shared", "stack", "spilled"])
def test_limits_are_limits(manifest, what):
    uses = {"sm_90": manifest["attend_bf16_128"]["sm_90"] | {what: 100_000}}

    assert build_kernels.too_much("attend_bf16_128", uses)


def test_every_kernel_is_in_what_is_shipped():
    for suffix in ["ptx", *(f"sm_{architecture}.cubin" for architecture in build_kernels.SHIPPED)]:
        found = b"".join(path.read_bytes() for path in sorted(BUILT.glob(f"*.{suffix}")))

        assert not {kernel for kernel in KERNELS if not re.search(rb"\b%s\b" % kernel.encode(), found)}


def test_ptx_is_read_by_old_drivers():
    for path in BUILT.glob("*.ptx"):
        text = path.read_text()

        assert re.search(r"^\.version 8\.0$", text, re.MULTILINE)
        assert re.search(r"^\.target sm_80$", text, re.MULTILINE)


@pytest.mark.slow
def test_built_kernels_are_what_the_sources_compile_to(needs, tmp_path):
    needs("nvidia.cuda_nvcc")
    needs("nvidia.cuda_nvrtc")
    needs("nvidia.cu13")

    assert build_kernels.main([str(tmp_path)]) == 0

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in BUILT.iterdir()}
    assert {name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name)} == set()

"""Compiles rust/cuda/kernels/*.cu into rust/cuda/kernels/built, without a GPU and without a toolkit.

NVRTC 12.0 writes PTX of an instruction set that drivers since 525 read (a newer NVRTC's would need a newer driver);
ptxas turns it into a cubin for each architecture, and tells what registers and memory each kernel takes. Both come from
PyPI (`pip install --group cuda-build`) and are tools alone: nothing of them is shipped. NVRTC 13 only shows that the
sources are good for what comes next.

    .venv-kernels/bin/python scripts/build_kernels.py [folder]

Written are the PTX, the cubins that are shipped, and manifest.json: of each kernel the registers, shared memory, stack
and spills on each architecture. A kernel that spills or takes more than LIMITS ends the script with an error.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

KERNELS = Path(__file__).parents[1] / "rust" / "cuda" / "kernels"

# A cubin runs on its own and on later minor versions of its architecture: 8.0 serves 8.6 and 8.9. What has none is
# served by the PTX, which its driver compiles once.
SHIPPED = ("80", "90")
CHECKED = ("80", "86", "89", "90", "100", "120")
OPTIONS = ("--gpu-architecture=compute_80", "--std=c++17", "-default-device")

# Threads of a block, and how many blocks a multiprocessor is to hold: 65,536 registers and, on the smallest (8.6, 8.9,
# 12.0), 100 KiB of shared memory, of which each block takes 1 KiB more than it asks for.
SHARED_OF_MULTIPROCESSOR = 100 << 10
REGISTERS_OF_MULTIPROCESSOR = 65_536
HELD = (
    (re.compile(r"attend_\w+_256"), 128, 2),
    (re.compile(r"attend_\w+"), 128, 3),
    (re.compile(r"write_\w+|merge_states"), 128, 4),
    (re.compile(r"copy_slots|\w+_blocks"), 256, 4),
)

Use = dict[str, int]


def main(arguments: Sequence[str]) -> int:
    """Writes everything into a folder, the checked-in one unless told otherwise."""
    folder = Path(arguments[0]) if arguments else KERNELS / "built"
    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, dict[str, Use]] = {}
    for source in sorted(KERNELS.glob("*.cu")):
        text = compile_ptx(source, nvrtc("12"))
        (folder / f"{source.stem}.ptx").write_text(text)
        for architecture in CHECKED:
            cubin, uses = assemble(text, architecture)
            for kernel, use in uses.items():
                manifest.setdefault(kernel, {})[f"sm_{architecture}"] = use
            if architecture in SHIPPED:
                (folder / f"{source.stem}.sm_{architecture}.cubin").write_bytes(cubin)
        for architecture in ("100", "120"):
            compile_ptx(source, nvrtc("13"), f"--gpu-architecture=compute_{architecture}")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    wrong = [line for kernel, uses in manifest.items() for line in too_much(kernel, uses)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


def too_much(kernel: str, uses: dict[str, Use]) -> list[str]:
    """What a kernel takes beyond its limits, a line each."""
    threads, blocks = next((threads, blocks) for name, threads, blocks in HELD if name.fullmatch(kernel))
    registers = min(255, REGISTERS_OF_MULTIPROCESSOR // (threads * blocks) // 8 * 8)
    shared = SHARED_OF_MULTIPROCESSOR // blocks - 1024
    limits = {"registers": registers, "shared": shared, "stack": 0, "spilled": 0}
    return [
        f"{kernel} on {architecture}: {use[what]} {what}, at most {limit}"
        for architecture, use in uses.items()
        for what, limit in limits.items()
        if use[what] > limit
    ]


def compile_ptx(source: Path, library: ctypes.CDLL, *architecture: str) -> str:
    """PTX of one source; the headers beside it go with it."""
    headers = sorted(path for path in KERNELS.iterdir() if path.suffix in {".h", ".cuh"})
    program = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(headers))(*(path.read_bytes() for path in headers))
    names = (ctypes.c_char_p * len(headers))(*(path.name.encode() for path in headers))
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), source.read_bytes(), source.name.encode(), len(headers), texts, names
    )
    if made:
        raise SystemExit(f"nvrtc: error {made} for {source.name}")
    options = [option.encode() for option in (*(architecture or OPTIONS[:1]), *OPTIONS[1:])]
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if failed:
        raise SystemExit(f"{source.name}: {_text(library, program, 'ProgramLog')}")
    return _text(library, program, "PTX")


def _text(library: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, text)
    return text.value.decode()


def assemble(text: str, architecture: str) -> tuple[bytes, dict[str, Use]]:
    """The cubin of a PTX, and what each of its kernels takes."""
    with tempfile.TemporaryDirectory() as folder:
        # Without a path in it the cubin is the same wherever it was made.
        Path(folder, "kernel.ptx").write_text(text)
        command = [
            str(_package("nvidia.cuda_nvcc") / "bin" / "ptxas"),
            f"-arch=sm_{architecture}",
            "-v",
            "kernel.ptx",
            "-o",
            "kernel.cubin",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"ptxas for sm_{architecture}: {done.stderr}")
        return Path(folder, "kernel.cubin").read_bytes(), _uses(done.stderr)


def _uses(printed: str) -> dict[str, Use]:
    uses: dict[str, Use] = {}
    for part in printed.split("Compiling entry function '")[1:]:
        numbers = {
            "registers": r"Used (\d+) registers",
            "shared": r"(\d+) bytes smem",
            "stack": r"(\d+) bytes stack frame",
            "spilled": r"(\d+) bytes spill stores",
        }
        found = {what: re.search(pattern, part) for what, pattern in numbers.items()}
        uses[part.split("'")[0]] = {what: int(match[1]) if match else 0 for what, match in found.items()}
    return uses


_LIBRARIES: dict[str, ctypes.CDLL] = {}


def nvrtc(version: str) -> ctypes.CDLL:
    """The compiler of that major version."""
    if version not in _LIBRARIES:
        folder = _package("nvidia.cuda_nvrtc" if version == "12" else "nvidia.cu13") / "lib"
        # It looks for its builtins by name alone.
        for builtins in folder.glob(f"libnvrtc-builtins.so.{version}*"):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        _LIBRARIES[version] = ctypes.CDLL(str(folder / f"libnvrtc.so.{version}"))
    return _LIBRARIES[version]


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if not found or not found.submodule_search_locations:
        raise SystemExit(f"{name} is not installed: pip install --group cuda-build")
    return Path(next(iter(found.submodule_search_locations)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

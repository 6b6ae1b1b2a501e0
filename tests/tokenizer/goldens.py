"""Small tokenizers of every family, and what Hugging Face `tokenizers` makes of texts with them: goldens of the Rust tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "rust" / "tokenizer" / "tests" / "huggingface"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def golden(name: str) -> dict[str, Any]:
    """The file under `tokenizer`, texts and results under `cases`, more of both under `limited`."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def file(name: str) -> bytes:
    """The `tokenizer.json`."""
    return json.dumps(golden(name)["tokenizer"], ensure_ascii=False).encode()

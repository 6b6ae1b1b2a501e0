"""The examples of docs/tokenizer.md that need nothing but the package."""

from __future__ import annotations

import re
from pathlib import Path

from inferail.core import Tokenizer

PAGE = Path(__file__).parents[2] / "docs" / "tokenizer.md"
NEEDED = {
    "texts": ["one", "and two"],
    "text": "Rails and routes",
    "arriving": [82, 6129],
    "tokenizer": Tokenizer.named("o200k_base"),
}


def test_examples_run(capsys):
    page = PAGE.read_text(encoding="utf-8")
    names = dict(NEEDED)

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/tokenizer.md", "exec"), names)

    assert capsys.readouterr().out.strip()

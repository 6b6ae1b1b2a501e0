"""The examples of docs/kv-cache.md, and what they print."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "kv-cache.md"


def test_examples_print_what_the_page_says(capsys):
    page = PAGE.read_text(encoding="utf-8")

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/kv-cache.md", "exec"), {})

    assert capsys.readouterr().out.splitlines() == [
        "0 3",
        "32",
        "(2, 1) [0 0]",
        "[4 5] []",
        "(1, 8, 64)",
        "0 0 16 ",
    ]

"""The examples of docs/sampling.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "sampling.md"


def test_examples_run(capsys):
    page = PAGE.read_text(encoding="utf-8")
    names: dict[str, Any] = {}

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/sampling.md", "exec"), names)

    assert capsys.readouterr().out.strip()

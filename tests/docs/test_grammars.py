"""The examples of docs/grammars.md."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "grammars.md"


def test_examples_run(capsys):
    page = PAGE.read_text(encoding="utf-8")
    names = {"__name__": "grammars"}

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/grammars.md", "exec"), names)

    assert capsys.readouterr().out.splitlines()[-1] == "uniqueItems"

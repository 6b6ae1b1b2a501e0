"""The examples of docs/speculation-and-stops.md, and what they print."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "speculation-and-stops.md"


def test_examples_print_what_the_page_says(capsys):
    page = PAGE.read_text(encoding="utf-8")
    printed: list[str] = []

    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/speculation-and-stops.md", "exec"), {})
        printed.append(capsys.readouterr().out)

    assert re.fullmatch(r"\[.*\] accepted: [012]\n", printed[0])
    assert printed[1:] == [
        "[4 5 9]\n",
        "2 3 tokens in 1 step, stop: 34\n",
        "Yes, it is.\nended by </answer>\n",
        "Yes\nstop 2\n",
    ]

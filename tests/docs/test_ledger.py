"""The examples of docs/ledger.md that need no provider, and what they print."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"


def test_the_example_in_sql_prints_what_was_recorded(capsys):
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    exec(compile(examples[1], "docs/ledger.md", "exec"), {})

    assert capsys.readouterr().out.splitlines() == ["[('faq', 1, None)]", "gpt-5-mini faq"]

"""The numbers of docs/chat-templates.md are those that are counted with. Its examples are run by test_readme.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferail.core import Tokenizer

PAGE = Path(__file__).parents[2] / "docs" / "chat-templates.md"
MESSAGE = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    "family", ["gpt-4", "llama3", "chatml", "gemma", "deepseek", "mistral", "anthropic", "unknown"]
)
def test_numbers_of_the_table_are_counted_with(family):
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|") and family in line
    )
    per_message, _, per_conversation = (int(cell) for cell in row.split("|")[2:5])
    tokenizer = Tokenizer.named("o200k_base")

    empty, one = (tokenizer.count_messages(messages, model=family).tokens for messages in ([], [MESSAGE]))

    assert empty == per_conversation
    assert one - empty == per_message + sum(tokenizer.count(text) for text in MESSAGE.values())

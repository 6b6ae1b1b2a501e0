"""The command `inferail`: chat, demo, sandbox, models. Uses everything, is used by nothing."""

from inferail.cli.command import main

__all__ = ["main"]

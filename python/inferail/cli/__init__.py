"""The command `inferail`: chat, demo, models, sandbox, serve. Uses everything, is used by nothing."""

from inferail.cli.command import main

__all__ = ["main"]

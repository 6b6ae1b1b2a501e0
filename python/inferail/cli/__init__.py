"""The command `inferail`: batch, cache, chat, demo, models, sandbox, serve, tokens. Uses everything, is used by nothing."""

from inferail.cli.command import main

__all__ = ["main"]

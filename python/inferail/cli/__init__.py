"""The command `inferail`: batch, cache, chat, demo, eval, migrate, models, sandbox, serve, tokens and more. Uses everything, is used by nothing."""

from inferail.cli.command import main

__all__ = ["main"]

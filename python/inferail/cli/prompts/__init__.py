"""`inferail prompts`: what to look at in prompt files, what changed, and where their tokens are."""

from inferail.cli.prompts.command import prompts

__all__ = ["prompts"]

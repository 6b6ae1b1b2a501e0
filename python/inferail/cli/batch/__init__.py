"""`inferail batch`."""

from inferail.cli.batch.command import batch

__all__ = ["batch"]

"""`inferail simulate` and `inferail loadtest`."""

from inferail.cli.load.loadtest import loadtest
from inferail.cli.load.simulate import simulate

__all__ = ["loadtest", "simulate"]

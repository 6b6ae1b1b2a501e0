"""`inferail demo`: five questions through three faulty providers, as a table and a timeline."""

from inferail.cli.demo.command import demo

__all__ = ["demo"]

"""Code, paths, quotations, formulas: what is written literally is meant literally."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["literals"]


def literals(cached: Features, asked: Features) -> str | None:
    """`literals` where one text has code, a path, a quotation or an operator that the other has not."""
    return "literals" if cached.literals != asked.literals else None

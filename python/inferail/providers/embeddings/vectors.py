"""The numbers of an answer as one float32 array, whatever form they came in."""

from __future__ import annotations

import binascii
import math
from typing import TYPE_CHECKING, Any

from inferail.providers import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from inferail.errors import ProviderError

__all__ = ["vectors"]


def vectors(
    rows: Sequence[Any], count: int, dimensions: int | None, malformed: Callable[[str], ProviderError]
) -> NDArray[np.float32]:
    """float32 `[count, dimensions]`.

    Args:
        rows: One for each text, in order: a list of JSON numbers, or base64 text of little-endian float32 numbers, which
            is a third of the size and needs no parsing.
        count: How many texts were sent.
        dimensions: How many numbers were asked for, or None.
        malformed: Makes the exception from what is wrong.

    Raises:
        ProviderError: Another number of vectors than of texts, vectors of several lengths or of another length than was
            asked for, or what is no finite number.
    """
    import numpy as np

    if len(rows) != count:
        raise malformed(f"{len(rows)} vectors for {count} texts")
    made = _decoded(rows, malformed) if isinstance(rows[0], str) else _converted(rows, malformed)
    if made.shape[1] == 0:
        raise malformed("empty vectors")
    if dimensions is not None and made.shape[1] != dimensions:
        raise malformed(f"vectors of {made.shape[1]} numbers where {dimensions} were asked for")
    # The terms are float32 and the sum is float64, so it is finite exactly if all of them are; one pass, no array of flags.
    with np.errstate(invalid="ignore"):  # infinities of both signs
        finite = math.isfinite(made.sum(dtype="f8"))
    if not finite:
        raise malformed("numbers that are not finite")
    return made


def _decoded(rows: Sequence[Any], malformed: Callable[[str], ProviderError]) -> NDArray[np.float32]:
    import numpy as np

    size: int | None = None
    packed = bytearray()
    for row in rows:
        try:
            piece = binascii.a2b_base64(row, strict_mode=True)
        except (binascii.Error, ValueError, TypeError):
            raise malformed("vectors that are not base64") from None
        if len(piece) != (size := len(piece) if size is None else size) or size % 4:
            raise malformed("vectors of several lengths")
        packed += piece
    # A bytearray, so that the array owns memory that may be written to, without a second copy.
    return np.frombuffer(packed, dtype="<f4").reshape(len(rows), -1) if size else np.empty((len(rows), 0), np.float32)


def _converted(rows: Sequence[Any], malformed: Callable[[str], ProviderError]) -> NDArray[np.float32]:
    import numpy as np

    if not all(_is_numbers(row) for row in rows):
        raise malformed("vectors that are not lists of numbers")
    if len({len(reading.entries(row)) for row in rows}) != 1:
        raise malformed("vectors of several lengths")
    try:
        with np.errstate(over="ignore"):  # too large for float32 is found as infinite below
            return np.array(rows, dtype=np.float32)
    except (ValueError, TypeError):
        raise malformed("vectors that are not lists of numbers") from None


def _is_numbers(row: Any) -> bool:
    # The first number stands for the others here: what is none among them numpy refuses, except true, false and null.
    return all(type(number) in (float, int) for number in reading.entries(row)[:1] or [None])

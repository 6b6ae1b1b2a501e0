"""Many requests at a time: `client.batch` for rows, `Windowed` for calls that come at the same moment. May use providers and store."""

from __future__ import annotations

from inferail.batch.estimate import Estimate
from inferail.batch.files.sources import Items
from inferail.batch.items import Item
from inferail.batch.options import BatchOptions
from inferail.batch.running import AsyncBatch, Batch
from inferail.batch.windowed import Windowed

__all__ = ["AsyncBatch", "Batch", "BatchOptions", "Estimate", "Item", "Items", "Windowed"]

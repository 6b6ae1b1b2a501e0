"""What models a provider or a server has: `listing("gemini")` is how it is asked."""

from __future__ import annotations

from inferail.providers.listing.pages import Listing, listing, with_price

__all__ = ["Listing", "listing", "with_price"]
